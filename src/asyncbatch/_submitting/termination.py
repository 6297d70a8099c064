"""Terminating many jobs: fifty with one call where that exists, one by one where it does not.

TerminateJobs is young: an SDK may not know it, and neither may an endpoint that is not AWS's. It
answers for each job by itself; what AWS was too busy for is asked for again. Terminating a job
twice does no harm, so what a bulk call was refused for is tried one by one before anybody is told.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJobs.html
"""

import logging
import random
from collections.abc import Callable, Iterable, Sequence

import anyio

from asyncbatch._aws.api import API
from asyncbatch._values.errors import (
    APIError,
    AsyncBatchError,
    ConnectionFailed,
    ServiceFault,
    Throttled,
)
from asyncbatch._values.policies import Backoff

logger = logging.getLogger("asyncbatch")

_TOGETHER = 50
# Calls under way at once; their pace is the limiter's business.
_BULK_CALLS_AT_ONCE = 8
_SINGLE_CALLS_AT_ONCE = 64
# Times that jobs which AWS was too busy for are asked for again, before they are asked for alone.
_ROUNDS = 5


class Terminator:
    """Terminates jobs of one client, and knows whether that goes in bulk."""

    def __init__(
        self,
        api: API,
        rng: random.Random,
        hurry: Callable[[str], None],
        *,
        calls_per_second: float,
    ) -> None:
        """Tell `hurry` of each job that was terminated, by its id."""
        self._api = api
        self._calls_per_second = calls_per_second
        self._rng = rng
        self._hurry = hurry
        self._backoff = Backoff()
        self._in_bulk: bool | None = None
        self._ended: set[str] = set()

    async def terminate(self, ids: Iterable[str], reason: str) -> dict[str, AsyncBatchError]:
        """Terminate jobs, and return why some of them were not, by their ids.

        Args:
            ids: Ids of jobs; that of an array's parent stands for all its children.
            reason: Shown as the jobs' status reason.
        """
        # The children of an array that is to end as a whole need no calls of their own.
        unique = dict.fromkeys(ids)
        waiting = [one for one in unique if ":" not in one or one.partition(":")[0] not in unique]
        orders = _Orders(self._api, reason, self._hurry)
        await self._find_out()
        for tries in range(1, _ROUNDS + 1):
            if not self._in_bulk or len(waiting) <= 1:
                break
            if tries > 1:
                await anyio.sleep(self._backoff.delay(tries, self._rng))  # noqa: TID251 - AWS is busy
            waiting = await orders.in_bulk(waiting)
            self._in_bulk = orders.bulk_refused is None
        await orders.alone([*waiting, *orders.refused])
        self._ended.update(job_id for job_id in unique if job_id not in orders.failed)
        return orders.failed

    async def seconds_for(self, count: int) -> float:
        """Return how long it takes to terminate so many jobs at the pace that AWS allows."""
        await self._find_out()
        calls = count / _TOGETHER if self._in_bulk else count
        return calls / self._calls_per_second

    async def _find_out(self) -> None:
        if self._in_bulk is None:
            self._in_bulk = await self._api.offers("TerminateJobs")

    def has_ended(self, job_id: str) -> bool:
        """Return whether AWS took the order to terminate a job, or the array that it belongs to."""
        return job_id in self._ended or job_id.partition(":")[0] in self._ended


class _Orders:
    """Jobs that are being terminated for one reason, and what became of the orders."""

    def __init__(self, api: API, reason: str, hurry: Callable[[str], None]) -> None:
        self.failed: dict[str, AsyncBatchError] = {}
        self.refused: list[str] = []
        self.bulk_refused: AsyncBatchError | None = None
        self._api = api
        self._reason = reason
        self._hurry = hurry

    async def in_bulk(self, ids: Sequence[str]) -> list[str]:
        """Ask once for each job; return those that AWS was too busy for."""
        again: list[str] = []
        window = anyio.Semaphore(_BULK_CALLS_AT_ONCE, fast_acquire=True)

        async def ask(batch: Sequence[str]) -> None:
            async with window:
                again.extend(await self._ask(batch))

        async with anyio.create_task_group() as group:
            for start in range(0, len(ids), _TOGETHER):
                group.start_soon(ask, ids[start : start + _TOGETHER])
        return again

    async def _ask(self, batch: Sequence[str]) -> list[str]:
        try:
            refused = await self._api.terminate_jobs(batch, self._reason)
        except APIError as error:
            if isinstance(error, ConnectionFailed | ServiceFault):  # borne long enough already
                self.failed.update(dict.fromkeys(batch, error))
            else:
                logger.info("TerminateJobs is refused here, so one by one. %s", error)
                self.bulk_refused = error
                self.refused += batch
            return []
        except AsyncBatchError as error:
            self.failed.update(dict.fromkeys(batch, error))
            return []
        for job_id in batch:
            if job_id not in refused:
                self._hurry(job_id)
        again = [i for i, error in refused.items() if isinstance(error, Throttled | ServiceFault)]
        self.refused += [job_id for job_id in refused if job_id not in again]
        return again

    async def alone(self, ids: Sequence[str]) -> None:
        """Ask for one job after the other; the pace is the limiter's business."""
        window = anyio.Semaphore(_SINGLE_CALLS_AT_ONCE, fast_acquire=True)

        async def terminate(job_id: str) -> None:
            try:
                await self._api.terminate_job(job_id, self._reason)
                self._hurry(job_id)
            except AsyncBatchError as error:
                self.failed[job_id] = error
            finally:
                window.release()

        async with anyio.create_task_group() as group:
            for job_id in ids:
                await window.acquire()
                group.start_soon(terminate, job_id)


def first_of(failed: dict[str, AsyncBatchError], total: int) -> AsyncBatchError:
    """Return the first error, with a note on how many there are of how many jobs."""
    error = next(iter(failed.values()))
    if total > 1:
        error.add_note(f"{len(failed)} of {total} jobs could not be terminated.")
    return error
