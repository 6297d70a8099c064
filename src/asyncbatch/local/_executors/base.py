"""What runs an attempt: the protocol between the engine and its executors.

The engine says *start this*; the executor answers, later and through `AttemptEvents`, what
happened. `ProcessExecutor` starts a real process, `ScriptedExecutor` plays a script.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from asyncbatch.local._time.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """The attempt of a job that is to be started.

    Attributes:
        id: The job's id; a child's is `parent:index`.
        name: The job's name.
        queue: The name of its job queue.
        job_definition: The name of its job definition.
        attempt: The number of the attempt, from 1.
        array_index: The child's index in its array, or None.
        command: The command, its parameters filled in.
        environment: The variables that the definition, the job and AWS Batch set.
        parameters: The job's parameters.
        tags: The job's tags.
        random: A generator of the attempt's own: the same in every run with the same seed.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How an attempt ended.

    Attributes:
        exit_code: The exit code; None when no container exited (a lost host, for example).
        reason: The container's reason, such as `OutOfMemoryError: …`.
        status_reason: The attempt's status reason.
    """

    exit_code: int | None
    reason: str | None = None
    status_reason: str | None = "Essential container in task exited"


class AttemptEvents(Protocol):
    """Where an executor reports what an attempt does; never called from within `start`."""

    def running(self) -> None:
        """Report that the command runs; not called for an attempt that cannot start."""

    def line(self, message: str) -> None:
        """Report a line of output; it may come after the exit."""

    def exited(self, exit: Exit) -> None:  # noqa: A002 (the word for it)
        """Report the end, exactly once."""


class Process(Protocol):
    """An attempt that an executor has started."""

    def stop(self, grace: float) -> None:
        """Ask the attempt to end, and end it by force after `grace` seconds; report its exit."""


class Executor(Protocol):
    """Runs attempts."""

    async def open(self, clock: Clock) -> None:
        """Get ready; called once, before anything else."""

    def start(self, launch: Launch, events: AttemptEvents) -> Process:
        """Start an attempt; what is raised here ends the attempt, as a failure to start."""
        ...

    async def aclose(self) -> None:
        """End everything that still runs, and wait until it has ended."""
