"""A group of jobs that end together, as the tasks of a task group do.

Theory of operation
-------------------
The block of a group ends when all its jobs have ended. The first error ends it early: a job that
FAILED or vanished cancels the body of the block; an exception in the body, or a cancellation from
outside, ends it anyway. What becomes of the jobs that have not ended then is `_cleanup`'s business.

An error of the body wins over that of a job: whoever raised it knows what it means. Neither comes
wrapped in an ExceptionGroup.
"""

import functools
import logging
from collections.abc import Callable, Collection
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeVar, Unpack

import anyio

from asyncbatch._cleanup import clean_up
from asyncbatch._jobs import many
from asyncbatch._jobs.job import Job
from asyncbatch._values.descriptions import JobDefinition
from asyncbatch._values.errors import AsyncBatchError, GroupClosed, JobFailed
from asyncbatch._values.requests import JobFields, JobRequest
from asyncbatch._values.status import JobStatus

if TYPE_CHECKING:  # only an open client needs these rooms
    from asyncbatch._jobs.many import Settled
    from asyncbatch._session.session import Runtime

logger = logging.getLogger("asyncbatch")

OnError = Literal["terminate", "leave"]

_E = TypeVar("_E", bound=BaseException)

# Submissions that are begun at once: what the clean-up has to wait for.
_WINDOW = 64


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

    def __init__(self, runtime: "Runtime", *, on_error: OnError, reason: str) -> None:
        """Made by `AsyncBatchClient.job_group`."""
        self._runtime = runtime
        self._on_error = on_error
        self._reason = reason
        self._body = anyio.CancelScope()
        self._members = _Members(runtime, self._body.cancel)
        self._window = anyio.Semaphore(_WINDOW, fast_acquire=True)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs of the group, in the order in which AWS accepted them."""
        return tuple(self._members.jobs.values())

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
            return await many.submit_one(request, self._members)

    async def submit_many(self, requests: many.Requests, *, coalesce: bool = False) -> list[Job]:
        """Submit jobs that belong to the group; otherwise as `AsyncBatchClient.submit_many`.

        Raises:
            GroupClosed: The group has ended, or is ending after an error.
            APIError, InvalidRequest, SubmitUncertain, ClientClosed: As
                `AsyncBatchClient.submit_many`.
        """
        self._members.require_open()
        submit = many.submit_coalesced if coalesce else many.submit_all
        return await submit(requests, self._members)

    async def __aenter__(self) -> Self:
        """Begin."""
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
        is_ours = self._body.__exit__(kind, ending, traceback)
        self._members.close()
        if ending is None and not self._members.failed:
            return
        notes = await clean_up(
            self._runtime,
            self._members,
            terminate=self._on_error == "terminate",
            reason=self._reason,
        )
        if ending is None or is_ours:
            raise _noted(await self._members.first_error(), notes) from None
        _noted(ending, notes)
        if ending is not error:
            raise ending


class _Members:
    """The jobs of a group: submits them, and learns how they end."""

    def __init__(self, runtime: "Runtime", on_failure: Callable[[], None]) -> None:
        self.jobs: dict[str, Job] = {}
        self.failed: list[tuple[Job, AsyncBatchError | None]] = []
        self._runtime = runtime
        self._on_failure = on_failure
        self._unfinished: dict[str, Job] = {}
        self._under_way = 0
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

    def start(self, request: JobRequest, settled: "Settled") -> None:
        """Begin to submit a job."""
        self.require_open()
        self._runtime.start(request, functools.partial(self._settled, settled))
        self._under_way += 1

    def not_submitted(self) -> AsyncBatchError:
        """Return the error for a job that was not submitted because the client was closed."""
        return self._runtime.not_submitted()

    def _settled(self, settled: "Settled", job: Job | None, error: Exception | None) -> None:
        self._under_way -= 1
        if job is not None:
            self._adopt(job)
        self._changed.set()
        settled(job, error)

    def _adopt(self, job: Job) -> None:
        self.jobs[job.id] = self._unfinished[job.id] = job
        try:
            job.on_settled(self._ended)
        except AsyncBatchError as error:  # the client was closed meanwhile
            self._ended(job, error)

    # -- how they end -----------------------------------------------------------------------------

    def unfinished(self) -> Collection[Job]:
        """Return the jobs whose end is not known."""
        return self._unfinished.values()

    async def all_ended(self) -> None:
        """Wait until every job has ended."""
        while self._unfinished or self._under_way:
            await self._next_change()

    async def all_known(self) -> None:
        """Wait until no submission is under way."""
        while self._under_way:
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
            self._unfinished.pop(job.id, None)
        if error is not None or job.status is not JobStatus.SUCCEEDED:
            self.failed.append((job, error))
            self._on_failure()
        self._changed.set()

    async def _next_change(self) -> None:
        self._changed = anyio.Event()
        await self._changed.wait()


def _noted(error: _E, notes: list[str]) -> _E:
    """Add notes to an error, and log them, as nobody may look at it."""
    for note in notes:
        error.add_note(note)
        logger.warning("%s", note)
    return error
