"""What the poller needs of a job's handle."""

from typing import Protocol

from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError


class Followed(Protocol):
    """What wants to hear about a job: its handle."""

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
        """Whether somebody waits for the job right now."""
        ...

    @property
    def wants_details(self) -> bool:
        """Whether somebody waits for more than what lists tell."""
        ...

    def update(self, description: JobDescription) -> bool:
        """Take a new description and return whether it differs from the one before."""
        ...

    def glimpse(self, summary: JobDescription) -> bool:
        """Take what ListJobs told of the job while it is live; return whether that was news."""
        ...

    def fail(self, error: AsyncBatchError) -> None:
        """Take the reason why nothing more will be heard."""
        ...
