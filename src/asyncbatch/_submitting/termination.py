"""Ending many jobs: fifty with one call where that exists, one by one where it does not.

TerminateJobs and CancelJobs are new: an SDK may not have them, and neither may an endpoint that is
not AWS's. They report success or an error for each job; jobs that AWS was too busy for are sent
again. Ending a job twice is harmless, so jobs that a bulk call refused are ended one by one before
an error is reported.

Sources: https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJobs.html and
https://docs.aws.amazon.com/batch/latest/APIReference/API_CancelJobs.html
"""

import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple, Self

import anyio

from asyncbatch._aws.api import API, TERMINATE_LIMIT
from asyncbatch._values.errors import (
    APIError,
    AsyncBatchError,
    ConnectionFailed,
    ServiceFault,
    Throttled,
)
from asyncbatch._values.policies import Backoff

logger = logging.getLogger("asyncbatch")

# Calls in progress at once; the rate limit of the API decides when each is sent.
_CONCURRENT_BULK_CALLS = 8
_CONCURRENT_SINGLE_CALLS = 64
# How often jobs that AWS was too busy for are sent in bulk, before they are sent one by one.
_ROUNDS = 5


class Ending(NamedTuple):
    """How jobs are ended: TerminateJob and TerminateJobs, or CancelJob and CancelJobs.

    Attributes:
        bulk: Name of the operation for many jobs.
        end_many: Ends at most 50 jobs.
        end_one: Ends one job.
    """

    bulk: str
    end_many: Callable[[Sequence[str], str], Awaitable[dict[str, APIError]]]
    end_one: Callable[[str, str], Awaitable[None]]

    @classmethod
    def by_terminating(cls, api: API) -> Self:
        """End jobs whether they have started or not."""
        return cls("TerminateJobs", api.terminate_jobs, api.terminate_job)

    @classmethod
    def by_cancelling(cls, api: API) -> Self:
        """End jobs that have not started; the others continue."""
        return cls("CancelJobs", api.cancel_jobs, api.cancel_job)


class Terminator:
    """Ends the jobs of one client in one way, and knows whether that works in bulk."""

    def __init__(
        self,
        api: API,
        rng: random.Random,
        poll_soon: Callable[[str], None],
        *,
        calls_per_second: float,
        ending: Ending | None = None,
    ) -> None:
        """Call `poll_soon` with the id of each job that was ended; None terminates."""
        self._api = api
        self._ending = ending or Ending.by_terminating(api)
        self._calls_per_second = calls_per_second
        self._rng = rng
        self._poll_soon = poll_soon
        self._backoff = Backoff()
        self._in_bulk: bool | None = None
        self._terminated: set[str] = set()

    async def terminate(self, ids: Iterable[str], reason: str) -> dict[str, AsyncBatchError]:
        """End jobs, and return the errors of those that were not, by their ids.

        Args:
            ids: Ids of jobs; that of an array's parent stands for all its children.
            reason: Shown as the jobs' status reason.
        """
        # The children of an array that is ended itself need no calls of their own.
        unique = dict.fromkeys(ids)
        waiting = [one for one in unique if ":" not in one or one.partition(":")[0] not in unique]
        batch = _Termination(self._ending, reason, self._poll_soon)
        in_bulk = await self._works_in_bulk()
        for tries in range(1, _ROUNDS + 1):
            if not in_bulk or len(waiting) <= 1:
                break
            if tries > 1:
                await anyio.sleep(self._backoff.delay(tries, self._rng))  # noqa: TID251 - AWS is busy
            waiting = await batch.in_bulk(waiting)
            self._in_bulk = in_bulk = batch.bulk_refused is None
        await batch.one_by_one([*waiting, *batch.refused])
        self._terminated.update(job_id for job_id in unique if job_id not in batch.failed)
        return batch.failed

    async def seconds_for(self, count: int) -> float:
        """Return how many seconds ending a number of jobs takes within the rate limit."""
        calls = count / TERMINATE_LIMIT if await self._works_in_bulk() else count
        return calls / self._calls_per_second

    def was_terminated(self, job_id: str) -> bool:
        """Return whether AWS accepted to end a job, or the array that it belongs to."""
        return job_id in self._terminated or job_id.partition(":")[0] in self._terminated

    async def _works_in_bulk(self) -> bool:
        if self._in_bulk is None:
            self._in_bulk = await self._api.offers(self._ending.bulk)
        return self._in_bulk


class _Termination:
    """Jobs that are being ended for one reason.

    Attributes:
        failed: Why jobs were not ended, by their ids.
        refused: Jobs that a bulk call refused; to be ended one by one.
        bulk_refused: Why the bulk operation itself is refused here; None as long as it works.
    """

    def __init__(self, ending: Ending, reason: str, poll_soon: Callable[[str], None]) -> None:
        self.failed: dict[str, AsyncBatchError] = {}
        self.refused: list[str] = []
        self.bulk_refused: AsyncBatchError | None = None
        self._ending = ending
        self._reason = reason
        self._poll_soon = poll_soon

    async def in_bulk(self, ids: Sequence[str]) -> list[str]:
        """End jobs, fifty with one call; return those that AWS was too busy for."""
        again: list[str] = []
        window = anyio.Semaphore(_CONCURRENT_BULK_CALLS, fast_acquire=True)

        async def end(batch: Sequence[str]) -> None:
            async with window:
                again.extend(await self._end_batch(batch))

        async with anyio.create_task_group() as group:
            for start in range(0, len(ids), TERMINATE_LIMIT):
                group.start_soon(end, ids[start : start + TERMINATE_LIMIT])
        return again

    async def _end_batch(self, batch: Sequence[str]) -> list[str]:
        try:
            refused = await self._ending.end_many(batch, self._reason)
        except APIError as error:
            if isinstance(error, ConnectionFailed | ServiceFault):  # retried long enough already
                self.failed.update(dict.fromkeys(batch, error))
            else:
                logger.info("%s refused; ending jobs one by one: %s", self._ending.bulk, error)
                self.bulk_refused = error
                self.refused += batch
            return []
        except AsyncBatchError as error:
            self.failed.update(dict.fromkeys(batch, error))
            return []
        for job_id in batch:
            if job_id not in refused:
                self._poll_soon(job_id)
        again = [i for i, error in refused.items() if isinstance(error, Throttled | ServiceFault)]
        self.refused += [job_id for job_id in refused if job_id not in again]
        return again

    async def one_by_one(self, ids: Sequence[str]) -> None:
        """End jobs with one call each."""
        window = anyio.Semaphore(_CONCURRENT_SINGLE_CALLS, fast_acquire=True)

        async def end(job_id: str) -> None:
            try:
                await self._ending.end_one(job_id, self._reason)
                self._poll_soon(job_id)
            except AsyncBatchError as error:
                self.failed[job_id] = error
            finally:
                window.release()

        async with anyio.create_task_group() as group:
            for job_id in ids:
                await window.acquire()
                group.start_soon(end, job_id)
