"""Asking about jobs by their ids: drives `_schedule` with the clock and delivers what AWS says.

A few calls may be under way at once, so that one slow answer does not hold up the others. A call's
ids are chosen when its turn has come, not before.
"""

import math
import random
from collections.abc import Mapping, Sequence

import anyio

from asyncbatch._aws.api import API, Mark
from asyncbatch._polling.changes import moves_on
from asyncbatch._polling.followed import Followed
from asyncbatch._polling.schedule import Schedule
from asyncbatch._polling.sweep import Sweeper
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError, JobVanished
from asyncbatch._values.policies import PollPolicy

_CALLS_AT_ONCE = 4


class Poller:
    """Follows jobs until they end, vanish, or cannot be asked about."""

    def __init__(self, api: API, policy: PollPolicy, rng: random.Random) -> None:
        """Start with no jobs."""
        self._api = api
        self._policy = policy
        self._schedule = Schedule(policy, rng)
        self._followed: dict[str, Followed] = {}
        self._marks: dict[str, Mark] = {}
        self._sweeper = Sweeper(
            api=api,
            policy=policy,
            rng=rng,
            schedule=self._schedule,
            followed=self._followed,
            described=self._marks,
            wake_poller=self._wake,
        )
        self._woken = anyio.Event()
        self._waiting_until = -math.inf
        self._free_calls = anyio.Semaphore(_CALLS_AT_ONCE, fast_acquire=True)

    def __len__(self) -> int:
        """Return how many jobs are followed."""
        return len(self._followed)

    def followed(self) -> list[str]:
        """Return the ids of the jobs that are followed, so have not ended as far as is known."""
        return list(self._followed)

    def follow(
        self,
        job: Followed,
        *,
        is_new: bool = False,
        is_known: bool = True,
        queue: str | None = None,
    ) -> None:
        """Follow a job until it ends; one that is followed already stays as it is.

        Args:
            job: Its handle.
            is_new: Whether it was submitted just now, so that asking at once brings nothing.
            is_known: Whether there is reason to believe that AWS knows it.
            queue: Name or ARN of its queue, where its description does not tell it yet.
        """
        if job.id in self._followed:
            return
        now = anyio.current_time()
        self._followed[job.id] = job
        self._schedule.add(
            job.id,
            now,
            delay=self._policy.min_interval if is_new else 0.0,
            grace=self._policy.missing_grace if is_known else self._policy.unknown_grace,
        )
        self._count_in_queue(job, queue, now)
        self.set_awaited(job)
        self._wake()

    def _count_in_queue(self, job: Followed, queue: str | None, now: float) -> None:
        if queue is None and job.description is not None:
            queue = job.description.queue
        self._sweeper.add(job.id, queue, now)
        self._schedule.postpone(job.id, self._sweeper.put_off(job.id, now))

    def set_awaited(self, job: Followed) -> None:
        """Take note of whether somebody waits for a job right now: those come first."""
        self._schedule.set_awaited(job.id, awaited=job.is_awaited)

    def hurry(self, job_id: str) -> None:
        """Ask about a job at once, because something was done to it."""
        self._schedule.hurry(job_id, anyio.current_time())
        self._wake()

    def fail_all(self, error: AsyncBatchError) -> None:
        """Tell every handle that nothing more will be heard."""
        for job_id in list(self._followed):
            self._drop(job_id).fail(error)

    async def run(self) -> None:
        """Ask about jobs whenever some are due; never returns."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._sweeper.run)
            while True:
                await self._wait_until_due()
                await self._free_calls.acquire()
                await self._api.poll_turn()
                batch = self._schedule.take(anyio.current_time())
                if batch:
                    group.start_soon(self._ask, batch)
                else:
                    self._free_calls.release()

    def _wake(self) -> None:
        """Have `run` look at the schedule, unless nothing there is due sooner than it waits for."""
        due = self._schedule.next_due()
        if due is not None and due < self._waiting_until:
            self._woken.set()

    async def _wait_until_due(self) -> None:
        while (due := self._schedule.next_due()) is None or due > anyio.current_time():
            self._woken = anyio.Event()
            self._waiting_until = math.inf if due is None else due
            with anyio.move_on_after(None if due is None else due - anyio.current_time()):
                await self._woken.wait()
            self._waiting_until = -math.inf

    async def _ask(self, batch: Sequence[str]) -> None:
        try:
            news = await self._api.poll_jobs(batch, self._marks)
        except AsyncBatchError as error:
            for job_id in batch:
                if job_id in self._followed:
                    self._drop(job_id).fail(error)
        else:
            self._deliver(batch, news)
        finally:
            self._free_calls.release()
            self._wake()

    def _deliver(self, batch: Sequence[str], news: Mapping[str, JobDescription | None]) -> None:
        now = anyio.current_time()
        for job_id in batch:
            job = self._followed.get(job_id)
            if job is None:
                continue
            if job_id not in news:
                self._missing(job, now)
                continue
            known, description = job.description, news[job_id]
            changed = (
                description is not None and job.update(description) and moves_on(known, description)
            )
            not_before = self._sweeper.described(job_id, now)
            self._schedule.seen(job_id, now, changed=changed, not_before=not_before)
            if description is not None and description.status.is_terminal:
                self._drop(job_id)

    def _missing(self, job: Followed, now: float) -> None:
        vanished = self._schedule.missing(job.id, now)
        if vanished is not None:
            self._drop(job.id)
            job.fail(JobVanished(job.id, ever_seen=vanished.ever_seen, grace=vanished.grace))

    def _drop(self, job_id: str) -> Followed:
        self._schedule.remove(job_id)
        self._sweeper.remove(job_id)
        self._marks.pop(job_id, None)
        return self._followed.pop(job_id)
