"""What a client tells its observers while it works, and how an observer looks.

Observers are called on the event loop, one after the other, so they return quickly and never block.
"""

from dataclasses import dataclass
from typing import Protocol

from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.results import JobResult
from asyncbatch._values.status import JobStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSubmitted:
    """AWS accepted a job.

    Attributes:
        job_id: Id that AWS gave it.
        name: Job name.
        queue: Job queue, as it was named in the request.
        array_size: Number of children; None for a job that is no array.
    """

    job_id: str
    name: str
    queue: str
    array_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged:
    """A job was seen in another state, or an array's counts moved.

    Attributes:
        job_id: The job.
        previous: State before; None when it is seen for the first time.
        description: The job now.
    """

    job_id: str
    previous: JobStatus | None
    description: JobDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished:
    """A job was seen to have ended; delivered once per job.

    Attributes:
        job_id: The job.
        result: How it ended.
    """

    job_id: str
    result: JobResult


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLost:
    """AWS does not answer for a job any more, and the grace time is over.

    Attributes:
        job_id: The job.
    """

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestThrottled:
    """AWS throttled a call; it is sent again at a slower pace.

    Attributes:
        operation: The API operation.
        per_second: The pace from now on, calls a second.
    """

    operation: str
    per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRetried:
    """A call met a fault that passes, and is sent again.

    Attributes:
        operation: The API operation.
        code: Error code or name of the network fault.
        tries: How often it was sent so far.
        delay: Seconds until it is sent again.
    """

    operation: str
    code: str
    tries: int
    delay: float


Event = JobSubmitted | StatusChanged | JobFinished | JobLost | RequestThrottled | RequestRetried


class Observer(Protocol):
    """Anything that wants to hear what a client does: progress bars, metrics, tests."""

    def __call__(self, event: Event, /) -> None:
        """Take one event; called on the event loop, so return quickly and do not block."""
