"""Reports to Luigi's scheduler while the job of a task is live: link, status message, progress."""

import logging
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
from luigi.rpc import RPCError

from asyncbatch import ArrayJob, Job, JobStatus, fit_for_terminal

logger = logging.getLogger("luigi-interface")

Report = Callable[[Any], object]

_instant: "weakref.WeakSet[object]" = weakref.WeakSet()


def mark_as_instant(reporter: object) -> None:
    """Note that the methods of an object return at once, so they may be called on an event loop."""
    _instant.add(reporter)


def _is_instant(report: Report) -> bool:
    try:
        return getattr(report, "__self__", None) in _instant
    except TypeError:  # a method of an object that has no hash
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerReports:
    """The functions that Luigi's worker gives a task for its reports; None outside of a worker.

    They may wait for a response of `luigid`, so they are called in threads, unless they are methods
    of an object that was marked with `mark_as_instant`.

    Attributes:
        tracking_url: Reports a page on which the job can be watched.
        status_message: Reports the job's state in words.
        progress: Reports a percentage.
    """

    tracking_url: Report | None = None
    status_message: Report | None = None
    progress: Report | None = None

    async def report_link(self, job: Job) -> None:
        """Report the job's page in the AWS console, if its Region has one."""
        if job.console_url is not None:
            await _report(self.tracking_url, job.console_url)

    async def report_state(self, job: Job) -> None:
        """Report the job's state, and the progress of an array job."""
        await _report(self.status_message, f"AWS Batch job {job.id}: {state_of(job)}")
        if isinstance(job, ArrayJob):
            await _report(self.progress, 100 * _ended_children(job) // len(job))


def state_of(job: Job) -> str:
    """Return a job's state in words.

    The status is followed by an array job's counts, and by AWS's reason unless the job SUCCEEDED.
    If that is a known reason why the job waits, what to do follows. From the second submission on
    (`job_recovery`), the status is preceded by the submission's number.
    """
    state = fit_for_terminal(str(job.status))
    if len(job.submissions) > 1:
        state = f"submission {len(job.submissions)}: {state}"
    if isinstance(job, ArrayJob) and any(job.counts.values()):
        counts = [f"{count} {status}" for status, count in job.counts.items() if count]
        state += f", children: {', '.join(counts)}"
    reason = job.description.status_reason if job.description else None
    if job.wait_reason is not None:
        reason = job.wait_reason.message
    if reason is None or job.status is JobStatus.SUCCEEDED:
        return state
    # A line break would let the author of a reason write log lines of their own.
    return f"{state} ({fit_for_terminal(' '.join(reason.split()))})"


def _ended_children(job: ArrayJob) -> int:
    return job.counts[JobStatus.SUCCEEDED] + job.counts[JobStatus.FAILED]


async def _report(report: Report | None, value: object) -> None:
    """Send a report; log if that fails, since the job does not depend on it."""
    if report is None:
        return
    if _is_instant(report):
        report(value)
        return
    try:
        await anyio.to_thread.run_sync(report, value, abandon_on_cancel=True)
    except RPCError as error:
        logger.warning("Report to Luigi's scheduler failed (%r): %s", value, error)
