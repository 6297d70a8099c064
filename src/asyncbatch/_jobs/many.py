"""Many jobs at once: a bounded window of submissions, results in order, jobs as they end."""

import contextlib
import math
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import anyio

from asyncbatch._jobs.array_job import ArrayJob, ChildJob, all_children_ended, arrays_of
from asyncbatch._jobs.failed_jobs import error_of_run
from asyncbatch._jobs.handles import job_handle, job_records, known_results
from asyncbatch._jobs.job import Job
from asyncbatch._results.job_results import JobResults
from asyncbatch._submitting.coalesce import coalesce
from asyncbatch._values import checks
from asyncbatch._values.errors import AsyncBatchError, InvalidRequest, RunStopped
from asyncbatch._values.policies import FailureLimit
from asyncbatch._values.recovery import RecoveryPolicy
from asyncbatch._values.requests import JobRequest
from asyncbatch._values.results import FailureKind, JobResult

if TYPE_CHECKING:  # loaded when a client opens
    import asyncio

    from asyncbatch._session.records import JobRecord
    from asyncbatch._session.session import Session

Requests = Iterable[JobRequest] | AsyncIterable[JobRequest]
Start = Callable[[JobRequest], "asyncio.Future[JobRecord]"]
"""Starts a submission, and returns a future of its outcome."""

_WINDOW = 64
"""Submissions in progress at once: enough for the quota of 50/s at a latency of over a second."""

_REFILL_AT = 48
"""The window is refilled when this many are left, in one step of the event loop: starting each
submission in a step of its own costs more CPU time."""

_REFILL_SECONDS = 0.3
"""... or after this time: submissions that are looked up for minutes must not hold up others."""


class _Submissions:
    """Requests that are being submitted: their records by position, and the first error."""

    def __init__(
        self, start: Start, max_in_flight: int | None, stop_on: FailureLimit | None
    ) -> None:
        self.records: dict[int, JobRecord] = {}
        self.error: BaseException | None = None
        self._start = start
        self._failures = None if stop_on is None else _Failures(stop_on)
        self._in_progress: set[asyncio.Future[JobRecord]] = set()
        self._few_left = anyio.Event()
        self._few = 0
        self._in_flight = (
            None if max_in_flight is None else anyio.Semaphore(max_in_flight, fast_acquire=True)
        )

    async def submit(self, requests: Requests) -> None:
        """Submit until the requests end or one fails; then wait for those in progress."""
        try:
            await self._submit_each(requests)
        except Exception as error:  # noqa: BLE001 - from the caller's own iterable: raised later
            self.error = self.error or error
        await self._until_left(0)

    def withdraw(self) -> None:
        """Withdraw the submissions that were not sent yet, as nothing waits for them any more."""
        for submission in list(self._in_progress):
            submission.cancel()

    async def _submit_each(self, requests: Requests) -> None:
        place = 0
        async for request in _each(requests):
            await self._wait_for_room()
            if self.error is not None:
                return
            submission = self._start(request)
            self._in_progress.add(submission)
            submission.add_done_callback(self._done_callback(place))
            place += 1

    async def _wait_for_room(self) -> None:
        if self._in_flight is not None:
            await self._in_flight.acquire()
        if len(self._in_progress) >= _WINDOW:
            with anyio.move_on_after(_REFILL_SECONDS):
                await self._until_left(_REFILL_AT)
            await self._until_left(_WINDOW - 1)

    async def _until_left(self, number: int) -> None:
        """Wait until at most a number of submissions are in progress."""
        self._few = number
        while len(self._in_progress) > number:
            self._few_left = anyio.Event()
            await self._few_left.wait()

    def _done_callback(self, place: int) -> "Callable[[asyncio.Future[JobRecord]], None]":
        def done(submission: "asyncio.Future[JobRecord]") -> None:
            self._in_progress.discard(submission)
            if len(self._in_progress) <= self._few:
                self._few_left.set()
            if submission.cancelled():
                return
            error = submission.exception()
            if error is not None:
                self.error = self.error or error
                self._release()
                return
            record = self.records[place] = submission.result()
            if self._in_flight is not None or self._failures is not None:
                record.add_done_callback(lambda record, _error: self._ended(record))

        return done

    def _ended(self, record: "JobRecord") -> None:
        """Take the end of a job."""
        if self._failures is not None:
            self.error = self.error or self._failures.take(record.result)
        self._release()

    def _release(self) -> None:
        if self._in_flight is not None:
            self._in_flight.release()


class _Failures:
    """Counts the ends of jobs, and their failures by kind."""

    def __init__(self, limit: FailureLimit) -> None:
        self._limit = limit
        self._ended = 0
        self._failed: Counter[FailureKind] = Counter()

    def take(self, result: JobResult | None) -> RunStopped | None:
        """Count an end; return the error if too many jobs failed for one permanent reason."""
        self._ended += 1
        failure = None if result is None else result.failure
        if failure is None or failure.transient:
            return None
        self._failed[failure.kind] += 1
        count = self._failed[failure.kind]
        if count < max(self._limit.at_least, self._limit.share * self._ended):
            return None
        return RunStopped(failure, count, self._ended)


def with_recovery(requests: Requests, policy: RecoveryPolicy | None) -> Requests:
    """Return requests with a policy, where they have none of their own."""
    if policy is None:
        return requests

    async def each() -> AsyncIterator[JobRequest]:
        async for request in _each(requests):
            yield request if request.recovery is not None else request.replace(recovery=policy)

    return each()


async def submit_all(
    session: "Session",
    requests: Requests,
    start: Start | None = None,
    *,
    max_in_flight: int | None = None,
    stop_on: FailureLimit | None = None,
) -> list[Job]:
    """Submit jobs and return their handles in order.

    Args:
        session: The open client.
        requests: Read as fast as jobs are submitted.
        start: Starts a submission; None uses `Session.start_submission`.
        max_in_flight: Maximum number of jobs that are submitted and have not ended.
        stop_on: When failures end the submissions; None for never.

    Raises:
        AsyncBatchError: A submission failed; ``error.submitted`` has the handles of the others.
        Exception: What the iterable raised.
    """

    def start_submission(request: JobRequest) -> "asyncio.Future[JobRecord]":
        return session.start_submission(session.submit, request).outcome

    submissions = _Submissions(start or start_submission, max_in_flight, stop_on)
    try:
        await submissions.submit(requests)
    except BaseException:
        submissions.withdraw()
        raise
    jobs = [job_handle(session, record) for _, record in sorted(submissions.records.items())]
    error = submissions.error
    if error is None:
        return jobs
    if isinstance(error, AsyncBatchError):
        error.submitted = tuple(jobs)
    if jobs:
        error.add_note(f"Jobs submitted before, which continue: {len(jobs)}.")
    raise error


async def submit_coalesced(
    session: "Session", requests: Requests, start: Start | None = None
) -> list[Job]:
    """Submit jobs, as arrays where that is possible; return a handle for each request, in order.

    Raises:
        AsyncBatchError: As `submit_all`; ``error.submitted`` has the arrays, not their children.
        Exception: What the iterable raised.
    """
    parts = coalesce([request async for request in _each(requests)])
    submitted = await submit_all(session, [part.request for part in parts], start)
    jobs: dict[int, Job] = {}
    for part, job in zip(parts, submitted, strict=True):
        handles: Iterable[Job] = (
            job if isinstance(job, ArrayJob) and len(part.places) > 1 else [job]
        )
        jobs.update(zip(part.places, handles, strict=True))
    return [job for _, job in sorted(jobs.items())]


async def results_in_order(jobs: Sequence[Job], *, check: bool) -> JobResults:
    """Wait until all jobs have ended and return their results.

    Raises:
        JobFailed: With `check`, the first that failed, with a note on others.
        AsyncBatchError: Another reason why a job's end is not known. As with `JobFailed`, its
            `results` are those of the jobs whose end is known.
    """
    trouble: AsyncBatchError | None = None
    # Children are described once, at the end: until then, polling their array is enough.
    with contextlib.suppress(AsyncBatchError):  # awaiting the children raises it again
        for array in arrays_of(jobs):
            await all_children_ended(array)
    with _all_awaited(jobs):
        for job in jobs:
            try:
                await job.result(check=False)
            except AsyncBatchError as error:
                trouble = trouble or error
    if trouble is not None:
        trouble.results = known_results(jobs)
        raise trouble
    results = known_results(jobs)
    if check and results.failed:
        raise await error_of_run(jobs, results)
    return results


@contextlib.contextmanager
def _all_awaited(jobs: Iterable[Job]) -> Iterator[None]:
    """Count all jobs as awaited, not only the one that is awaited in turn."""
    # Not children: waiting for their array is to save following each of them.
    awaited = job_records(job for job in jobs if not isinstance(job, ChildJob))
    for record in awaited:
        record.add_waiter()
    try:
        yield
    finally:
        for record in awaited:
            record.remove_waiter()


async def as_completed(jobs: Iterable[Job]) -> AsyncIterator[Job]:
    """Yield jobs as their ends become known, each once.

    Raises:
        AsyncBatchError: A job is no longer followed: the client was closed, access denied.
    """
    waiting = list(dict.fromkeys(jobs))
    send, receive = anyio.create_memory_object_stream[tuple[Job, AsyncBatchError | None]](math.inf)

    def callback(job: Job) -> "Callable[[JobRecord, AsyncBatchError | None], None]":
        return lambda _record, error: send.send_nowait((job, error))

    with send, receive:
        remove = [
            record.add_done_callback(callback(job))
            for job, record in zip(waiting, job_records(waiting), strict=True)
        ]
        try:
            for _ in waiting:
                job, error = await receive.receive()
                if error is not None and not job.is_finished:
                    raise error
                yield job
        finally:
            for undo in remove:
                undo()


async def _each(requests: Requests) -> AsyncIterator[JobRequest]:
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            yield _checked(request)
    else:
        checks.iterable("requests", requests, rule="give a list of JobRequests, even for one")
        for request in requests:
            yield _checked(request)


def _checked(request: object) -> JobRequest:
    if not isinstance(request, JobRequest):
        raise InvalidRequest("requests", request, "every item must be a JobRequest")
    return request
