"""The job of one run of a task: submit or find it, follow it, report, and handle interrupts.

Once a job was submitted, its id is always logged or part of the error, whatever ends the run; and
the next run of the task finds the job.
"""

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Awaitable, Callable, Iterator, Sequence

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
    JobStatus,
    fit_for_terminal,
)
from asyncbatch_luigi._default_queue import with_default_queue
from asyncbatch_luigi._errors import BatchJobException
from asyncbatch_luigi._find_live import find_live_jobs, is_part
from asyncbatch_luigi._job_totals import totals_of
from asyncbatch_luigi._request import RunPlan
from asyncbatch_luigi._run_clock import is_timed_out, waiting
from asyncbatch_luigi._scheduler_reports import SchedulerReports, state_of

logger = logging.getLogger("luigi-interface")

# Seconds to terminate the job after an interrupt. Shorter than the time that the bridge allows for
# the whole cleanup.
_TERMINATION_GRACE = 20.0
_MAX_TAGS = 50  # of a job, by AWS

_INTERRUPTED = "the run of its Luigi task was interrupted"
_TIMED_OUT = "the run of its Luigi task exceeded worker_timeout"

# Ids of jobs that were terminated because a run of their task timed out, by client. A retry on the
# same client waits for their end, while its own time does not count.
_timed_out: "weakref.WeakKeyDictionary[AsyncBatchClient, set[str]]" = weakref.WeakKeyDictionary()


class JobRun:
    """Submits a job, or finds the one that is live; follows it to its end, and reports.

    Attributes:
        result: Result of the job; None until it has ended.
    """

    def __init__(
        self,
        client: AsyncBatchClient,
        plan: RunPlan,
        reports: SchedulerReports,
        *,
        on_end: Callable[[Job], Awaitable[None]] | None = None,
    ) -> None:
        """Store the values; nothing is sent before `run`.

        Args:
            client: A client that is open when `run` is called.
            plan: What to do.
            reports: Where to report the job's state.
            on_end: Called with the job after its end, SUCCEEDED or FAILED.
        """
        self.result: JobResult | None = None
        self._client = client
        self._region = ""
        self._plan = plan
        self._reports = reports
        self._totals = totals_of(client)
        self._on_end = on_end
        self._job: Job | None = None
        self._is_followed = False
        self._is_log_copied = False

    async def run(self) -> None:
        """Run the job and wait for its end.

        Raises:
            BatchJobException: The job FAILED.
            AsyncBatchError: The job was not accepted, or its state cannot be determined.
        """
        self._region = self._client.region_name  # a closed client has none
        try:
            with waiting():
                self._plan = await with_default_queue(self._client, self._plan)
                job = await self._find_or_submit()
            await self._run_job(job)
            if self._is_followed and _was_ended_by_a_run(job):
                logger.info("AWS Batch job %s was terminated by an earlier run; submitting", job.id)
                with waiting():
                    job = await self._submit()
                await self._run_job(job)
            await self._end(job)
        except asyncio.CancelledError:
            await self._handle_interrupt()
            raise
        except AsyncBatchError as error:
            if self._job is not None and not isinstance(error, JobError):
                error.add_note(self._where_to_find(self._job))
            raise

    async def _run_job(self, job: Job) -> None:
        """Wait for the end of a job."""
        self._job = job
        await self._reports.report_link(job)
        await (self._follow_with_log(job) if self._plan.stream_logs else self._follow(job))

    # -- find or submit ---------------------------------------------------------------------------

    async def _find_or_submit(self) -> Job:
        job = await self._find() or await self._submit()
        if job.id in _timed_out.get(self._client, ()):
            logger.info("AWS Batch job %s timed out in an earlier run; waiting for its end", job.id)
            with contextlib.suppress(JobError):
                await job.wait()
            job = await self._submit()
        return job

    async def _find(self) -> Job | None:
        if not self._plan.follow_live_job:
            return None
        jobs = await find_live_jobs(self._client, self._plan)
        job = next((job for job in jobs if not is_part(job, self._plan)), None)
        if job is None and jobs:
            await _wait_for_parts(jobs)
        if job is not None:
            logger.info("Following AWS Batch job %s of an earlier run%s", _named(job), _link(job))
            self._totals.followed += 1
            self._is_followed = True
        return job

    async def _submit(self) -> Job:
        request, identity = self._plan.request, self._plan.identity
        tags = {**identity, **request.tags}
        if len({**self._plan.default_tags, **tags}) > _MAX_TAGS:
            tags, identity = dict(request.tags), {}
        tagged = request.replace(tags=tags)
        try:
            job = await self._submit_or_withdraw(tagged)
        except AccessDenied as error:
            if not identity or "TagResource" not in error.message:
                raise
            logger.warning(
                "batch:TagResource denied; job submitted without luigi:* tags: %s", error
            )
            job = await self._submit_or_withdraw(request)
        is_found = request.key is not None and self._totals.count_unless_submitted(job.id)
        self._is_followed = is_found
        event = "Found in the journal:" if is_found else "Submitted"
        logger.info("%s AWS Batch job %s%s", event, _named(job), _link(job))
        return job

    async def _submit_or_withdraw(self, request: JobRequest) -> Job:
        """Submit a job; after an interrupt, withdraw the request unless it was sent already.

        The time from sending the request to its outcome is the only part of a run that an interrupt
        waits for. What was accepted then is the run's job, which `_handle_interrupt` terminates or
        logs.
        """
        submission = self._client.start_submit(request)
        try:
            return await submission
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True), _errors_logged(request):
                self._job = await submission.withdraw()
            raise

    # -- follow -----------------------------------------------------------------------------------

    async def _follow(self, job: Job) -> None:
        """Log and report each change of the job's state until its end."""
        reported = await self._report_state(job, None)
        async for _ in job.changes():
            reported = await self._report_state(job, reported)

    async def _report_state(self, job: Job, reported: str | None) -> str:
        """Log and report the job's state unless that was done already; return it."""
        state = state_of(job)
        if state != reported:
            logger.info("AWS Batch job %s is %s", job.id, state)
            await self._reports.report_state(job)
        return state

    async def _follow_with_log(self, job: Job) -> None:
        """Follow the job and copy its log, until both have ended."""
        errors: list[AsyncBatchError] = []

        async def follow() -> None:
            try:
                await self._follow(job)
            except AsyncBatchError as error:  # not raised here: the group would wrap it
                errors.append(error)
                group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(self._copy_log, job)
            group.start_soon(follow)
        if errors:
            raise errors[0]

    async def _copy_log(self, job: Job) -> None:
        """Copy the lines of a job's log to Luigi's log; if that fails, the job is not affected."""
        try:
            async for event in job.logs():
                logger.info("[%s] %s", event.job_id or job.id, fit_for_terminal(event.message))
            self._is_log_copied = True
        except AsyncBatchError as error:
            logger.warning("Reading the log of AWS Batch job %s failed: %s", job.id, error)

    async def _end(self, job: Job) -> None:
        """Store the result; raise if the job FAILED."""
        failure: JobFailed | None = None
        try:
            self.result = await job.result()
        except JobFailed as error:
            self.result, failure = error.result, error
        self._totals.count_end(self.result)
        if self._on_end is not None:
            await self._on_end(job)
        if failure is not None:
            raise BatchJobException.from_failure(
                failure, is_log_copied=self._is_log_copied
            ) from None

    # -- interrupts -------------------------------------------------------------------------------

    async def _handle_interrupt(self) -> None:
        """Terminate the job if that is configured, within a time limit; log where the job is."""
        job = self._job
        if job is None or job.is_finished:
            return
        if self._plan.terminate_on_interrupt or is_timed_out():
            with anyio.move_on_after(_TERMINATION_GRACE, shield=True):
                try:
                    await job.terminate(_TIMED_OUT if is_timed_out() else _INTERRUPTED)
                except AsyncBatchError as error:
                    logger.warning("Termination of AWS Batch job %s failed: %s", job.id, error)
                else:
                    logger.warning("Interrupted: AWS Batch job %s terminated", job.id)
                    if is_timed_out():
                        _timed_out.setdefault(self._client, set()).add(job.id)
                    return
        logger.warning("Interrupted: %s", self._where_to_find(job))

    def _where_to_find(self, job: Job) -> str:
        command = f"aws batch describe-jobs --region {self._region} --jobs {job.id}"
        where = job.console_url or command
        return f"AWS Batch job {_named(job)} continues in AWS; find it with: {where}"


async def _wait_for_parts(parts: Sequence[Job]) -> None:
    """Wait until children of an array that an earlier run submitted again have ended.

    The array itself has ended, and what became of its other children is not known. So all of them
    run again, but not beside these.
    """
    logger.info(
        "Waiting for AWS Batch job %s, in which children of an array run again%s",
        _named(parts[0]),
        f", and {len(parts) - 1} more" if len(parts) > 1 else "",
    )
    for part in parts:
        with contextlib.suppress(JobError):
            await part.wait()


@contextlib.contextmanager
def _errors_logged(request: JobRequest) -> Iterator[None]:
    """Log the error of a submission that was interrupted, as the interrupt is raised instead."""
    try:
        yield
    except AsyncBatchError as error:
        name = fit_for_terminal(request.name or str(request.job_definition))
        logger.warning("Interrupted: submission of AWS Batch job %s failed: %s", name, error)


def _was_ended_by_a_run(job: Job) -> bool:
    """Return whether a job FAILED because a run of its task was interrupted or took too long."""
    reason = job.description.status_reason if job.description else None
    return job.status is JobStatus.FAILED and reason in (_INTERRUPTED, _TIMED_OUT)


def _named(job: Job) -> str:
    """Return a job's id and name: the log of many tasks shows by that whose job it is."""
    return f"{job.id} ({fit_for_terminal(job.name)})"


def _link(job: Job) -> str:
    return f": {job.console_url}" if job.console_url else ""
