"""Sweeps: many jobs of a queue are followed cheaper by listing it than by their ids.

Theory of operation
-------------------
A sweep lists those states of a queue in which many followed jobs are (`_queues` chooses them), one
after the other. A followed job that should be in one of the lists and is in none has ended, or
moved on to a state that was listed already or is not listed. All of that is settled by
DescribeJobs, which the schedule then does at once. Jobs that were listed are known to live, so
asking for them by id is put off, but not for ever. Asking for those that may be in the next list,
such as new ones, is put off until that list had its say.

How often a queue is swept depends on its jobs as `PollPolicy` has it for one job: on the time since
half of them last changed.

Children of arrays and nodes of multi-node jobs are not listed with their queue.
"""

import contextlib
import logging
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, MutableMapping

import anyio

from asyncbatch._aws.api import API, Mark, listed_mark
from asyncbatch._polling.followed import Followed
from asyncbatch._polling.queues import Queue
from asyncbatch._polling.schedule import Schedule
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError
from asyncbatch._values.policies import PollPolicy
from asyncbatch._values.status import LIVE, JobStatus

logger = logging.getLogger("asyncbatch")

_BEFORE_RUNNING = frozenset(LIVE) - {JobStatus.RUNNING}

PUT_OFF_SECONDS = 600.0
"""For how long a job that was listed is not asked for by its id."""

_SETTLING_SECONDS = 10.0
"""A new job may be missing from lists for so long without anything being wrong.

One that was listed or described before has moved on, and is asked for at once.
"""

_LOOKS_LATER = 2.0
"""After how many of the shortest intervals a job is asked for that may come into a list sooner."""

_PATIENCE_SECONDS = 60.0
"""How long a page is waited for: DescribeJobs may well answer while ListJobs does not."""

_GIVEN_UP_SECONDS = 600.0
"""For how long jobs are followed by their ids after that."""

_SAMPLE = 100
"""Jobs of a queue that are looked at to tell how long ago half of them changed."""


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
        described: MutableMapping[str, Mark],
        wake_poller: Callable[[], None],
    ) -> None:
        """Share schedule, handles and marks with the poller; wake it when jobs became due."""
        self._api = api
        self._policy = policy
        self._rng = rng
        self._schedule = schedule
        self._followed = followed
        self._described = described
        self._wake_poller = wake_poller
        self._queues: dict[str, Queue] = {}
        self._queue_of: dict[str, str] = {}
        self._marks: MutableMapping[str, Mark] = {}
        self._owed: set[str] = set()  # jobs that are to be described, whatever lists say
        self._woken = anyio.Event()

    def add(self, job_id: str, queue: str | None, now: float) -> None:
        """Count a followed job in its queue, if it is one that is listed with it."""
        if queue is None or ":" in job_id or "#" in job_id or job_id in self._queue_of:
            return
        name = queue.rpartition("/")[2]
        entry = self._queues.setdefault(name, Queue())
        had_enough = entry.has_enough
        is_described = self._followed[job_id].description is not None
        entry.jobs[job_id] = now if is_described else now + _SETTLING_SECONDS
        self._queue_of[job_id] = name
        if entry.has_enough and not had_enough:
            self._woken.set()

    def remove(self, job_id: str) -> None:
        """Forget a job that is followed no longer."""
        self._marks.pop(job_id, None)
        self._owed.discard(job_id)
        name = self._queue_of.pop(job_id, None)
        if name is not None:
            del self._queues[name].jobs[job_id]

    def put_off(self, job_id: str, now: float) -> float:
        """Return before when a job need not be asked for by its id."""
        name = self._queue_of.get(job_id)
        state = self._state(job_id)
        if name is None or state is None:
            return -math.inf
        queue = self._queues[name]
        if state in queue.states:
            return now + PUT_OFF_SECONDS
        soon = now + min(_LOOKS_LATER * self._policy.min_interval, self._policy.max_interval)
        return soon if queue.may_list(state, before=soon) else -math.inf

    def described(self, job_id: str, now: float) -> float:
        """Note that a job was described; return before when it need not be again."""
        description = self._followed[job_id].description
        if description is not None:
            self.add(job_id, description.queue, now)
            if description.status not in _BEFORE_RUNNING:
                self._owed.discard(job_id)
        # List and description may have crossed: the next list is compared with what is known now,
        # and one that is under way tells no news of this job.
        self._marks.pop(job_id, None)
        name = self._queue_of.get(job_id)
        if name is not None:
            self._queues[name].jobs[job_id] = now
        return self.put_off(job_id, now)

    async def run(self) -> None:
        """Sweep queues whenever one is due; never returns."""
        while True:
            name, queue = await self._next()
            try:
                await self._sweep(name, queue)
            except TimeoutError:
                logger.warning("ListJobs does not answer: following queue %s by job ids", name)
                self._give_up(queue, anyio.current_time() + _GIVEN_UP_SECONDS)
            except AsyncBatchError as error:
                logger.warning("jobs of queue %s are followed by their ids: %s", name, error)
                self._give_up(queue, math.inf)

    def _give_up(self, queue: Queue, until: float) -> None:
        """Go back to asking by ids, until some time at least."""
        dropped, queue.states, queue.due = queue.states, frozenset(), until
        self._ask_for_all_in(dropped, queue)

    async def _next(self) -> tuple[str, Queue]:
        """Wait until a queue is due to be swept, and return it."""
        while True:
            due, name = min(
                ((queue.next_look, name) for name, queue in self._queues.items()),
                default=(math.inf, ""),
            )
            now = anyio.current_time()
            if due <= now:
                return name, self._queues[name]
            self._woken = anyio.Event()
            with anyio.move_on_after(None if math.isinf(due) else due - now):
                await self._woken.wait()

    async def _sweep(self, name: str, queue: Queue) -> None:
        """List a queue once where that is worth it, and have those asked for that it lacks."""
        began = anyio.current_time()
        was_listed = bool(queue.states)
        dropped = queue.choose(Counter(map(self._state, queue.jobs)), began)
        if queue.states and not was_listed:
            logger.info("following jobs of queue %s by listing it", name)
        self._ask_for_all_in(dropped, queue)
        if queue.states:
            await self._list_all(name, queue)
        now = anyio.current_time()
        interval = self._policy.interval(self._typical_age(queue, now), self._rng)
        # From beginning to beginning, unless that would leave no time for anything else.
        queue.due = max(began + interval, now + interval / 2)

    async def _list_all(self, name: str, queue: Queue) -> None:
        """List the states that were chosen, and have jobs asked for that should be there."""
        unseen = {i: since for i, since in queue.jobs.items() if self._state(i) in queue.states}
        self._expect(queue.jobs)
        for state in LIVE:
            if state in queue.states:
                await self._list(name, queue, state, unseen)
        self._ask_for(unseen, anyio.current_time())

    def _expect(self, jobs: Iterable[str]) -> None:
        """Mark the jobs that were not listed yet as they were described, so that it is no news."""
        for job_id in jobs:
            if job_id not in self._marks:
                mark = self._described.get(job_id)
                self._marks[job_id] = () if mark is None else listed_mark(mark)

    async def _list(
        self, name: str, queue: Queue, state: JobStatus, unseen: dict[str, float]
    ) -> None:
        """List a state; a list that turns out to be too expensive is left off.

        Jobs that it would have had further on are asked for by their ids, as if it lacked them.
        """
        calls = 0
        async with contextlib.aclosing(self._api.poll_queue(name, state, self._marks)) as pages:
            while calls <= queue.most_calls:
                with anyio.fail_after(_PATIENCE_SECONDS):
                    page = await anext(pages, None)
                if page is None:
                    break
                calls += 1
                self._listed(page, unseen, queue, state)
        queue.note_cost(state, calls, anyio.current_time())

    def _listed(
        self,
        page: Mapping[str, JobDescription | None],
        unseen: dict[str, float],
        queue: Queue,
        state: JobStatus,
    ) -> None:
        """Take a page of jobs in a state."""
        now = anyio.current_time()
        for job_id, summary in page.items():
            unseen.pop(job_id, None)
            job = self._followed.get(job_id)
            if job is None or job_id not in queue.jobs:
                continue
            queue.jobs[job_id] = now
            # A job that moves on while the queue is listed is in two lists: both are news.
            if summary is not None and job.glimpse(summary):
                self._take_news(job, now)
            if self._state(job_id) is not state or job_id in self._owed:
                # What is known of it is older than the list, or less than somebody waits for.
                self._schedule.hurry(job_id, now, changed=False)
            else:
                self._schedule.put_off(job_id, PUT_OFF_SECONDS)

    def _take_news(self, job: Followed, now: float) -> None:
        """Note that a list told news of a job."""
        self._schedule.note_change(job.id, now)
        # The next description is news, even if it is the one of before.
        self._described.pop(job.id, None)
        if job.wants_details and self._state(job.id) not in _BEFORE_RUNNING:
            self._owed.add(job.id)  # lists do not tell the log stream, for one

    def _ask_for(self, gone: Mapping[str, float], now: float) -> None:
        """Have jobs asked for by their ids that no list had."""
        for job_id, missed_from in gone.items():
            if now >= missed_from:
                self._schedule.hurry(job_id, now)
        self._wake_poller()

    def _ask_for_all_in(self, states: frozenset[JobStatus], queue: Queue) -> None:
        """Go back to asking for the jobs of some states by their ids."""
        if not states:
            return
        now = anyio.current_time()
        for job_id in queue.jobs:
            if self._state(job_id) in states:
                self._schedule.hurry(job_id, now, changed=False)
        self._wake_poller()

    def _state(self, job_id: str) -> JobStatus | None:
        """Return the state of a job, as far as is known; None for one that has ended meanwhile."""
        job = self._followed.get(job_id)
        if job is None:
            return None
        return JobStatus.SUBMITTED if job.description is None else job.description.status

    def _typical_age(self, queue: Queue, now: float) -> float:
        """Return for how many seconds half of the jobs have not changed."""
        sample = self._rng.sample(list(queue.jobs), min(_SAMPLE, len(queue.jobs)))
        ages = sorted(self._schedule.age(job_id, now) for job_id in sample)
        return ages[len(ages) // 2] if ages else 0.0
