"""Polling jobs by their ids: runs `schedule` with the clock, and delivers what AWS returns.

A few calls may be in progress at once, so that one slow response does not hold up the others. The
ids of a call are chosen when the rate limit allows the call, not before: by then other jobs may be
due, or awaited.
"""

import functools
import logging
import math
import random
from collections.abc import Callable, Sequence

import anyio

from asyncbatch._aws.api import API, Polled
from asyncbatch._aws.retrying import is_unreadable
from asyncbatch._aws.wire.responses import JobMark
from asyncbatch._polling.changes import is_progress
from asyncbatch._polling.followed import FollowedJob, Pollable
from asyncbatch._polling.schedule import Schedule
from asyncbatch._polling.sweep import Sweeper
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import APIError, AsyncBatchError, InternalError, JobVanished
from asyncbatch._values.policies import PollPolicy

logger = logging.getLogger("asyncbatch")

_CONCURRENT_CALLS = 4


OnFollow = Callable[[str, JobDescription | None, str | None], None]
"""Called with the id, the description and the queue of a job, as far as these are known."""


class Poller:
    """Follows jobs until they end, vanish, or cannot be described."""

    def __init__(
        self,
        api: API,
        policy: PollPolicy,
        rng: random.Random,
        on_follow: OnFollow = lambda *_: None,
    ) -> None:
        """Start with no jobs; `on_follow` is called for each job that is followed from then on."""
        self._on_follow = on_follow
        self._api = api
        self._policy = policy
        self._rng = rng
        self._schedule = Schedule(policy, rng)
        self._followed: dict[str, FollowedJob] = {}
        self._sweeper = Sweeper(
            api=api,
            policy=policy,
            rng=rng,
            schedule=self._schedule,
            followed=self._followed,
            wake_poller=self._wake,
        )
        self._woken = anyio.Event()
        self._waiting_until = -math.inf
        self._free_calls = anyio.Semaphore(_CONCURRENT_CALLS, fast_acquire=True)

    def __len__(self) -> int:
        """Return how many jobs are followed."""
        return len(self._followed)

    def followed_ids(self) -> list[str]:
        """Return the ids of the followed jobs: those whose end is not known."""
        return list(self._followed)

    def follow(
        self,
        job: Pollable,
        *,
        is_new: bool = False,
        is_known: bool = True,
        queue: str | None = None,
        ran_before: float = 0.0,
    ) -> None:
        """Follow a job until it ends; one that is followed already stays as it is.

        Args:
            job: The job.
            is_new: Whether it was submitted just now, so that polling it at once is useless.
            is_known: Whether there is reason to believe that AWS knows it.
            queue: Name or ARN of its queue, where its description does not have it yet.
            ran_before: Of a new job, how many seconds its previous submission ran: it is first
                polled after the interval of a job that has run for as long.
        """
        if job.id in self._followed:
            return
        now = anyio.current_time()
        followed = self._followed[job.id] = FollowedJob(job)
        first = self._policy.interval(ran_before, self._rng) if ran_before else None
        self._schedule.add(
            job.id,
            now,
            delay=(first or self._policy.min_interval) if is_new else 0.0,
            grace=self._policy.missing_grace if is_known else self._policy.unknown_grace,
        )
        if queue is None and job.description is not None:
            queue = job.description.queue
        self._on_follow(job.id, job.description, queue)
        self._sweeper.add(followed, queue, now)
        self._schedule.postpone(job.id, self._sweeper.next_list_reports(followed, now))
        self.note_waiters(job)
        self._wake()

    def note_waiters(self, job: Pollable) -> None:
        """Note whether a job is awaited right now: awaited jobs are polled first."""
        self._schedule.set_awaited(job.id, awaited=job.is_awaited)

    def poll_soon(self, job_id: str) -> None:
        """Poll a job as soon as possible, because it is about to change."""
        self._schedule.make_due(job_id, anyio.current_time())
        self._wake()

    def fail_all(self, error: AsyncBatchError) -> None:
        """Stop following all jobs, for one reason."""
        for job_id in list(self._followed):
            self._remove(job_id).fail(error)

    async def run(self) -> None:
        """Poll jobs whenever some are due; never returns."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._sweeper.run)
            while True:
                await self._wait_until_due()
                await self._free_calls.acquire()
                is_chosen = anyio.Event()
                group.start_soon(self._poll, is_chosen)
                # Until then the same jobs are due, and would start another call.
                await is_chosen.wait()

    async def _poll(self, is_chosen: anyio.Event) -> None:
        """Describe the jobs that are due when the call may be sent; set `is_chosen` then."""
        batch: list[str] = []

        def choose() -> Sequence[str]:
            batch.extend(self._schedule.take(anyio.current_time()))
            is_chosen.set()
            return batch

        try:
            await self._describe(choose, batch)
        finally:
            self._free_calls.release()
            self._wake()

    async def _describe(self, choose: Callable[[], Sequence[str]], batch: Sequence[str]) -> None:
        """Describe the chosen jobs, and deliver what comes; one bad id fails only its own job.

        Args:
            choose: Returns the ids.
            batch: The ids, as soon as they are chosen.
        """
        try:
            polled = await self._api.poll_jobs(choose, self._has_changed)
        except Exception as error:
            if not batch:  # a bug that is about no job
                raise
            if len(batch) == 1 and is_unreadable(error):
                logger.warning("%s; job %s is polled again", error, batch[0])
                self._schedule.note_unread(batch[0], anyio.current_time())
                return
            is_own = not isinstance(error, AsyncBatchError)
            may_be_about_one = is_own or is_unreadable(error) or type(error) is APIError
            if len(batch) == 1 or not may_be_about_one:
                self._fail(batch, error)
                return
            # AWS refuses a call for one malformed id in it, and does not say which; one odd job can
            # make the response for many unreadable; or a bug of ours is about one job in it.
            middle = len(batch) // 2
            for half in (batch[:middle], batch[middle:]):
                await self._describe(functools.partial(list, half), half)
        else:
            self._deliver(batch, polled)

    def _fail(self, batch: Sequence[str], error: Exception) -> None:
        for job_id in batch:
            if job_id in self._followed:
                self._remove(job_id).fail(_reported(job_id, error))

    def _wake(self) -> None:
        """Make `run` check the schedule, unless nothing is due before it wakes up anyway."""
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

    def _has_changed(self, job_id: str, mark: JobMark) -> bool:
        followed = self._followed.get(job_id)
        if followed is None:
            return True
        if followed.described == mark:
            return False
        followed.described = mark
        return True

    def _deliver(self, batch: Sequence[str], polled: Polled) -> None:
        now = anyio.current_time()
        for job_id in batch:
            followed = self._followed.get(job_id)
            if followed is None:
                continue
            try:
                if job_id in polled.jobs:
                    self._take(followed, polled.jobs[job_id], now)
                elif polled.is_complete:
                    self._note_missing(followed.job, now)
                else:
                    self._schedule.note_unread(job_id, now)
            except Exception as error:  # noqa: BLE001 - a bug is logged; the other jobs go on
                self._fail([job_id], error)

    def _take(self, followed: FollowedJob, description: JobDescription | None, now: float) -> None:
        """Take the description of a job; None where it did not change."""
        previous = followed.job.description
        changed = (
            description is not None
            and followed.job.update(description)
            and is_progress(previous, description)
        )
        not_before = self._sweeper.note_described(followed, now)
        self._schedule.note_seen(followed.job.id, now, changed=changed, not_before=not_before)
        if description is not None and description.status.is_terminal:
            self._remove(followed.job.id)

    def _note_missing(self, job: Pollable, now: float) -> None:
        vanished = self._schedule.note_missing(job.id, now)
        if vanished is not None:
            self._remove(job.id)
            job.fail(JobVanished(job.id, ever_seen=vanished.ever_seen, grace=vanished.grace))

    def _remove(self, job_id: str) -> Pollable:
        self._schedule.remove(job_id)
        followed = self._followed.pop(job_id)
        self._sweeper.remove(followed)
        return followed.job


def _reported(job_id: str, error: Exception) -> AsyncBatchError:
    """Return the error for the waiters of a job; one that is a bug is logged."""
    if isinstance(error, AsyncBatchError):
        return error
    logger.error("handling job %s failed; please report this", job_id, exc_info=error)
    return InternalError(job_id, error)
