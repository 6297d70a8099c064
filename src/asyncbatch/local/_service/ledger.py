"""What was really asked of the services, and what they really did: for tests and benchmarks."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedJob:
    """A SubmitJob request that was carried out, whether or not its answer arrived.

    Attributes:
        job_id: The id of the job.
        name: The name of the job.
        queue: The name of its job queue.
        array_size: The number of children, or None.
        at: When, in seconds since the epoch.
    """

    job_id: str
    name: str
    queue: str
    array_size: int | None
    at: float


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Counts by operation, and every submission.

    Attributes:
        calls: Requests that arrived, those that were throttled or failed included.
        throttled: Requests that were throttled.
        failed: Requests that were answered with any other error.
        lost: Requests whose answer never arrived, because a fault took it.
        submissions: Every job that was submitted, in order.
    """

    calls: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    submissions: list[SubmittedJob] = field(default_factory=list)
