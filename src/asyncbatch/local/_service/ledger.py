"""What the services received and did, for tests and benchmarks.

A client sees responses; the ledger also has what a fault hid from it, such as a SubmitJob request
that was carried out although its response was lost.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedJob:
    """A SubmitJob request that was carried out, even if its response was lost.

    Attributes:
        job_id: Id of the job.
        name: Name of the job.
        queue: Name of the job queue.
        array_size: Number of children; None for a job that is not an array.
        at: Time of the submission in seconds since the epoch.
    """

    job_id: str
    name: str
    queue: str
    array_size: int | None
    at: float


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Request counts by operation, and all submissions.

    Attributes:
        calls: Requests received, throttled and failed ones included.
        throttled: Requests that were throttled.
        failed: Requests that failed with any other error.
        lost: Requests whose response was lost to a fault.
        submissions: All submitted jobs, in order.
    """

    calls: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    submissions: list[SubmittedJob] = field(default_factory=list)
