"""What `asyncbatch top` shows: the queues and the jobs of one queue, listed again and again.

Each state of the queue is listed by itself, 1,000 jobs with a call; of jobs that have ended, only
the first 1,000. All calls of `RATES` together are at most two per second, whatever the number of
jobs: a queue with more of them is shown with more delay.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import anyio

from asyncbatch import Event, JobDescription, JobQueue, JobStatus, RateLimits, RequestRetried
from asyncbatch._aws.api import API
from asyncbatch._cli.errors import message_of
from asyncbatch._values.errors import AsyncBatchError, JobQueueNotFound
from asyncbatch._values.part_ids import child_index

RATES = RateLimits(
    describe_per_second=0.6,
    list_per_second=1.0,
    log_events_per_second=0.2,
    filter_log_events_per_second=0.2,
)
"""At most two reading calls per second; jobs that a person ends or runs again come on top."""

MOST_ROWS = 500
"""Jobs that a table shows; a filter finds the others."""

_PAUSE = 2.0  # seconds between two rounds through the states
_AFTER_ERROR = 10.0  # seconds
_ROUNDS_PER_QUEUES = 10
_PAGE = 1_000
_MOST_LIVE = 20_000
_STATES = (
    *(JobStatus.RUNNING, JobStatus.FAILED, JobStatus.STARTING, JobStatus.RUNNABLE),
    *(JobStatus.PENDING, JobStatus.SUBMITTED, JobStatus.SUCCEEDED),
)
"""All states, in the order in which they are listed: what people look for comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which jobs are shown, and in which order.

    Attributes:
        text: Part of the name or id, in any case; empty for all.
        state: The only state; None for all.
        order: A key of `ORDERS`.
    """

    text: str = ""
    state: JobStatus | None = None
    order: str = "newest"

    def next_state(self) -> "Choice":
        """Return the choice of the next state, after the last one of all."""
        states = (None, *JobStatus)
        return replace(self, state=states[(states.index(self.state) + 1) % len(states)])

    def next_order(self) -> "Choice":
        """Return the choice with the next order."""
        names = list(ORDERS)
        return replace(self, order=names[(names.index(self.order) + 1) % len(names)])


def _created(job: JobDescription) -> float:
    return job.created_at.timestamp() if job.created_at else 0.0


ORDERS: dict[str, Callable[[JobDescription], tuple[object, ...]]] = {
    "newest": lambda job: (-_created(job), job.job_id),
    "oldest": lambda job: (_created(job), job.job_id),
    "name": lambda job: (job.name.casefold(), job.job_id),
    "state": lambda job: (_STATES.index(job.status) if job.status in _STATES else 99, job.job_id),
}
"""Orders of jobs by name."""


def chosen(jobs: Iterable[JobDescription], choice: Choice) -> list[JobDescription]:
    """Return the jobs of a choice, in its order."""
    text = choice.text.casefold()
    found = [
        job
        for job in jobs
        if (choice.state is None or job.status is choice.state)
        and (text in job.name.casefold() or text in job.job_id)
    ]
    key: Callable[[JobDescription], tuple[object, ...]] = ORDERS[choice.order]
    return sorted(found, key=key)


async def children(api: API, array: JobDescription) -> AsyncIterator[list[JobDescription]]:
    """Yield the children of an array, state by state: all that are listed so far.

    Failed children come first; at most `MOST_ROWS` are listed.
    """
    size = array.array.size if array.array and array.array.size else MOST_ROWS
    found: dict[str, JobDescription] = {}
    for state in (JobStatus.FAILED, *(each for each in _STATES if each is not JobStatus.FAILED)):
        listed: list[JobDescription] = []
        async for child in api.list_jobs(array_job_id=array.job_id, status=state):
            listed.append(child)
            if len(found) + len(listed) >= MOST_ROWS:
                break
        listed.sort(key=lambda child: child_index(child.job_id) or 0)
        found |= {child.job_id: child for child in listed}
        yield list(found.values())
        if len(found) >= min(size, MOST_ROWS):
            return


class Board:
    """The queues of the account, and the jobs of one of them.

    Attributes:
        queues: All job queues.
        queue: Name of the queue whose jobs are listed; empty before it is known.
        error: Message of the last call, if it failed; also while it is sent again.
        cut: States with more jobs than are listed.
        rounds: Complete rounds through the states of this queue.
        version: Changes with everything that is shown, but the time.
    """

    def __init__(self, api: API, queue: str | None = None) -> None:
        """List through `api`, whose client has the limits of `RATES`."""
        self._api = api
        self._scope = anyio.CancelScope()
        self._by_state: dict[JobStatus, dict[str, JobDescription]] = {}
        # Jobs that have left a state and are in no other one yet, with the round of that.
        self._leaving: dict[str, tuple[int, JobDescription]] = {}
        self.queues: Sequence[JobQueue] = ()
        self.queue = queue or ""
        self.error = ""
        self.cut: set[JobStatus] = set()
        self.rounds = 0
        self.version = 0

    def jobs(self) -> list[JobDescription]:
        """Return all jobs that are listed now, or have left a state in this round or the last."""
        listed = {job_id: job for jobs in self._by_state.values() for job_id, job in jobs.items()}
        leaving = [job for job_id, (_, job) in self._leaving.items() if job_id not in listed]
        return [*listed.values(), *leaving]

    def counts(self) -> Counter[JobStatus]:
        """Return the number of jobs by state."""
        return Counter({s: len(self._by_state[s]) for s in _STATES if self._by_state.get(s)})

    def select(self, queue: str) -> None:
        """Show the jobs of another queue from now on."""
        if queue != self.queue:
            self.queue = queue
            self._by_state = {}
            self._leaving = {}
            self.cut = set()
            self.rounds = 0
            self.version += 1
            self._scope.cancel()

    def notice(self, event: Event) -> None:
        """Show that a call failed and is sent again, which may take two minutes."""
        if isinstance(event, RequestRetried):
            self._show_error(f"{event.operation} failed ({event.code}); retrying")

    async def run(self) -> None:
        """List queues and jobs, until cancelled."""
        number = 0
        while True:
            with anyio.CancelScope() as self._scope:
                try:
                    if number % _ROUNDS_PER_QUEUES == 0 or not self.queue:
                        await self._list_queues()
                    await self._list_jobs()
                    self._show_error("")
                    number += 1
                    pause = _PAUSE
                except AsyncBatchError as error:
                    self._show_error(message_of(error))
                    pause = _AFTER_ERROR
                    number = 0  # the queue may be deleted, and others be new
                    if isinstance(error, JobQueueNotFound):
                        self._by_state, self._leaving = {}, {}
                await anyio.sleep(pause)  # noqa: TID251 - a screen is drawn again after a while

    def _show_error(self, error: str) -> None:
        self.version += error != self.error
        self.error = error

    async def _list_queues(self) -> None:
        self.queues = sorted(await self._api.job_queues(), key=lambda queue: queue.name)
        if not self.queue:
            usable = [queue.name for queue in self.queues if queue.takes_jobs]
            self.queue = next(iter(usable or [queue.name for queue in self.queues]), "")
        self.version += 1

    async def _list_jobs(self) -> None:
        if not self.queue:
            return
        for state in _STATES:
            most = _PAGE if state.is_terminal else _MOST_LIVE
            listed: dict[str, JobDescription] = {}
            async for job in self._api.list_jobs(queue=self.queue, status=state):
                listed[job.job_id] = job
                if len(listed) >= most:
                    break
            self._replace(state, listed, is_cut=len(listed) >= most)
        self.rounds += 1
        left = [job_id for job_id, (at, _) in self._leaving.items() if at < self.rounds - 1]
        for job_id in left:
            del self._leaving[job_id]
        self.version += bool(left) or self.rounds == 1

    def _replace(
        self, state: JobStatus, listed: dict[str, JobDescription], *, is_cut: bool
    ) -> None:
        """Take the jobs that were listed in a state; they have left any other one."""
        self._show_error("")
        (self.cut.add if is_cut else self.cut.discard)(state)
        previous = self._by_state.get(state, {})
        if previous == listed:
            return
        for job_id in previous.keys() - listed.keys():
            self._leaving[job_id] = (self.rounds, previous[job_id])
        for job_id in self._leaving.keys() & listed.keys():
            del self._leaving[job_id]
        for jobs in self._by_state.values():
            for job_id in jobs.keys() & listed.keys():
                del jobs[job_id]
        self._by_state[state] = listed
        self.version += 1
