"""Sweeps: many jobs of one queue are followed with fewer calls by listing it than by their ids.

Theory of operation
-------------------
A sweep lists those states of a queue that hold many followed jobs (`queues` chooses them), one
after the other. A followed job that should be in one of the lists and is in none has ended, or has
moved on to a state that was listed already or is not listed. DescribeJobs settles all of these
cases, so the schedule makes such jobs due at once. A job that was listed is known to be alive, so
its next DescribeJobs is put off, for ten minutes at most. A job that may be in the next list, such
as a new one, is not polled by id before that list.

How often a queue is swept follows the same rule as for one job (`PollPolicy.interval`), applied to
the time since half of its jobs last changed.

Lists and descriptions may disagree for some seconds, in both directions. So no job is ever dropped
because of a list: a list only decides when the job is described.

Children of arrays and nodes of multi-node jobs are not listed with their queue.
"""

import contextlib
import logging
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import anyio

from asyncbatch._aws.api import API
from asyncbatch._aws.wire.responses import SummaryMark
from asyncbatch._polling.followed import CHANGED, FollowedJob
from asyncbatch._polling.queues import Queue
from asyncbatch._polling.schedule import Schedule
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError
from asyncbatch._values.policies import PollPolicy
from asyncbatch._values.status import LIVE, JobStatus

logger = logging.getLogger("asyncbatch")

_BEFORE_RUNNING = frozenset(LIVE) - {JobStatus.RUNNING}

LISTED_SECONDS = 600.0
"""How long a job that was listed is not described by its id."""

_VISIBILITY_SECONDS = 10.0
"""How long lists may lack a new job without meaning: ListJobs lags behind SubmitJob.

A job that was listed or described before and is missing has moved on, and is described at once.
"""

_INTERVALS_UNTIL_LISTED = 2.0
"""For how many of the shortest polling intervals a job waits for the next list to report it."""

_PAGE_SECONDS = 60.0
"""How long one page may take: DescribeJobs may well respond while ListJobs does not."""

_FALLBACK_SECONDS = 600.0
"""How long the jobs of a queue are then followed by their ids."""

_SAMPLE = 100
"""Jobs of a queue that are examined for the time since half of them changed."""


class Sweeper:
    """Lists queues where that takes fewer calls, and adjusts the schedule to what it learns."""

    def __init__(
        self,
        *,
        api: API,
        policy: PollPolicy,
        rng: random.Random,
        schedule: Schedule,
        followed: Mapping[str, FollowedJob],
        wake_poller: Callable[[], None],
    ) -> None:
        """Share schedule and followed jobs with the poller; wake it when jobs became due."""
        self._api = api
        self._policy = policy
        self._rng = rng
        self._schedule = schedule
        self._followed = followed
        self._wake_poller = wake_poller
        self._queues: dict[str, Queue] = {}
        self._woken = anyio.Event()

    # -- what the poller reports ------------------------------------------------------------------

    def add(self, followed: FollowedJob, queue: str | None, now: float) -> None:
        """Count a followed job in its queue, if it is listed with one."""
        job = followed.job
        if queue is None or followed.queue is not None or ":" in job.id or "#" in job.id:
            return
        name = queue.rpartition("/")[2]
        entry = self._queues.setdefault(name, Queue())
        had_enough = entry.has_enough
        is_described = job.description is not None
        followed.expected_from = now if is_described else now + _VISIBILITY_SECONDS
        followed.queue = name
        entry.jobs[job.id] = followed
        if entry.has_enough and not had_enough:
            self._woken.set()

    def remove(self, followed: FollowedJob) -> None:
        """Remove a job that is no longer followed."""
        if followed.queue is not None:
            del self._queues[followed.queue].jobs[followed.job.id]

    def next_list_reports(self, followed: FollowedJob, now: float) -> float:
        """Return the time until which lists report changes of a job, so it need not be described.

        Minus infinity where no list does.
        """
        if followed.queue is None:
            return -math.inf
        queue = self._queues[followed.queue]
        if followed.state in queue.states:
            return now + LISTED_SECONDS
        soon = now + min(
            _INTERVALS_UNTIL_LISTED * self._policy.min_interval, self._policy.max_interval
        )
        return soon if queue.may_list(followed.state, before=soon) else -math.inf

    def note_described(self, followed: FollowedJob, now: float) -> float:
        """Note that a job was described; return the time before which it need not be again."""
        description = followed.job.description
        if description is not None:
            self.add(followed, description.queue, now)
            if description.status not in _BEFORE_RUNNING:
                followed.needs_details = False
        # List and description may have crossed: the next list is compared with what is known now,
        # and a list that is in progress reports no change of this job.
        followed.listed = None
        followed.expected_from = now
        return self.next_list_reports(followed, now)

    # -- sweeping ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Sweep queues whenever one is due; never returns."""
        while True:
            name, queue = await self._next_due()
            try:
                await self._sweep(name, queue)
            except TimeoutError:
                logger.warning("ListJobs timed out; following jobs of queue %s by id", name)
                self._stop_listing(queue, anyio.current_time() + _FALLBACK_SECONDS)
            except AsyncBatchError as error:
                logger.warning("ListJobs failed; following jobs of queue %s by id: %s", name, error)
                self._stop_listing(queue, math.inf)
            except Exception:  # a bug: without lists, jobs are followed as well
                logger.exception("listing queue %s failed; please report this", name)
                self._stop_listing(queue, math.inf)

    async def _next_due(self) -> tuple[str, Queue]:
        """Wait until a queue is due to be swept, and return it."""
        while True:
            due, name = min(
                ((queue.next_sweep_at, name) for name, queue in self._queues.items()),
                default=(math.inf, ""),
            )
            now = anyio.current_time()
            if due <= now:
                return name, self._queues[name]
            self._woken = anyio.Event()
            with anyio.move_on_after(None if math.isinf(due) else due - now):
                await self._woken.wait()

    async def _sweep(self, name: str, queue: Queue) -> None:
        """List a queue once where that is worth it, and make due the jobs that it lacks."""
        began = anyio.current_time()
        was_listed = bool(queue.states)
        dropped = queue.choose(Counter(job.state for job in queue.jobs.values()), began)
        if queue.states and not was_listed:
            logger.info("listing queue %s to follow its jobs", name)
        self._describe_states(dropped, queue)
        if queue.states:
            await self._list_states(name, queue)
        now = anyio.current_time()
        interval = self._policy.interval(self._typical_age(queue, now), self._rng)
        # Measured from the beginning of this sweep, unless a slow one would leave no pause.
        queue.due = max(began + interval, now + interval / 2)

    async def _list_states(self, name: str, queue: Queue) -> None:
        """List the chosen states, and make due the jobs that should be there and are not."""
        unseen = {
            job_id: followed
            for job_id, followed in queue.jobs.items()
            if followed.state in queue.states
        }
        for followed in queue.jobs.values():
            # What was described since the last list is no change when the list shows the same.
            if followed.listed is None:
                mark = followed.described
                followed.listed = CHANGED if mark is None else mark.as_listed()
        for state in LIVE:
            if state in queue.states:
                await self._list_state(name, queue, state, unseen)
        self._describe_missing(unseen.values(), anyio.current_time())

    async def _list_state(
        self, name: str, queue: Queue, state: JobStatus, unseen: dict[str, FollowedJob]
    ) -> None:
        """List a state; a list that turns out to be too expensive is not read to its end.

        Jobs on the pages that were not read are then described, as if the list lacked them.
        """
        calls = 0
        async with contextlib.aclosing(
            self._api.poll_queue(name, state, self._has_listing_changed)
        ) as pages:
            while calls <= queue.max_calls:
                with anyio.fail_after(_PAGE_SECONDS):
                    page = await anext(pages, None)
                if page is None:
                    break
                calls += 1
                self._take_page(page, unseen, queue, state)
        queue.note_cost(state, calls, anyio.current_time())

    def _has_listing_changed(self, job_id: str, mark: SummaryMark) -> bool:
        followed = self._followed.get(job_id)
        return followed is not None and followed.has_listing_changed(mark)

    def _take_page(
        self,
        page: Mapping[str, JobDescription | None],
        unseen: dict[str, FollowedJob],
        queue: Queue,
        state: JobStatus,
    ) -> None:
        """Take a page of jobs in a state."""
        now = anyio.current_time()
        for job_id, summary in page.items():
            unseen.pop(job_id, None)
            followed = queue.jobs.get(job_id)
            if followed is None:
                continue
            followed.expected_from = now
            # AWS may list a job that has moved on already. Only a description has its exit code.
            is_current = summary is None or summary.status is state
            # A job that moves on while the queue is listed is in two lists: both report a change.
            if summary is not None and is_current and self._update(followed, summary):
                self._note_change(followed, now)
            if not is_current or followed.state is not state or followed.needs_details:
                # What is known of it is older than the list, or less than a waiter needs.
                self._schedule.make_due(job_id, now, changed=False)
            else:
                self._schedule.postpone_after_poll(job_id, LISTED_SECONDS)

    def _update(self, followed: FollowedJob, summary: JobDescription) -> bool:
        try:
            return followed.job.update_from_list(summary)
        except Exception:  # a bug of ours in the handling of one job: the other jobs go on
            logger.exception("handling job %s failed; please report this", followed.job.id)
            return False

    def _note_change(self, followed: FollowedJob, now: float) -> None:
        """Note that a list reported a change of a job."""
        self._schedule.note_change(followed.job.id, now)
        # The next description counts as a change, even if it equals the one before the list.
        followed.described = None
        if followed.job.wants_details and followed.state not in _BEFORE_RUNNING:
            followed.needs_details = True  # lists have no log streams, for example

    def _describe_missing(self, missing: Iterable[FollowedJob], now: float) -> None:
        """Make jobs due that no list had."""
        for followed in missing:
            if now >= followed.expected_from:
                self._schedule.make_due(followed.job.id, now)
        self._wake_poller()

    def _describe_states(self, states: frozenset[JobStatus], queue: Queue) -> None:
        """Go back to describing the jobs in some states by their ids."""
        if not states:
            return
        now = anyio.current_time()
        for job_id, followed in queue.jobs.items():
            if followed.state in states:
                self._schedule.make_due(job_id, now, changed=False)
        self._wake_poller()

    def _stop_listing(self, queue: Queue, until: float) -> None:
        """Go back to describing all jobs by id, at least until some time."""
        dropped, queue.states, queue.due = queue.states, frozenset(), until
        self._describe_states(dropped, queue)

    def _typical_age(self, queue: Queue, now: float) -> float:
        """Return the time in seconds for which half of the jobs have not changed."""
        sample = self._rng.sample(list(queue.jobs), min(_SAMPLE, len(queue.jobs)))
        ages = sorted(self._schedule.age(job_id, now) for job_id in sample)
        return ages[len(ages) // 2] if ages else 0.0
