"""An open client: connection, calls, polling, logs, submissions, and the records of its jobs.

A session lives exactly as long as the client's background task. Submissions and clean-ups run in
that task's group, not in the caller's task: a caller that is cancelled leaves no half-sent job
behind. Only a submission that was not sent yet ends with its caller.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import anyio

from asyncbatch._aws.api import API
from asyncbatch._aws.connection import Connection
from asyncbatch._logs.reader import LogReader
from asyncbatch._polling.poller import Poller
from asyncbatch._session.logical_jobs import attach
from asyncbatch._session.records import JobRecord, JobRecords
from asyncbatch._session.recovery import Recovery
from asyncbatch._session.remaining_jobs import RemainingJobs
from asyncbatch._session.settings import Settings
from asyncbatch._submitting.marks import SubmissionLog, unique_name
from asyncbatch._submitting.submitter import Submitter
from asyncbatch._submitting.termination import Ending, Terminator
from asyncbatch._values.errors import (
    AsyncBatchError,
    ClientClosed,
    InternalError,
    InvalidRequest,
    SubmitUncertain,
    copy_of,
)
from asyncbatch._values.events import JobSubmitted
from asyncbatch._values.part_ids import child_index
from asyncbatch._values.requests import JobRequest

if TYPE_CHECKING:  # loaded with SQLite, only where there is a journal
    from anyio.abc import TaskGroup

    from asyncbatch._journal.journal import OpenJournal
    from asyncbatch._session.resumption import Resumption

logger = logging.getLogger("asyncbatch")

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class SubmissionInProgress:
    """A submission that the client's background task runs.

    Attributes:
        outcome: The record of its job, or an error; cancelled if the submission was withdrawn.
            Cancelling it, as cancelling a task that awaits it does, withdraws the submission.
        scope: The scope in which it runs.
    """

    __slots__ = ("outcome", "scope")

    def __init__(self) -> None:
        """Made by `Session.start_submission`."""
        self.outcome: asyncio.Future[JobRecord] = asyncio.get_running_loop().create_future()
        self.scope = anyio.CancelScope()
        self.outcome.add_done_callback(self._withdraw_if_cancelled)

    async def wait(self) -> JobRecord:
        """Return the record of its job; if this is cancelled, the submission continues."""
        return await asyncio.shield(self.outcome)

    async def withdraw(self) -> JobRecord | None:
        """End it unless its request was sent; return the record of its job, if there is one."""
        if not self.outcome.done():
            self.scope.cancel()
        await asyncio.wait([self.outcome])
        return None if self.outcome.cancelled() else self.outcome.result()

    def _withdraw_if_cancelled(self, outcome: "asyncio.Future[JobRecord]") -> None:
        if outcome.cancelled():
            self.scope.cancel()


class Session:
    """What exists while a client is open.

    Attributes:
        settings: What the client was configured with.
        region_name: AWS Region of the connection.
        connection: The connection to AWS.
        api: Its calls.
        poller: Follows jobs.
        records: What is known about jobs in use.
        logs: Reads logs.
        terminator: Terminates jobs; see `terminate`.
        canceller: Ends jobs that have not started; see `cancel`.
        recovery: Submits failed jobs again.
        remaining_jobs: Composes the message about jobs that continue without the client.
        resumption: Continues the journal; None without one.
    """

    def __init__(self, settings: Settings, connection: Connection, group: "TaskGroup") -> None:
        """Assemble the parts; made by `serve`."""
        self.settings = settings
        self.region_name = connection.region
        self.connection = connection
        self.api = API(connection, settings.limits, settings.rng, settings.observers.report)
        self.poller = Poller(
            self.api, settings.poll, settings.rng, on_follow=settings.observers.followed
        )
        self.records = JobRecords(self.poller, settings.observers)
        self.logs = LogReader(self.api, settings.logs, group.start_soon)
        self.terminator = Terminator(
            self.api,
            settings.rng,
            self.poller.poll_soon,
            calls_per_second=settings.limits.terminate_per_second,
        )
        self.canceller = Terminator(
            self.api,
            settings.rng,
            self.poller.poll_soon,
            calls_per_second=settings.limits.terminate_per_second,
            ending=Ending.by_cancelling(self.api),
        )
        self.remaining_jobs = RemainingJobs(
            connection.region,
            console_url=connection.console_url,
            can_resume=settings.journal is not None,
            is_needed=connection.jobs_outlive_program,
        )
        self.resumption: Resumption | None = None
        self._submitter = Submitter(self.api)
        self._group = group
        self.recovery = Recovery(
            settings.recovery,
            api=self.api,
            records=self.records,
            logs=self.logs,
            log_lines=settings.logs.failure_lines,
            canceller=self.canceller,
            submit=self._submit,
            group=group,
            rng=settings.rng,
        )
        self._left: list[JobRecord] = []
        self._default_queue: str | None = None
        self._finding_queue = anyio.Lock(fast_acquire=True)

    def continue_journal(self, journal: "OpenJournal", *, reruns_failed: bool) -> None:
        """Look each request up in a journal before submitting it, and record each submission."""
        from asyncbatch._session.resumption import Resumption

        self.resumption = Resumption(
            journal, self._submitter, self.records, self.recovery, reruns_failed=reruns_failed
        )
        self.settings.observers.journal = self.resumption.note
        self.recovery.journal = self.resumption

    # -- the session itself -----------------------------------------------------------------------

    def require_open(self) -> None:
        """Raise unless the client is open.

        Raises:
            ClientClosed: It was closed, or its background task crashed.
        """
        self.records.require_open()

    def close(self, crash: ClientClosed | None) -> None:
        """End every wait with `ClientClosed`, and name the crash if it was one."""
        self.records.closed = crash or ClientClosed(
            "this client was closed: use `async with AsyncBatchClient()`, or open(); then attach()"
            " returns handles for the earlier jobs"
        )
        followed = map(self.records.get, self.poller.followed_ids())
        self._left = list(filter(None, followed))
        self.records.blocked.close()
        self.recovery.warnings.close()
        reason = crash or ClientClosed("the client was closed before the job's end was known")
        self.poller.fail_all(reason)
        for record in list(self.records.recovering):
            record.fail(reason)
        self._log_unrecovered()
        self.settings.observers.closed()

    def _log_unrecovered(self) -> None:
        """Log how many failed jobs would have been submitted again."""
        jobs = [record for record in self.records.recovering if ":" not in record.id]
        if jobs:
            next_step = (
                "without a journal they are not; submit them yourself"
                if self.resumption is None
                else "to continue, run the program again with the same journal, or call resume()"
            )
            logger.warning(
                "client closed before %d failed jobs were submitted again, first %s (%s): %s",
                len(jobs),
                jobs[0].id,
                jobs[0].name,
                next_step,
            )

    def unfinished_records(self) -> list[JobRecord]:
        """Return the records of the jobs whose end is not known: followed, or submitted again."""
        followed = map(self.records.get, self.poller.followed_ids())
        return list(dict.fromkeys([*filter(None, followed), *self.records.recovering]))

    def remaining_jobs_message(self) -> str | None:
        """Return the message about jobs that continue although the client was closed."""
        return self.remaining_jobs.message(
            record for record in self._left if not self.terminator.was_terminated(record.id)
        )

    def start(self, work: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> "asyncio.Future[T]":
        """Start work that continues if the caller is cancelled; return a future of its outcome.

        Cancelling the future, as cancelling a task that awaits it does, leaves the work alone. The
        future raises `ClientClosed` where the client is closed before the work has ended.

        Raises:
            ClientClosed: The client is not open; nothing was started.
        """
        self.require_open()
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._group.start_soon(self._run, outcome, work, arguments)
        return outcome

    def start_submission(
        self, submit: Callable[[JobRequest], Awaitable[JobRecord]], request: JobRequest
    ) -> "SubmissionInProgress":
        """Start a submission, which can be withdrawn until it is sent.

        Args:
            submit: Submits the request: `submit`, or a function that calls it.
            request: What to submit.

        Raises:
            ClientClosed: The client is not open; nothing was started.
        """
        self.require_open()
        submission = SubmissionInProgress()
        self._group.start_soon(self._run_submission, submission, submit, request)
        return submission

    async def _run_submission(
        self,
        submission: "SubmissionInProgress",
        submit: Callable[[JobRequest], Awaitable[JobRecord]],
        request: JobRequest,
    ) -> None:
        try:
            # What may have arrived is settled first, as when the client closes: a request that is
            # on its way is shielded from the scope, and a lost response is looked up.
            with submission.scope:
                await self._set_outcome(submission.outcome, submit, (request,))
        except BaseException:
            _fail(submission.outcome, self._closed())
            raise
        submission.outcome.cancel()  # has no effect unless it was withdrawn

    async def _run(
        self,
        outcome: "asyncio.Future[T]",
        work: Callable[[*Ts], Awaitable[T]],
        arguments: tuple[*Ts],
    ) -> None:
        try:
            await self._set_outcome(outcome, work, arguments)
        except BaseException:
            _fail(outcome, self._closed())
            raise

    async def _set_outcome(
        self,
        outcome: "asyncio.Future[T]",
        work: Callable[[*Ts], Awaitable[T]],
        arguments: tuple[*Ts],
    ) -> None:
        try:
            value = await work(*arguments)
        except AsyncBatchError as error:
            # The caller's traceback says where it called; the frames below say nothing more.
            is_bug = isinstance(error, InternalError)
            _fail(outcome, error if is_bug else error.with_traceback(None))
        except Exception as error:  # noqa: BLE001 - passed to the caller; other jobs continue
            _fail(outcome, error)
        else:
            if not outcome.done():  # else the caller was cancelled
                outcome.set_result(value)

    def _closed(self) -> ClientClosed:
        if self.records.closed is not None:
            return copy_of(self.records.closed)
        return ClientClosed("the client was closed before the job was submitted")

    # -- submitting -------------------------------------------------------------------------------

    async def submit(self, request: JobRequest) -> JobRecord:
        """Submit a job and follow it, unless the journal has it already; run it with `start`.

        Raises:
            AsyncBatchError: See `AsyncBatchClient.submit`.
        """
        if self.resumption is not None:
            return await self.resumption.submit(request, self._submit_first)
        if request.key is not None:
            raise InvalidRequest(
                "key", request.key, "a key needs a journal: AsyncBatchClient(journal=...)"
            )
        return await self._submit_first(request)

    async def _submit_first(
        self, request: JobRequest, log: SubmissionLog | None = None
    ) -> JobRecord:
        """Submit a job that is recovered if it fails and a policy applies."""
        record = await self._submit(request, log)
        attach(self.recovery, record, request, self.recovery.policy_of(request))
        return record

    async def _submit(
        self,
        request: JobRequest,
        log: SubmissionLog | None = None,
        *,
        ran_before: float = 0.0,
        previous_id: str | None = None,
    ) -> JobRecord:
        """Submit a job with the client's defaults, report it, and follow it.

        Args:
            request: What to submit.
            log: Records the submission in the journal.
            ran_before: How many seconds the job's previous submission ran; see `Poller.follow`.
            previous_id: Id of the failed job that it follows, or of the array that it is a part of.
        """
        request = self.settings.defaults.applied_to(request)
        queue = request.queue or await self.default_queue()
        name = request.name or unique_name(str(request.job_definition))
        trace = self.settings.observers.submitting(
            request, name=name, queue=queue, previous_id=previous_id
        )
        try:
            job_id = await self._submitter.submit(
                request, name=name, queue=queue, log=log, variables=trace.variables
            )
        except BaseException as error:
            trace.failed(error)
            raise
        trace.accepted(job_id)
        record = self.records.record(job_id, name, request.array_size)
        logger.info("job %s submitted to %s as %s", name, queue, job_id)
        self.settings.observers.report(
            JobSubmitted(job_id=job_id, name=name, queue=queue, array_size=request.array_size)
        )
        self.poller.follow(record, is_new=True, queue=queue, ran_before=ran_before)
        return record

    # -- ending -----------------------------------------------------------------------------------

    async def terminate(self, ids: Iterable[str], reason: str) -> dict[str, AsyncBatchError]:
        """Terminate jobs, and return the errors of those that were not, by their ids.

        A job that failed and waits to be submitted again ends with its failure.

        Args:
            ids: Ids of jobs; that of an array's parent stands for all its children.
            reason: Shown as the jobs' status reason.
        """
        live = await self._all_stopped(ids)
        return await self.terminator.terminate(live, reason)

    async def cancel(self, ids: Iterable[str], reason: str) -> dict[str, AsyncBatchError]:
        """End jobs that have not started, and return the errors of those that could not be ended.

        None of the jobs is submitted again, whether it has started or not.

        Args:
            ids: Ids of jobs; that of an array's parent stands for all its children.
            reason: Shown as the jobs' status reason.
        """
        live = await self._all_stopped(ids)
        return await self.canceller.terminate(live, reason)

    async def _all_stopped(self, ids: Iterable[str]) -> list[str]:
        """Have jobs not submitted again, by later programs neither; return the ids of all parts."""
        live = [each for job_id in ids for each in await self._stopped(job_id)]
        if self.resumption is not None:
            await self.resumption.flush()
        return live

    async def _stopped(self, job_id: str) -> list[str]:
        """Have a job not submitted again; return the ids of the jobs that it consists of."""
        record = self.records.get(job_id)
        last_id = job_id if record is None else record.latest.id
        self.recovery.note_stopped([last_id])
        array, index = self.records.logical_array_of(last_id), child_index(last_id)
        if array is not None and index is not None:
            await array.stop_child(index)
            if (part := array.part_of(index)) is not None:
                return await self._stopped(part.latest.id)
        if record is None:
            return [job_id]
        if (logical := record.latest.logical) is not None:
            await logical.stop()
        live = record.latest.live_ids()
        self.recovery.note_stopped(live)
        return live

    # -- the default queue ------------------------------------------------------------------------

    async def default_queue(self) -> str:
        """Return the client's default queue, or the only one that takes jobs, looked up once.

        Raises:
            InvalidRequest: There is none, or more than one.
        """
        if self.settings.defaults.queue is not None:
            return self.settings.defaults.queue
        async with self._finding_queue:
            if self._default_queue is None:
                self._default_queue = await self._find_default_queue()
        return self._default_queue

    async def _find_default_queue(self) -> str:
        names = sorted(queue.name for queue in await self.api.job_queues() if queue.takes_jobs)
        if not names:
            raise InvalidRequest(
                "queue",
                None,
                "no job queue for containers is ENABLED and VALID in this account and Region;"
                " create one",
            )
        if len(names) > 1:
            raise InvalidRequest("queue", None, f"name one of the job queues: {', '.join(names)}")
        return names[0]


def _fail(outcome: "asyncio.Future[T]", error: Exception) -> None:
    if outcome.done():  # the caller was cancelled
        if isinstance(error, SubmitUncertain):
            logger.warning("a submission whose caller was cancelled is undecided: %s", error)
    else:
        outcome.set_exception(error)
        # Marks the error as retrieved: a caller that is cancelled now never retrieves it, and
        # asyncio would log that.
        outcome.exception()


async def serve(settings: Settings, ready: Callable[[Session], None], stop: asyncio.Event) -> None:
    """Run an open client until `stop` is set; `ready` is called with its session."""
    async with (
        Connection.connect(settings.target) as connection,
        _opened_journal(settings, connection) as journal,
    ):
        reason: ClientClosed | None = None
        session: Session | None = None
        try:
            async with anyio.create_task_group() as group:
                session = Session(settings, connection, group)
                if journal is not None and settings.journal is not None:
                    session.continue_journal(journal, reruns_failed=settings.journal.rerun_failed)
                group.start_soon(session.poller.run)
                ready(session)
                await stop.wait()
                group.cancel_scope.cancel()
        except Exception as crash:
            # No caller awaits this task, so its exception is raised to every waiter.
            logger.exception("the client's background task crashed; please report this")
            reason = ClientClosed(f"the client's background task crashed: {crash!r}")
            reason.__cause__ = crash
        finally:
            if session is not None:
                session.close(crash=reason)


@contextlib.asynccontextmanager
async def _opened_journal(
    settings: Settings, connection: Connection
) -> "AsyncIterator[OpenJournal | None]":
    """Open the journal, if one is configured."""
    if settings.journal is None:
        yield None
        return
    kind = await asyncio.to_thread(_import_journal)
    async with kind.opened(Path(settings.journal.path), region=connection.region) as journal:
        yield journal


def _import_journal() -> "type[OpenJournal]":
    """Import SQLite and what needs it; in a thread, as it reads files."""
    from asyncbatch._journal.journal import OpenJournal
    from asyncbatch._session import resumption  # noqa: F401 - imported for `continue_journal`

    return OpenJournal
