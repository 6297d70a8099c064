"""Sweeps: very many jobs of a queue are followed cheaper by listing it than by their ids.

Theory of operation
-------------------
ListJobs gives 1,000 jobs a call, but of one state only, and of everybody. So a queue is swept where
this client has a thousand live jobs in it, and where these make up enough of what is listed: a
sweep must cost clearly less than the DescribeJobs calls that it saves. What a sweep costs is learnt
from the last one; a queue that turned out too expensive is tried again after some minutes.

A sweep lists the live states one after the other. A followed job that is in none of the lists has
ended, or moved from a state that was not listed yet to one that was listed already. Both are rare
per sweep, and both are settled by DescribeJobs, which the schedule then does at once. Jobs that
were listed are known to live, so asking for them by id is put off, but not for ever.

Children of arrays and nodes of multi-node jobs are not listed with their queue.
"""

import logging
import math
import random
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field

import anyio

from asyncbatch._api import API, Mark
from asyncbatch._errors import AsyncBatchError
from asyncbatch._models import JobDescription
from asyncbatch._policy import PollPolicy
from asyncbatch._poller._followed import Followed
from asyncbatch._schedule import BATCH_SIZE, Schedule
from asyncbatch._status import LIVE, JobStatus

logger = logging.getLogger("asyncbatch")

_BEFORE_RUNNING = frozenset(LIVE) - {JobStatus.RUNNING}

_ENOUGH_JOBS = 1_000
_TOO_FEW_JOBS = 600
_WORTH = 0.75
"""Most calls of a sweep, as a share of the DescribeJobs calls that it saves."""

_RETRY_SECONDS = 600.0
"""After how long a queue that was too expensive to list is tried again."""

PUT_OFF_SECONDS = 600.0
"""For how long a job that was listed is not asked for by its id."""

_SETTLING_SECONDS = 10.0
"""A new job may be missing from lists for so long without anything being wrong.

One that was listed before has moved on, and is asked for at once.
"""


@dataclass(slots=True)
class _Queue:
    """Followed jobs of one queue; times are seconds on the loop's clock.

    Attributes:
        jobs: From when on it means something that a job is in none of the lists.
        is_swept: Whether it is followed by lists at present.
        due: When it is swept next.
        changed_at: When a job of it was last seen to change.
    """

    jobs: dict[str, float] = field(default_factory=dict)
    is_swept: bool = False
    due: float = -math.inf
    changed_at: float = -math.inf

    @property
    def next_sweep(self) -> float:
        """When to sweep it next, for ever later if it has too few jobs to begin with."""
        return self.due if self.is_swept or len(self.jobs) >= _ENOUGH_JOBS else math.inf


class Sweeper:
    """Sweeps the queues where that is cheaper, and tells the schedule what it learnt."""

    def __init__(
        self,
        *,
        api: API,
        policy: PollPolicy,
        rng: random.Random,
        schedule: Schedule,
        followed: Mapping[str, Followed],
        wake_poller: Callable[[], None],
    ) -> None:
        """Share schedule and handles with the poller, and wake it when jobs became due."""
        self._api = api
        self._policy = policy
        self._rng = rng
        self._schedule = schedule
        self._followed = followed
        self._wake_poller = wake_poller
        self._queues: dict[str, _Queue] = {}
        self._queue_of: dict[str, str] = {}
        self._marks: MutableMapping[str, Mark] = {}
        self._woken = anyio.Event()

    def add(self, job_id: str, queue: str | None, now: float) -> None:
        """Count a followed job in its queue, if it is one that is listed with it."""
        if queue is None or ":" in job_id or "#" in job_id or job_id in self._queue_of:
            return
        name = queue.rpartition("/")[2]
        entry = self._queues.setdefault(name, _Queue())
        entry.jobs[job_id] = now + _SETTLING_SECONDS
        self._queue_of[job_id] = name
        if len(entry.jobs) == _ENOUGH_JOBS:
            self._woken.set()

    def remove(self, job_id: str) -> None:
        """Forget a job that is followed no longer."""
        self._marks.pop(job_id, None)
        name = self._queue_of.pop(job_id, None)
        if name is not None:
            del self._queues[name].jobs[job_id]

    def put_off(self, job_id: str, now: float) -> float:
        """Return before when a job need not be asked for by its id."""
        name = self._queue_of.get(job_id)
        is_swept = name is not None and self._queues[name].is_swept
        return now + PUT_OFF_SECONDS if is_swept else -math.inf

    async def run(self) -> None:
        """Sweep queues whenever one is due; never returns."""
        while True:
            name, queue = await self._next()
            if not queue.is_swept:
                logger.info("following the jobs of queue %s by listing it", name)
                queue.is_swept, queue.changed_at = True, anyio.current_time()
            try:
                await self._sweep(name, queue)
            except AsyncBatchError as error:
                logger.warning("jobs of queue %s are followed by their ids: %s", name, error)
                self._give_up(queue, math.inf)

    async def _next(self) -> tuple[str, _Queue]:
        """Wait until a queue is due to be swept, and return it."""
        while True:
            due, name = min(
                ((queue.next_sweep, name) for name, queue in self._queues.items()),
                default=(math.inf, ""),
            )
            now = anyio.current_time()
            if due <= now:
                return name, self._queues[name]
            self._woken = anyio.Event()
            with anyio.move_on_after(None if math.isinf(due) else due - now):
                await self._woken.wait()

    async def _sweep(self, name: str, queue: _Queue) -> None:
        """List a queue once, and have those asked for that are not in it."""
        unseen = dict(queue.jobs)
        for job_id in unseen:
            self._marks.setdefault(job_id, ())
        calls = 0
        for status in LIVE:
            async for page in self._api.poll_queue(name, status, self._marks):
                calls += 1
                queue.changed_at = max(queue.changed_at, self._listed(page, unseen, queue))
        now = anyio.current_time()
        self._ask_for(unseen, now)
        queue.due = now + self._policy.interval(now - queue.changed_at, self._rng)
        if len(queue.jobs) < _TOO_FEW_JOBS:
            self._give_up(queue, now)
        elif calls > max(_WORTH * len(queue.jobs) / BATCH_SIZE, len(LIVE)):
            self._give_up(queue, now + _RETRY_SECONDS)

    def _listed(
        self, page: Mapping[str, JobDescription | None], unseen: dict[str, float], queue: _Queue
    ) -> float:
        """Take a page of live jobs; return when one of ours was last seen to change."""
        now = anyio.current_time()
        changed_at = -math.inf
        for job_id, summary in page.items():
            unseen.pop(job_id, None)
            # A job that moves on while the queue is listed is in two lists: both are news.
            job = self._followed.get(job_id)
            if job is None:
                continue
            if job_id in queue.jobs:
                queue.jobs[job_id] = now
            if summary is not None:
                changed_at = now
                job.glimpse(summary)
            if summary is not None and job.wants_details and summary.status not in _BEFORE_RUNNING:
                # Lists do not tell the log stream, for one.
                self._schedule.hurry(job_id, now)
            elif self._schedule.is_due_before(job_id, now + PUT_OFF_SECONDS / 2):
                self._schedule.postpone(job_id, now + PUT_OFF_SECONDS)
        return changed_at

    def _ask_for(self, gone: Mapping[str, float], now: float) -> None:
        """Have jobs asked for by their ids that no list had."""
        for job_id, missed_from in gone.items():
            if now >= missed_from:
                self._schedule.hurry(job_id, now)
        self._wake_poller()

    def _give_up(self, queue: _Queue, until: float) -> None:
        """Go back to asking by ids, until some time at least."""
        queue.is_swept, queue.due = False, until
        now = anyio.current_time()
        for job_id in queue.jobs:
            self._schedule.hurry(job_id, now, changed=False)
        self._wake_poller()
