"""Which jobs are in which status: every question is answered without looking at other jobs."""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import TYPE_CHECKING

from asyncbatch._values.status import JobStatus

if TYPE_CHECKING:
    from asyncbatch.local._jobs import Job


class StatusIndex:
    """Jobs by status, in the order in which they entered it.

    Each entry into a status gets a number, so that a page of a listing goes on where the last one
    stopped, however many jobs have left the status meanwhile.
    """

    __slots__ = ("_jobs", "_numbers")

    def __init__(self) -> None:
        self._jobs: dict[JobStatus, dict[Job, int]] = {status: {} for status in JobStatus}
        self._numbers = count(1)

    def enter(self, job: "Job", status: JobStatus) -> None:
        """Note that a job is in a status."""
        self._jobs[status][job] = next(self._numbers)

    def move(self, job: "Job", old: JobStatus, new: JobStatus) -> None:
        """Note that a job went from one status to another."""
        del self._jobs[old][job]
        self._jobs[new][job] = next(self._numbers)

    def count(self, status: JobStatus) -> int:
        """Return how many jobs are in a status."""
        return len(self._jobs[status])

    def summary(self) -> dict[str, int]:
        """Return how many jobs are in each status, as an array parent's `statusSummary`."""
        return {status.value: len(jobs) for status, jobs in self._jobs.items()}

    def jobs(self, status: JobStatus) -> Iterable["Job"]:
        """Return the jobs in a status."""
        return self._jobs[status]

    def after(self, status: JobStatus, number: int) -> Iterator[tuple["Job", int]]:
        """Yield the jobs that entered a status after entry `number`, each with its own number."""
        for job, entered in self._jobs[status].items():
            if entered > number:
                yield job, entered
