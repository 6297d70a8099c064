"""Events that a client reports to its observers, and the protocol of an observer.

Observers are called on the event loop, one after the other, so they must return quickly.
"""

from dataclasses import dataclass
from typing import Protocol

from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.results import Failure, JobResult
from asyncbatch._values.status import JobStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSubmitted:
    """AWS accepted a job.

    Attributes:
        job_id: Job id.
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
    """A job's status changed, or the counts of an array job's children.

    Attributes:
        job_id: Job id.
        previous: The status before; None for the first one.
        description: The job now.
        may_be_resubmitted: Whether a `RecoveryPolicy` may submit the job again if it is FAILED;
            whether it does is known with `JobResubmitted` or `JobFinished`.
        previous_id: Id of the submission that failed before this one, if it is known that there was
            one: of the array, for a smaller one that runs its failed children again. None for the
            first submission. A program that resumes a journal gets no `JobResubmitted` for the
            submissions of an earlier program.
    """

    job_id: str
    previous: JobStatus | None
    description: JobDescription
    may_be_resubmitted: bool = False
    previous_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBlocked:
    """A job waits for a reason that AWS names; reported once per reason and job.

    Attributes:
        job_id: Job id.
        reason: Why it waits, classified: kind ``CAPACITY``, ``MISCONFIGURATION`` or ``BLOCKED``.
        description: The job now.
    """

    job_id: str
    reason: Failure
    description: JobDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResubmitted:
    """A failed job was submitted again, as its `RecoveryPolicy` decided; the job goes on.

    It follows the `JobSubmitted` of the new submission. There is no `JobFinished` for the old one.

    Attributes:
        job_id: Job id of the new submission.
        previous_id: Job id of the submission that failed.
        submission: Number of the new submission; 2 for the second.
        failure: Why the previous one failed.
    """

    job_id: str
    previous_id: str
    submission: int
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished:
    """A job ended; reported once per job, with its last submission.

    Attributes:
        job_id: Job id.
        result: Its result.
    """

    job_id: str
    result: JobResult


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLost:
    """A job is no longer followed, and how it ends is not known.

    Either DescribeJobs has not returned it for the grace time of `PollPolicy`; or it is FAILED, and
    an error kept it from being submitted again, or left open whether it was. What waits for the job
    gets the error, and `AsyncBatchClient.resume` may continue it.

    Attributes:
        job_id: Job id.
        result: Result of the last submission that is known, which FAILED; None where DescribeJobs
            no longer returns the job.
    """

    job_id: str
    result: JobResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestThrottled:
    """AWS throttled a call; it is sent again, and the rate limit is lowered.

    Attributes:
        operation: The API operation, such as ``"SubmitJob"``.
        per_second: The rate limit from now on, in calls per second.
    """

    operation: str
    per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRetried:
    """A call failed with a fault that may pass, and is sent again.

    Attributes:
        operation: The API operation, such as ``"SubmitJob"``.
        code: Error code, or name of the network fault.
        tries: How often it has been sent so far.
        delay: Seconds until it is sent again.
    """

    operation: str
    code: str
    tries: int
    delay: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCompleted:
    """AWS responded to a call, or it failed. A call that is sent several times has several.

    Attributes:
        operation: The API operation, such as ``"SubmitJob"``.
        seconds: Time from sending it to the response.
        code: Error code, or name of the network fault; None where it succeeded.
    """

    operation: str
    seconds: float
    code: str | None = None


Event = (
    JobSubmitted
    | StatusChanged
    | JobBlocked
    | JobResubmitted
    | JobFinished
    | JobLost
    | RequestThrottled
    | RequestRetried
    | RequestCompleted
)


class Observer(Protocol):
    """A function or object that receives the events of a client: progress bars, metrics, tests."""

    def __call__(self, event: Event, /) -> None:
        """Handle one event; called on the event loop, so return quickly and do not block."""
