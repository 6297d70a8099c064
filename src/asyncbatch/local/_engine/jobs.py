"""The engine's record of a job, of its attempts, and of an array's children.

These records are the state of the state machine. Only `engine`, `job_store`, `dependencies` and
`scheduler` change them. Times are milliseconds since the epoch, as in AWS's responses.
"""

import enum
from dataclasses import dataclass, field

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
    """Why the engine, and not the job, ends an attempt or a job."""

    TERMINATED = enum.auto()
    CANCELLED = enum.auto()
    TIMED_OUT = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt that has ended."""

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


@dataclass(slots=True, kw_only=True, eq=False)
class Array:
    """What an array job's parent knows of its children."""

    updated_at: int
    children: list["Job"] = field(default_factory=list)
    index: "StatusIndex[Job]" = field(default_factory=StatusIndex)

    @property
    def finished(self) -> int:
        """How many children have ended."""
        return self.index.count(JobStatus.SUCCEEDED) + self.index.count(JobStatus.FAILED)


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """A job: plain, an array's parent, or an array's child.

    Attributes:
        id: Its id; a child's is `parent:index`.
        blockers: How many things it still waits for: being evaluated, and its dependencies.
        depends_on: What it was submitted with, in AWS's words.
        doomed: Whether a job that it depends on had failed before it was submitted.
        dependents: The jobs that wait for this one.
        queued_at: When it last became RUNNABLE.
        vcpus_held: Thousandths of a vCPU that it occupies now.
        stop: Why it was told to stop, if it was.
        stop_reason: The reason that came with `stop`.
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
    doomed: bool = False
    dependents: list["Job"] = field(default_factory=list)
    vcpus_held: int = 0
    stop: Stop | None = None
    stop_reason: str | None = None

    @property
    def arn(self) -> str:
        """The ARN."""
        return batch_arn("job", self.id)

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self.status is JobStatus.SUCCEEDED or self.status is JobStatus.FAILED
