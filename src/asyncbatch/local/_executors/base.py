"""The contract between the engine and its executors.

The engine calls `Executor.start` with a `Launch`. The executor reports later, through
`AttemptEvents`, what happens to the attempt. `ProcessExecutor` starts a real process,
`ScriptedExecutor` plays a script.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from asyncbatch.local._time.clock import Clock

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
"""ECS's reason of a container that exceeded its memory limit; its exit code is 137.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """An attempt to start.

    Attributes:
        id: The job's id; an array child's is `parent:index`.
        name: The job's name.
        queue: The name of its job queue.
        job_definition: The name of its job definition.
        attempt: The number of the attempt, starting at 1.
        array_index: An array child's index; None for other jobs.
        command: The command, with parameters substituted.
        environment: The variables set by the job definition, the job and AWS Batch.
        parameters: The job's parameters.
        tags: The job's tags.
        memory_mib: The memory limit in MiB; None where the job definition has none.
        random: A random generator for this attempt only: the same in every run with the same
            seed, independent of other attempts.
    """

    id: str
    name: str
    queue: str
    job_definition: str
    attempt: int
    array_index: int | None
    command: tuple[str, ...]
    environment: Mapping[str, str]
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    random: random.Random
    memory_mib: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How an attempt ended.

    Attributes:
        exit_code: The exit code; None if no container exited, for example after the loss of a host.
        reason: The container's reason, such as `OutOfMemoryError: …`.
        status_reason: The attempt's status reason.
    """

    exit_code: int | None
    reason: str | None = None
    status_reason: str | None = "Essential container in task exited"


class AttemptEvents(Protocol):
    """Callbacks for what happens to an attempt; never called from within `start`."""

    def running(self) -> None:
        """Report that the command is running; not called for an attempt that cannot start."""

    def line(self, message: str) -> None:
        """Report a line of output; this may come after the exit."""

    def exited(self, exit: Exit) -> None:  # noqa: A002 (AWS's and POSIX's term)
        """Report the exit; called exactly once."""


class Process(Protocol):
    """A started attempt."""

    def stop(self, grace: float) -> None:
        """Request the attempt's end, and force it after `grace` seconds; the exit is reported."""


class Executor(Protocol):
    """Runs attempts."""

    async def open(self, clock: Clock) -> None:
        """Prepare; called once, before any other method."""

    def start(self, launch: Launch, events: AttemptEvents) -> Process:
        """Start an attempt; an exception fails the attempt with "Task failed to start"."""
        ...

    async def aclose(self) -> None:
        """End all running attempts and wait for their exits."""
