"""How many jobs the tasks of one client had, for one line at the end of a build."""

import logging
import weakref

from asyncbatch import AsyncBatchClient, Event, JobResubmitted, JobResult, JobSubmitted

logger = logging.getLogger("luigi-interface")


class JobTotals:
    """Counts the jobs of one client; an observer of that client.

    Attributes:
        submitted: Jobs that AWS accepted.
        followed: Live jobs of earlier runs.
        found: Jobs that the journal has from earlier runs.
        succeeded: Jobs that ended SUCCEEDED.
        failed: Jobs that ended FAILED.
        retried: Jobs that AWS Batch started more than once.
        resubmitted: Jobs that were submitted again as their recovery policy decided.
    """

    def __init__(self) -> None:
        """Start with zero of each."""
        self.submitted = self.followed = self.found = 0
        self.succeeded = self.failed = self.retried = self.resubmitted = 0
        self._submitted_ids: set[str] = set()

    def __call__(self, event: Event) -> None:
        """Count a submission."""
        if isinstance(event, JobResubmitted):
            self.submitted -= 1
            self.resubmitted += 1
        if isinstance(event, JobSubmitted):
            self.submitted += 1
            self._submitted_ids.add(event.job_id)

    def count_unless_submitted(self, job_id: str) -> bool:
        """Count a job that was not submitted now as found in the journal; return whether it was."""
        is_found = job_id not in self._submitted_ids
        self.found += is_found
        return is_found

    def count_end(self, result: JobResult) -> None:
        """Count the end of a job."""
        if result.succeeded:
            self.succeeded += 1
        else:
            self.failed += 1
        if len(result.description.attempts) > 1:
            self.retried += 1

    def __str__(self) -> str:
        """Return all numbers that are not zero, in words."""
        starts = [
            (self.submitted, "submitted"),
            (self.resubmitted, "submitted again"),
            (self.followed, "followed from earlier runs"),
            (self.found, "found in the journal"),
        ]
        ends = [
            (self.succeeded, "SUCCEEDED"),
            (self.failed, "FAILED"),
            (self.retried, "retried by AWS Batch"),
        ]
        parts = [", ".join(f"{n} {what}" for n, what in part if n) for part in (starts, ends)]
        return "; ".join(filter(None, parts)) or "none"


_totals: "weakref.WeakKeyDictionary[AsyncBatchClient, JobTotals]" = weakref.WeakKeyDictionary()


def set_totals(client: AsyncBatchClient, totals: JobTotals) -> None:
    """Store the totals that observe a client."""
    _totals[client] = totals


def totals_of(client: AsyncBatchClient) -> JobTotals:
    """Return the totals of a client; those of a client without observers count no submissions."""
    return _totals.setdefault(client, JobTotals())


def log_totals(client: AsyncBatchClient) -> None:
    """Log the totals of a client, at the end of a build."""
    logger.info("AWS Batch jobs of this build: %s", totals_of(client))
