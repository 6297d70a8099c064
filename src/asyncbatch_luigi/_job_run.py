"""The job of one task, from its submission to its end, and what Luigi is told meanwhile.

A job that was submitted is never lost sight of without a word: whatever ends the following leaves
its id in the log or in the error, and the next run of the task finds it.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable

import anyio

from asyncbatch import (
    AccessDenied,
    AsyncBatchClient,
    AsyncBatchError,
    Job,
    JobError,
    JobFailed,
    JobRequest,
    JobResult,
)
from asyncbatch_luigi._errors import BatchJobException
from asyncbatch_luigi._find_live import find_live_job
from asyncbatch_luigi._request import RunPlan
from asyncbatch_luigi._scheduler_reports import SchedulerReports, state_of

logger = logging.getLogger("luigi-interface")

# Seconds to have the job terminated after an interrupt; the bridge's own grace is longer.
_TERMINATION_GRACE = 20.0


class JobRun:
    """Submits a job, or finds the one that runs already; follows it to its end, and reports.

    Attributes:
        result: How the job ended; None until it has.
    """

    def __init__(
        self,
        client: AsyncBatchClient,
        plan: RunPlan,
        reports: SchedulerReports,
        *,
        at_end: Callable[[Job], Awaitable[None]] | None = None,
    ) -> None:
        """Remember them; nothing is sent before `run`.

        Args:
            client: A client; it is open when `run` is called.
            plan: What to do.
            reports: Where to tell how it goes.
            at_end: Called with the job when it has ended, well or not.
        """
        self.result: JobResult | None = None
        self._client = client
        self._region = ""
        self._plan = plan
        self._reports = reports
        self._at_end = at_end
        self._job: Job | None = None

    async def run(self) -> None:
        """Have the job done and wait for its end.

        Raises:
            BatchJobException: The job FAILED.
            AsyncBatchError: The job was not accepted, or nothing more is heard of it.
        """
        self._region = self._client.region_name  # noted while the client is open
        try:
            job = self._job = await self._live() or await self._submit()
            await self._reports.begin(job)
            await (self._follow_with_log(job) if self._plan.stream_logs else self._follow(job))
            await self._end(job)
        except asyncio.CancelledError:
            await self._interrupted()
            raise
        except AsyncBatchError as error:
            if self._job is not None and not isinstance(error, JobError):
                error.add_note(self._whereabouts(self._job))
            raise

    # -- getting a job ----------------------------------------------------------------------------

    async def _live(self) -> Job | None:
        if not self._plan.follow_live_job:
            return None
        job = await find_live_job(self._client, self._plan)
        if job is not None:
            logger.info("Following AWS Batch job %s of an earlier run%s", job.id, _link(job))
        return job

    async def _submit(self) -> Job:
        plan = self._plan
        request = plan.request
        tagged = request.replace(tags={**plan.identity, **request.tags})
        try:
            job = await self._submit_unless_refused(tagged)
        except AccessDenied as error:
            if not plan.identity or "TagResource" not in error.message:
                raise
            logger.warning(
                "The job is submitted without tags, as tagging is not allowed: %s", error
            )
            job = await self._submit_unless_refused(request)
        how = "Submitted" if request.key is None else "Submitted, or took up from the journal,"
        logger.info("%s AWS Batch job %s%s", how, job.id, _link(job))
        return job

    async def _submit_unless_refused(self, request: JobRequest) -> Job:
        """Submit; a cancellation waits until it is known whether there is a job."""
        refusals: list[AsyncBatchError] = []

        async def submit() -> None:
            with anyio.CancelScope(shield=True):
                try:
                    self._job = await self._client.submit(request)
                except AsyncBatchError as error:  # out of the group, which would wrap it
                    refusals.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(submit)
        if self._job is None:
            raise refusals[0]
        return self._job

    # -- following it -----------------------------------------------------------------------------

    async def _follow(self, job: Job) -> None:
        """Tell of each change until the job has ended."""
        told: str | None = None
        while True:
            message = state_of(job)
            if message != told:
                told = message
                logger.info("AWS Batch job %s is %s", job.id, message)
                await self._reports.tell(job)
            elif job.is_finished:
                return
            else:
                await job.next_change(math.inf, details=False)

    async def _follow_with_log(self, job: Job) -> None:
        """Do as `_follow`, and copy the job's log until both have ended."""
        troubles: list[AsyncBatchError] = []

        async def follow() -> None:
            try:
                await self._follow(job)
            except AsyncBatchError as error:  # out of the group, which would wrap it
                troubles.append(error)
                group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(_copy_log, job)
            group.start_soon(follow)
        if troubles:
            raise troubles[0]

    async def _end(self, job: Job) -> None:
        """Take the result; raise it if it is a failure."""
        failure: JobFailed | None = None
        try:
            self.result = await job.result()
        except JobFailed as error:
            self.result, failure = error.result, error
        if self._at_end is not None:
            await self._at_end(job)
        if failure is not None:
            raise BatchJobException.from_failure(failure) from None

    # -- being interrupted ------------------------------------------------------------------------

    async def _interrupted(self) -> None:
        """Say what becomes of the job, and see to it, within bounds."""
        job = self._job
        if job is None or job.is_finished:
            return
        if self._plan.terminate_on_interrupt:
            with anyio.move_on_after(_TERMINATION_GRACE, shield=True):
                try:
                    await job.terminate("the run of its Luigi task was interrupted")
                except AsyncBatchError as error:
                    logger.warning("It could not be terminated: %s", error)
                else:
                    logger.warning("Interrupted. AWS Batch job %s is terminated", job.id)
                    return
        logger.warning("Interrupted. %s", self._whereabouts(job))

    def _whereabouts(self, job: Job) -> str:
        command = f"aws batch describe-jobs --region {self._region} --jobs {job.id}"
        where = job.console_url or command
        return f"AWS Batch job {job.id} ({job.name}) goes on. Find it with: {where}"


async def _copy_log(job: Job) -> None:
    """Write the lines of a job's log to Luigi's; what keeps us from it is no failure of the job."""
    try:
        async for event in job.logs():
            logger.info("[%s] %s", event.job_id or job.id, event.message)
    except AsyncBatchError as error:
        logger.warning("The log of AWS Batch job %s cannot be followed: %s", job.id, error)


def _link(job: Job) -> str:
    return f": {job.console_url}" if job.console_url else ""
