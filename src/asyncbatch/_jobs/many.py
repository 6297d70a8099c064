"""Many jobs at once: a bounded window of submissions, and results in the order of the requests."""

import contextlib
import functools
import math
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Protocol

import anyio

from asyncbatch._jobs.array_job import ArrayJob, ChildJob, all_children_ended
from asyncbatch._jobs.job import Job
from asyncbatch._submitting.coalesce import coalesce
from asyncbatch._values import checks
from asyncbatch._values.errors import AsyncBatchError, InvalidRequest, JobFailed
from asyncbatch._values.requests import JobRequest
from asyncbatch._values.results import JobResult

Requests = Iterable[JobRequest] | AsyncIterable[JobRequest]
Settled = Callable[[Job | None, Exception | None], None]

# Submissions under way at once: enough for the quota of 50/s at a latency of most of a second.
_WINDOW = 64
# More are begun when so few are left, in one step of the event loop: one by one costs more. But
# those that are being looked up for minutes must not keep the others waiting.
_REFILL_AT = 48
_REFILL_SECONDS = 0.3
_NAMED_FAILURES = 10


class Submitter(Protocol):
    """What begins submissions and does not wait for them: an open client."""

    def start(self, request: JobRequest, settled: Settled, /) -> None:
        """Begin to submit a job; `settled` is called once, with its handle or the error."""
        ...

    def not_submitted(self) -> AsyncBatchError:
        """Return the error for a job that was not submitted because the client was closed."""
        ...


async def submit_one(request: JobRequest, submitter: Submitter) -> Job:
    """Submit a job; a caller that is cancelled only stops waiting for its handle.

    Raises:
        AsyncBatchError: The submission failed.
    """
    outcome: list[tuple[Job | None, Exception | None]] = []
    is_settled = anyio.Event()

    def settled(job: Job | None, error: Exception | None) -> None:
        outcome.append((job, error))
        is_settled.set()

    submitter.start(request, settled)
    await is_settled.wait()
    ((job, error),) = outcome
    if job is None:
        raise error or submitter.not_submitted()
    return job


class _Submissions:
    """Jobs that are being submitted: their handles by position, and the first error."""

    def __init__(self, submitter: Submitter, max_in_flight: int | None) -> None:
        self.jobs: dict[int, Job] = {}
        self.error: Exception | None = None
        self._submitter = submitter
        self._under_way = 0
        self._enough_settled = anyio.Event()
        self._few_enough = 0
        self._in_flight = (
            None if max_in_flight is None else anyio.Semaphore(max_in_flight, fast_acquire=True)
        )

    async def all_of(self, requests: Requests) -> None:
        """Submit until the requests end or something fails; then wait for those under way."""
        try:
            await self._feed(requests)
        except Exception as error:  # noqa: BLE001 - from the caller's own iterable: raised later
            self.error = self.error or error
        await self._until_under_way(0)

    async def _feed(self, requests: Requests) -> None:
        place = 0
        async for request in _each(requests):
            await self._room()
            if self.error is not None:
                return
            self._submitter.start(request, functools.partial(self._settled, place))
            self._under_way += 1
            place += 1

    async def _room(self) -> None:
        if self._in_flight is not None:
            await self._in_flight.acquire()
        if self._under_way >= _WINDOW:
            with anyio.move_on_after(_REFILL_SECONDS):
                await self._until_under_way(_REFILL_AT)
            await self._until_under_way(_WINDOW - 1)

    async def _until_under_way(self, number: int) -> None:
        """Wait until so few submissions are under way."""
        self._few_enough = number
        while self._under_way > number:
            self._enough_settled = anyio.Event()
            await self._enough_settled.wait()

    def _settled(self, place: int, job: Job | None, error: Exception | None) -> None:
        self._under_way -= 1
        if self._under_way <= self._few_enough:
            self._enough_settled.set()
        if job is None:
            self.error = self.error or error or self._submitter.not_submitted()
            self._leave()
            return
        self.jobs[place] = job
        if self._in_flight is not None:
            job.on_settled(lambda _job, _error: self._leave())

    def _leave(self) -> None:
        if self._in_flight is not None:
            self._in_flight.release()


async def submit_all(
    requests: Requests, submitter: Submitter, *, max_in_flight: int | None = None
) -> list[Job]:
    """Submit jobs and return their handles in order.

    Args:
        requests: Read as fast as jobs are submitted.
        submitter: The open client.
        max_in_flight: Most jobs that are submitted and not ended.

    Raises:
        AsyncBatchError: A submission failed; ``error.submitted`` has the handles of the others.
        Exception: What the iterable raised.
    """
    submissions = _Submissions(submitter, max_in_flight)
    await submissions.all_of(requests)
    jobs = [job for _, job in sorted(submissions.jobs.items())]
    error = submissions.error
    if error is None:
        return jobs
    if isinstance(error, AsyncBatchError):
        error.submitted = tuple(jobs)
    error.add_note(f"Jobs submitted before, which run on: {len(jobs)}.")
    raise error


async def submit_coalesced(requests: Requests, submitter: Submitter) -> list[Job]:
    """Submit jobs, as arrays where that is possible; return a handle for each request, in order.

    Raises:
        AsyncBatchError: As `submit_all`; ``error.submitted`` has the arrays, not their children.
        Exception: What the iterable raised.
    """
    parts = coalesce([request async for request in _each(requests)])
    submitted = await submit_all([part.request for part in parts], submitter)
    jobs: dict[int, Job] = {}
    for part, job in zip(parts, submitted, strict=True):
        handles: Iterable[Job] = (
            job if isinstance(job, ArrayJob) and len(part.places) > 1 else [job]
        )
        jobs.update(zip(part.places, handles, strict=True))
    return [job for _, job in sorted(jobs.items())]


async def results_in_order(jobs: Sequence[Job], *, check: bool) -> list[JobResult]:
    """Wait until all jobs have ended and return their results.

    Raises:
        JobFailed: With `check`, the first that failed, with a note on the others.
        AsyncBatchError: What else kept a job's end from being known.
    """
    trouble: AsyncBatchError | None = None
    results = []
    # Children are asked once, at the end: until then, asking for their array says as much.
    with contextlib.suppress(AsyncBatchError):  # awaiting the children will tell
        await all_children_ended(job.array for job in jobs if isinstance(job, ChildJob))
    with _all_awaited(jobs):
        for job in jobs:
            try:
                results.append(await job.result(check=False))
            except AsyncBatchError as error:
                trouble = trouble or error
    if trouble is not None:
        raise trouble
    failed = [job for job, result in zip(jobs, results, strict=True) if not result.succeeded]
    if check and failed:
        raise await _first_failure(failed, len(jobs))
    return results


@contextlib.contextmanager
def _all_awaited(jobs: Iterable[Job]) -> Iterator[None]:
    """Have all of the jobs count as awaited, not only the one whose turn it is."""
    # Not children: following each of them is what waiting for their array is to save.
    awaited = [job for job in jobs if not isinstance(job, ChildJob)]
    for job in awaited:
        job.begin_waiting()
    try:
        yield
    finally:
        for job in awaited:
            job.end_waiting()


async def _first_failure(failed: Sequence[Job], total: int) -> JobFailed:
    try:
        await failed[0].result()
    except JobFailed as error:
        if len(failed) > 1:
            names = ", ".join(job.name for job in failed[1 : _NAMED_FAILURES + 1])
            more = " …" if len(failed) > _NAMED_FAILURES + 1 else ""
            error.add_note(f"{len(failed)} of {total} jobs failed; also: {names}{more}")
        return error
    raise AssertionError("unreachable: a failed job raises JobFailed")


async def as_completed(jobs: Iterable[Job]) -> AsyncIterator[Job]:
    """Yield jobs as their ends become known, each once.

    Raises:
        AsyncBatchError: Nothing more will be heard of a job: the client was closed, access denied.
    """
    waiting = list(dict.fromkeys(jobs))
    send, receive = anyio.create_memory_object_stream[tuple[Job, AsyncBatchError | None]](math.inf)
    with send, receive:
        withdraw = [job.on_settled(lambda *news: send.send_nowait(news)) for job in waiting]
        try:
            for _ in waiting:
                job, error = await receive.receive()
                if error is not None and not job.is_finished:
                    raise error
                yield job
        finally:
            for undo in withdraw:
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
        raise InvalidRequest("requests", request, "each one is a JobRequest")
    return request
