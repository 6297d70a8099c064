"""Which jobs are in which status, without a search through all jobs.

Listing by status has to be cheap for 10,000 jobs and stable while they move on. Two facts give
both: a dict keeps the order in which jobs entered a status, and each entry has a number that is
never used again. A page token is such a number, so the next page starts after it even when the jobs
of the previous page have left the status in between.
"""

from collections.abc import Iterator
from itertools import count
from typing import Generic, TypeVar

from asyncbatch._values.status import JobStatus

T = TypeVar("T")  # the engine's Job, which itself holds an index of its children


class StatusIndex(Generic[T]):
    """Jobs by status, in the order in which they entered it."""

    __slots__ = ("_entries", "_jobs")

    def __init__(self) -> None:
        self._jobs: dict[JobStatus, dict[T, int]] = {status: {} for status in JobStatus}
        self._entries = count(1)

    def enter(self, job: T, status: JobStatus) -> None:
        """Add a job in a status."""
        self._jobs[status][job] = next(self._entries)

    def move(self, job: T, old: JobStatus, new: JobStatus) -> None:
        """Move a job from one status to another."""
        del self._jobs[old][job]
        self._jobs[new][job] = next(self._entries)

    def count(self, status: JobStatus) -> int:
        """Return the number of jobs in a status."""
        return len(self._jobs[status])

    def summary(self) -> dict[str, int]:
        """Return the number of jobs in each status, as an array parent's `statusSummary`."""
        return {status.value: len(jobs) for status, jobs in self._jobs.items()}

    def after(self, status: JobStatus, number: int) -> Iterator[tuple[T, int]]:
        """Yield the jobs that entered a status after entry `number`, each with its own number."""
        for job, entered in self._jobs[status].items():
            if entered > number:
                yield job, entered
