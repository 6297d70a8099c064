"""A group of jobs that end together, as the tasks of a task group do.

Theory of operation
-------------------
The block of a group ends when all its jobs have ended. The first error ends it early: a job that
FAILED or vanished cancels the body of the block; an exception in the body, or a cancellation from
outside, ends it in any case. Then the jobs that have not ended are terminated, or left alone.

This clean-up runs in the client's background task, not in the caller's, and the caller waits for it
behind a shield: a second cancellation ends the waiting, not the clean-up. Known jobs are terminated
at once; then it waits until the submissions in progress have their jobs, and terminates those. It
takes a bounded time, so that a program ends even if AWS does not respond. Where jobs have to be
terminated one by one, the rate limit makes it longer.

An error of the body takes precedence over the error of a job, as the body is the caller's own code.
Neither is wrapped in an ExceptionGroup.
"""

import contextlib
import logging
from collections.abc import Callable, Collection
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeVar, Unpack

import anyio

from asyncbatch._jobs.handles import job_handle, job_records
from asyncbatch._jobs.job import Job
from asyncbatch._jobs.many import Requests, submit_all, submit_coalesced
from asyncbatch._values.descriptions import JobDefinition
from asyncbatch._values.errors import AsyncBatchError, ClientClosed, GroupClosed, JobFailed
from asyncbatch._values.requests import JobFields, JobRequest
from asyncbatch._values.status import JobStatus

if TYPE_CHECKING:  # loaded when a client opens
    import asyncio

    from asyncbatch._session.records import JobRecord
    from asyncbatch._session.session import Session

logger = logging.getLogger("asyncbatch")

OnError = Literal["terminate", "leave"]

_E = TypeVar("_E", bound=BaseException)

_WINDOW = 64
"""Single submissions in progress at once: the clean-up has to wait for them."""

_CLEAN_UP_SECONDS = 60.0


class JobGroup:
    """Jobs that end together; made by `AsyncBatchClient.job_group`, used with ``async with``.

    Example:
        ```python
        async with batch.job_group(on_error="terminate") as group:
            await group.submit("etl", name="extract")
            await group.submit_many(JobRequest("etl") for _ in range(3))
        print(len(group.jobs), "jobs succeeded")
        ```
    """

    def __init__(self, session: "Session", *, on_error: OnError, reason: str) -> None:
        """Made by `AsyncBatchClient.job_group`."""
        self._session = session
        self._on_error = on_error
        self._reason = reason
        self._body = anyio.CancelScope()
        self._members = _Members(session, self._body.cancel)
        self._window = anyio.Semaphore(_WINDOW, fast_acquire=True)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs of the group, in the order in which AWS accepted them."""
        return tuple(self._members.jobs)

    async def submit(
        self, job: str | JobRequest | JobDefinition, /, **fields: Unpack[JobFields]
    ) -> Job:
        """Submit one job that belongs to the group; otherwise as `AsyncBatchClient.submit`.

        Raises:
            GroupClosed: The group has ended, or is ending after an error.
            InvalidRequest, JobQueueNotFound, JobDefinitionNotFound, SubmitUncertain, ClientClosed,
                APIError: As `AsyncBatchClient.submit`.
        """
        request = (
            job.replace(**fields) if isinstance(job, JobRequest) else JobRequest(job, **fields)
        )
        async with self._window:
            return job_handle(self._session, await self._members.start(request))

    async def submit_many(self, requests: Requests, *, coalesce: bool = False) -> list[Job]:
        """Submit jobs that belong to the group; otherwise as `AsyncBatchClient.submit_many`.

        Raises:
            GroupClosed: The group has ended, or is ending after an error.
            APIError, InvalidRequest, SubmitUncertain, ClientClosed: As
                `AsyncBatchClient.submit_many`.
        """
        self._members.require_open()
        submit = submit_coalesced if coalesce else submit_all
        return await submit(self._session, requests, self._members.start)

    async def __aenter__(self) -> Self:
        """Open the group."""
        self._members.open()
        self._body.__enter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for all jobs; after an error, terminate or leave those that have not ended."""
        ending = error
        if ending is None:
            try:
                await self._members.all_ended()
            except BaseException as cancelled:  # noqa: BLE001 - raised again below
                ending = cancelled
        kind = None if ending is None else type(ending)
        # True where the scope swallows its own cancellation: a failed job has ended the body.
        is_ours = self._body.__exit__(kind, ending, traceback)
        self._members.close()
        if ending is None and not self._members.failed:
            return
        notes = await self._clean_up()
        if ending is None or is_ours:
            raise _noted(await self._members.first_error(), notes) from None
        _noted(ending, notes)
        if ending is not error:
            raise ending

    # -- clean-up ---------------------------------------------------------------------------------

    async def _clean_up(self) -> list[str]:
        """Terminate or leave the jobs that have not ended, and return notes on that."""
        session, notes = self._session, list[str]()
        if session.records.closed is None:
            # A second cancellation of this task does not stop the clean-up.
            with anyio.CancelScope(shield=True), contextlib.suppress(ClientClosed):
                await session.start(self._end_jobs, notes)
        left = [
            record
            for record in job_records(self._members.unfinished())
            if not session.terminator.was_terminated(record.id)
        ]
        message = session.remaining_jobs.message(left)
        return [*notes, message] if message else notes

    async def _end_jobs(self, notes: list[str]) -> None:
        with anyio.move_on_after(_CLEAN_UP_SECONDS) as scope:
            if self._on_error == "leave":
                await self._members.all_submitted()
                return
            unfinished = len(self._members.unfinished())
            scope.deadline += await self._session.terminator.seconds_for(unfinished)
            notes += await self._terminate()
            await self._members.all_submitted()
            notes += await self._terminate()

    async def _terminate(self) -> list[str]:
        """Terminate the jobs that were not terminated yet, and return notes on that."""
        terminator = self._session.terminator
        unfinished = self._members.unfinished()
        ids = [job.id for job in unfinished if not terminator.was_terminated(job.id)]
        if not ids:
            return []
        failed = await self._session.terminate(ids, self._reason)
        notes = [f"Jobs of the group that were terminated: {len(ids) - len(failed)}."]
        if failed:
            why = next(iter(failed.values()))
            notes.append(
                f"{len(failed)} of {len(ids)} jobs could not be terminated and continue: {why}"
            )
        return notes


class _Members:
    """The jobs of a group: submits them, and records how they end.

    Attributes:
        jobs: All of them, in the order in which AWS accepted them.
        failed: Those that failed, with the error where they are no longer followed.
    """

    def __init__(self, session: "Session", on_failure: Callable[[], None]) -> None:
        self.jobs: dict[Job, None] = {}
        self.failed: list[tuple[Job, AsyncBatchError | None]] = []
        self._session = session
        self._on_failure = on_failure
        self._unfinished: dict[Job, None] = {}
        self._in_progress = 0
        self._changed = anyio.Event()
        self._is_open = False
        self._was_open = False

    def open(self) -> None:
        if self._was_open:
            raise GroupClosed
        self._is_open = self._was_open = True

    def close(self) -> None:
        self._is_open = False

    def require_open(self) -> None:
        if not self._is_open:
            raise GroupClosed

    # -- how they are submitted -------------------------------------------------------------------

    def start(self, request: JobRequest) -> "asyncio.Future[JobRecord]":
        """Start to submit a job; it becomes a member unless it is withdrawn before it is sent."""
        self.require_open()
        submission = self._session.start_submission(self._submit, request).outcome
        self._in_progress += 1
        return submission

    async def _submit(self, request: JobRequest) -> "JobRecord":
        try:
            record = await self._session.submit(request)
            self._adopt(record)
            return record
        finally:
            self._in_progress -= 1
            self._changed.set()

    def _adopt(self, record: "JobRecord") -> None:
        job = job_handle(self._session, record)
        self.jobs[job] = self._unfinished[job] = None
        try:
            record.add_done_callback(lambda _record, error: self._ended(job, error))
        except AsyncBatchError as error:  # the client was closed meanwhile
            self._ended(job, error)

    # -- how they end -----------------------------------------------------------------------------

    def unfinished(self) -> Collection[Job]:
        """Return the jobs whose end is not known."""
        return self._unfinished.keys()

    async def all_ended(self) -> None:
        """Wait until every job has ended."""
        while self._unfinished or self._in_progress:
            await self._next_change()

    async def all_submitted(self) -> None:
        """Wait until no submission is in progress."""
        while self._in_progress:
            await self._next_change()

    async def first_error(self) -> AsyncBatchError:
        """Return the first error of a job, with a note on how many there are."""
        job, error = self.failed[0]
        if error is None:
            try:
                await job.result()
            except JobFailed as failed:
                error = failed
            else:
                raise AssertionError("unreachable: a failed job raises JobFailed")
        if len(self.failed) > 1:
            error.add_note(f"{len(self.failed)} of {len(self.jobs)} jobs of the group failed.")
        return error

    def _ended(self, job: Job, error: AsyncBatchError | None) -> None:
        if job.is_finished:
            self._unfinished.pop(job, None)
        if error is not None or job.status is not JobStatus.SUCCEEDED:
            self.failed.append((job, error))
            self._on_failure()
        self._changed.set()

    async def _next_change(self) -> None:
        self._changed = anyio.Event()
        await self._changed.wait()


def _noted(error: _E, notes: list[str]) -> _E:
    """Add notes to an error, and log them, as the error itself may be ignored."""
    for note in notes:
        error.add_note(note)
        logger.warning("%s", note)
    return error
