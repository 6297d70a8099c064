"""The job of one task, from its submission to its end, and what Luigi is told meanwhile.

A job that was submitted is never lost sight of without a word: whatever ends the following leaves
its id in the log or in the error.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import anyio
from luigi.rpc import RPCError

from asyncbatch import (
    AsyncBatchClient,
    AsyncBatchError,
    Job,
    JobError,
    JobFailed,
    JobRequest,
    JobStatus,
)
from asyncbatch_luigi._errors import BatchJobException

logger = logging.getLogger("luigi-interface")

Report = Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """The calls with which Luigi's worker lets a task say how it goes; None outside of a worker.

    They may take their time, so they are made in threads, unless they have an attribute
    ``is_instant`` that is true.
    """

    tracking_url: Report | None
    status_message: Report | None


class JobOfTask:
    """Submits a job, follows it to its end, and reports."""

    def __init__(self, client: AsyncBatchClient, request: JobRequest, reports: Reports) -> None:
        """Remember them; nothing is sent before `run`.

        Args:
            client: A client; it is open when `run` is called.
            request: The job to submit.
            reports: Where to tell how it goes.
        """
        self._client = client
        self._request = request
        self._reports = reports
        self._job: Job | None = None

    async def run(self) -> None:
        """Submit the job and wait for its end.

        Raises:
            BatchJobException: The job FAILED.
            AsyncBatchError: The job was not accepted, or nothing more is heard of it.
        """
        try:
            await self._follow(await self._submit())
        except asyncio.CancelledError:
            if self._job is not None and not self._job.is_finished:
                logger.warning("Interrupted. %s", _whereabouts(self._job))
            raise
        except AsyncBatchError as error:
            if self._job is not None and not isinstance(error, JobError):
                error.add_note(_whereabouts(self._job))
            raise

    async def _submit(self) -> Job:
        """Submit; a cancellation waits until it is known whether there is a job."""
        refusals: list[AsyncBatchError] = []

        async def submit() -> None:
            with anyio.CancelScope(shield=True):
                try:
                    self._job = await self._client.submit(self._request)
                except AsyncBatchError as error:  # out of the group, which would wrap it
                    refusals.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(submit)
        if self._job is None:
            raise refusals[0]
        return self._job

    async def _follow(self, job: Job) -> None:
        logger.info("Submitted AWS Batch job %s%s", job.id, _link(job))
        if job.console_url is not None:
            await _report(self._reports.tracking_url, job.console_url)
        told: str | None = None
        while not (job.is_finished and told == _state(job)):
            message = _state(job)
            if message != told:
                told = message
                logger.info("AWS Batch job %s is %s", job.id, message)
                await _report(self._reports.status_message, f"AWS Batch job {job.id}: {message}")
            else:
                await job.next_change(within=math.inf)
        try:
            await job.result()
        except JobFailed as error:
            raise BatchJobException.of(error) from None


async def _report(call: Report | None, text: str) -> None:
    """Tell Luigi's scheduler, which may be a slow server: from a thread, so the loop goes on."""
    if call is None:
        return
    if getattr(call, "is_instant", False):
        call(text)
        return
    try:
        await anyio.to_thread.run_sync(call, text, abandon_on_cancel=True)
    except RPCError as error:  # the job goes on whether or not the scheduler hears of it
        logger.warning("Luigi's scheduler could not be told %r: %s", text, error)


def _state(job: Job) -> str:
    """Return the state, with AWS's reason for it unless all is well."""
    reason = job.description.status_reason if job.description else None
    if reason is None or job.status is JobStatus.SUCCEEDED:
        return str(job.status)
    return f"{job.status} ({reason})"


def _link(job: Job) -> str:
    return f": {job.console_url}" if job.console_url else ""


def _whereabouts(job: Job) -> str:
    where = job.console_url or f"aws batch describe-jobs --jobs {job.id}"
    return f"AWS Batch job {job.id} ({job.name}) goes on. Find it with: {where}"
