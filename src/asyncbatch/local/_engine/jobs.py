"""The engine's records of jobs, attempts and arrays.

These records are the state of the state machine. Only `engine`, `job_store`, `dependencies` and
`scheduler` change them. Times are milliseconds since the epoch, as in AWS's responses.
"""

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from asyncbatch._values.status import JobStatus
from asyncbatch.local._engine.definitions import JobDefinition
from asyncbatch.local._engine.ids import batch_arn
from asyncbatch.local._engine.log_store import LogStream
from asyncbatch.local._engine.queues import JobQueue
from asyncbatch.local._engine.spec import JobSpec
from asyncbatch.local._engine.status_index import StatusIndex
from asyncbatch.local._executors.base import Process
from asyncbatch.local._time.clock import Timer


class Stop(enum.Enum):
    """Why the engine ends an attempt or a job that has not ended by itself."""

    TERMINATED = enum.auto()
    CANCELLED = enum.auto()
    TIMED_OUT = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An ended attempt."""

    task_id: str
    log_stream: str | None
    started_at: int | None
    stopped_at: int
    exit_code: int | None
    reason: str | None
    status_reason: str | None


@dataclass(slots=True, kw_only=True, eq=False)
class CurrentAttempt:
    """The attempt that is STARTING or RUNNING."""

    number: int
    task_id: str
    log_stream: LogStream | None = None
    process: Process | None = None
    timeout: Timer | None = None


class Resources(NamedTuple):
    """What jobs share.

    Attributes:
        millicpus: Thousandths of a vCPU.
        gpus: GPUs.
    """

    millicpus: int = 0
    gpus: int = 0

    def fit_into(self, others: "Resources") -> bool:
        """Return whether others are at least as much of each."""
        return self.millicpus <= others.millicpus and self.gpus <= others.gpus

    def plus(self, others: "Resources") -> "Resources":
        """Return the sum."""
        return Resources(self.millicpus + others.millicpus, self.gpus + others.gpus)

    def minus(self, others: "Resources") -> "Resources":
        """Return the difference."""
        return Resources(self.millicpus - others.millicpus, self.gpus - others.gpus)


NOTHING = Resources()


@dataclass(slots=True, kw_only=True, eq=False)
class Array:
    """The children of an array job, kept by the parent.

    Attributes:
        updated_at: When a child last changed its status.
        children: The children in the order of their index.
        index: The children by status.
    """

    updated_at: int
    children: list["Job"] = field(default_factory=list)
    index: "StatusIndex[Job]" = field(default_factory=StatusIndex)

    @property
    def finished(self) -> int:
        """The number of children that have ended."""
        return self.index.count(JobStatus.SUCCEEDED) + self.index.count(JobStatus.FAILED)


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """A job: plain, an array's parent, or an array's child.

    Attributes:
        id: Job id; a child's is `parent:index`.
        sequence: Position in the order of creation, over all jobs.
        position: A child's index in its array; None for other jobs.
        depends_on: `dependsOn` of the SubmitJob request, as given.
        blockers: Number of things that the job still waits for: its evaluation, and unfinished
            dependencies (see `dependencies`).
        dependency_failed: Whether a dependency had failed before this job was submitted.
        dependents: Jobs that depend on this one and still wait for it.
        queued_at: When the job last became RUNNABLE.
        held: What the job occupies now.
        consumed: Whether the job holds the consumable resources that it needs.
        stop: Why the engine stops the job; None if it does not.
        stop_reason: The caller's reason that came with `stop`.
    """

    id: str
    name: str
    queue: JobQueue
    definition: JobDefinition
    spec: JobSpec
    sequence: int
    created_at: int
    tags: dict[str, str]
    depends_on: list[dict[str, str]] = field(default_factory=list)
    parent: "Job | None" = None
    position: int | None = None
    array: Array | None = None
    status: JobStatus = JobStatus.SUBMITTED
    status_reason: str | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    queued_at: int | None = None
    attempts: list[Attempt] = field(default_factory=list)
    current: CurrentAttempt | None = None
    blockers: int = 1
    dependency_failed: bool = False
    dependents: list["Job"] = field(default_factory=list)
    held: Resources = NOTHING
    consumed: bool = False
    stop: Stop | None = None
    stop_reason: str | None = None

    @property
    def arn(self) -> str:
        """The ARN."""
        return batch_arn("job", self.id)

    @property
    def is_finished(self) -> bool:
        """Whether the job has ended."""
        return self.status is JobStatus.SUCCEEDED or self.status is JobStatus.FAILED
