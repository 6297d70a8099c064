"""What Luigi's scheduler is told while a task's job goes on."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
from luigi.rpc import RPCError

from asyncbatch import ArrayJob, Job, JobStatus

logger = logging.getLogger("luigi-interface")

Report = Callable[[Any], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerReports:
    """The calls with which Luigi's worker lets a task say how it goes; None outside of a worker.

    They may take their time, so they are made in threads, unless they have an attribute
    ``is_instant`` that is true.
    """

    tracking_url: Report | None = None
    status_message: Report | None = None
    progress: Report | None = None

    async def begin(self, job: Job) -> None:
        """Tell where the job can be looked at."""
        if job.console_url is not None:
            await _report(self.tracking_url, job.console_url)

    async def tell(self, job: Job) -> None:
        """Tell how far the job is."""
        await _report(self.status_message, f"AWS Batch job {job.id}: {state_of(job)}")
        if isinstance(job, ArrayJob):
            await _report(self.progress, 100 * _ended(job) // len(job))


def state_of(job: Job) -> str:
    """Return the state in words: with AWS's reason unless all is well, and an array's counts."""
    words = str(job.status)
    if isinstance(job, ArrayJob) and any(job.counts.values()):
        counts = [f"{count} {status}" for status, count in job.counts.items() if count]
        words += f", children: {', '.join(counts)}"
    reason = job.description.status_reason if job.description else None
    if reason is None or job.status is JobStatus.SUCCEEDED:
        return words
    return f"{words} ({reason})"


def _ended(job: ArrayJob) -> int:
    return job.counts[JobStatus.SUCCEEDED] + job.counts[JobStatus.FAILED]


async def _report(call: Report | None, news: object) -> None:
    """Tell Luigi's scheduler, which may be a slow server: from a thread, so the loop goes on."""
    if call is None:
        return
    if getattr(call, "is_instant", False):
        call(news)
        return
    try:
        await anyio.to_thread.run_sync(call, news, abandon_on_cancel=True)
    except RPCError as error:  # the job goes on whether or not the scheduler hears of it
        logger.warning("Luigi's scheduler could not be told %r: %s", news, error)
