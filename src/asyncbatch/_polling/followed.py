"""A followed job: what polling needs of it, and the one record that polling keeps about it."""

from dataclasses import dataclass
from typing import Protocol

from asyncbatch._aws.wire.responses import JobMark, SummaryMark
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError
from asyncbatch._values.status import JobStatus

CHANGED = SummaryMark()
"""Equal to the mark of no listed job, so the next list reports a change."""


class Pollable(Protocol):
    """A job that can be followed: the session's `JobRecord`."""

    @property
    def id(self) -> str:
        """Job id."""
        ...

    @property
    def description(self) -> JobDescription | None:
        """The job as AWS last described it."""
        ...

    @property
    def is_awaited(self) -> bool:
        """Whether the job has waiters right now."""
        ...

    @property
    def wants_details(self) -> bool:
        """Whether a waiter needs more than ListJobs returns."""
        ...

    def update(self, description: JobDescription) -> bool:
        """Take a new description and return whether it differs from the one before."""
        ...

    def update_from_list(self, summary: JobDescription) -> bool:
        """Take what ListJobs returned while the job is live; return whether that is a change."""
        ...

    def fail(self, error: AsyncBatchError) -> None:
        """Take the reason why the job is no longer followed."""
        ...


@dataclass(slots=True, eq=False)
class FollowedJob:
    """What polling remembers of one job, whether it is described by id or listed with its queue.

    Times are seconds on the event loop's clock.

    Attributes:
        job: The job.
        described: How DescribeJobs last showed it; None where its next description counts as a
            change in any case.
        listed: How ListJobs last showed it; None where the next list reports no change of it.
        queue: Name of the queue that it is listed with; None where it is not known, and for
            children of arrays and nodes, which are not listed with a queue.
        expected_from: From when a list that lacks the job means that it has moved on.
        needs_details: Whether it has to be described although lists show its state.
    """

    job: Pollable
    described: JobMark | None = None
    listed: SummaryMark | None = None
    queue: str | None = None
    expected_from: float = 0.0
    needs_details: bool = False

    @property
    def state(self) -> JobStatus:
        """State when last seen; SUBMITTED until then."""
        description = self.job.description
        return JobStatus.SUBMITTED if description is None else description.status

    def has_listing_changed(self, mark: SummaryMark) -> bool:
        """Remember how a list shows the job; return whether that differs from before."""
        if self.listed is None or self.listed == mark:
            return False
        self.listed = mark
        return True
