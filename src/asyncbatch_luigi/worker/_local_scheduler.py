"""Luigi's local scheduler for many tasks, which ranks them once for many requests.

Theory of operation
-------------------
Luigi's `get_work` prunes, sorts and counts all tasks to hand out one of them, which takes a tenth
of a second with 10,000 tasks. Here tasks are ranked once for many requests, and each request
continues where the last one stopped. If a task was added since, or passed over because it was not
ready, they are ranked again after 0.25 seconds, and later if ranking takes more than a tenth of
that. A task that becomes ready in the meantime is handed out that much later.

The workers as which one process registers (see `_scheduler_proxy`) have a ranking each. Everything
unusual is left to Luigi's code: other processes, assistants, batches, a paused scheduler, and the
final response that there is nothing left to do.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from luigi.task_status import PENDING, RUNNING

from asyncbatch_luigi.worker._luigi_private import LuigiScheduler

_RANKING_SECONDS = 0.25
_PRUNING_SECONDS = 1.0
# With so many tasks that ranking or pruning takes long, it is repeated after this many times as
# long, so that it takes at most this share of the time. Pruning matters after minutes only, when
# Luigi retries a task.
_RANKING_PAUSE_FACTOR = 10.0
_PRUNING_PAUSE_FACTOR = 50.0

Resources = Mapping[str, int]


class LocalScheduler(LuigiScheduler):
    """Luigi's local scheduler, for one process with thousands of tasks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without tasks.

        Args:
            clock: Returns the time in seconds.
        """
        super().__init__()
        self._clock = clock
        self._prune_at = clock() + _PRUNING_SECONDS
        self._rankings: dict[str, _Ranking] = {}
        self._with_batches: set[str] = set()

    def get_work(
        self,
        *,
        worker: str,
        current_tasks: list[str] | None = None,
        **values: Any,  # noqa: ANN401 - further arguments of Luigi's workers
    ) -> dict[str, Any]:
        """Return the same response as Luigi's scheduler, in less time.

        Args:
            worker: Id of the worker that requests work.
            current_tasks: Ids of the tasks that it is running.
            **values: Its host, and whether it is an assistant.
        """
        if self._is_plain(worker) and not values.get("assistant"):
            self.note_request(worker, values.get("host"))
            task = self._next_task(worker)
            if task is not None or current_tasks:
                return self.response(worker, task, self._rankings[worker].unfinished)
        return self.get_work_as_luigi(worker=worker, current_tasks=current_tasks, **values)

    def _is_plain(self, worker: str) -> bool:
        return (
            worker not in self._with_batches
            and not self.is_paused()["paused"]
            and self.has_one_plain_worker(worker)
        )

    def add_task_batcher(self, *, worker: str, **values: Any) -> None:  # noqa: ANN401 - as above
        """Declare how tasks of a family are combined; from now on, Luigi's code hands them out."""
        self._with_batches.add(worker)
        super().add_task_batcher(worker=worker, **values)

    def add_task(self, *, status: str = PENDING, **values: Any) -> None:  # noqa: ANN401 - as above
        """Add a task, or change its status."""
        super().add_task(status=status, **values)
        if status == PENDING:
            self._note_new_task()

    def _note_new_task(self) -> None:
        for ranking in self._rankings.values():
            ranking.has_all_tasks = False

    def _next_task(self, worker: str) -> Any:  # noqa: ANN401 - Luigi's, or None
        now = self._clock()
        if now >= self._prune_at:
            self.prune()
            self._note_new_task()  # pruning makes tasks PENDING that Luigi retries
            self._prune_at = self._next(now, _PRUNING_SECONDS, _PRUNING_PAUSE_FACTOR)
        ranking = self._rankings.get(worker)
        task = None
        if ranking is not None and (ranking.has_all_tasks or now < ranking.expires_at):
            task = ranking.next_task()
        if task is None:
            ranking = self._rankings[worker] = _Ranking(self, worker)
            task = ranking.next_task()
            ranking.expires_at = self._next(now, _RANKING_SECONDS, _RANKING_PAUSE_FACTOR)
        if task is not None and task.resources:
            self._rankings = {worker: self._rankings[worker]}  # others do not know of this use
        return task

    def _next(self, started: float, interval: float, pause_factor: float) -> float:
        """Return when to repeat what was started then and has ended now."""
        now = self._clock()
        return now + max(interval, pause_factor * (now - started))


class _Ranking:
    """Tasks in the order of their rank, up to where they are handed out.

    Like Luigi's scheduler, it reserves resources: a ready task that waits for a resource in use, or
    for its worker, keeps tasks behind it from taking what it needs, as long as a worker that could
    run it has processes left.

    Attributes:
        expires_at: When the tasks are ranked again, on the scheduler's clock, unless
            `has_all_tasks`.
        has_all_tasks: Whether all tasks that may become ready are still ahead: none was added since
            then, and none was passed over.
        unfinished: How many tasks of the worker were PENDING then.
    """

    def __init__(self, scheduler: LuigiScheduler, worker: str) -> None:
        """Start at the first task.

        Args:
            scheduler: Ranks tasks, and decides which are ready and whether resources suffice.
            worker: The worker to which tasks are handed out.
        """
        self.expires_at = 0.0
        self.has_all_tasks = True
        tasks = scheduler.ranked(worker)
        self.unfinished = sum(task.status == PENDING and worker in task.workers for task in tasks)
        self._scheduler = scheduler
        self._worker = worker
        self._tasks: Iterator[Any] = iter(tasks)
        self._free_processes = scheduler.process_limits()
        self._reserved: defaultdict[str, int] = defaultdict(int)
        self._used: defaultdict[str, int] = defaultdict(int)
        for task in tasks:
            if task.status == RUNNING:
                _add(_resources_in_use(task), self._used)

    def next_task(self) -> Any:  # noqa: ANN401 - Luigi's, or None
        """Return the next task that can run now; None if there are no more."""
        for task in self._tasks:
            needed = task.resources or {}
            if task.status == RUNNING:
                self._take(task.worker_running, _resources_in_use(task))
                continue
            if self._scheduler.is_ready(task) and self._fits(needed, self._reserved):
                if self._worker in task.workers and self._fits(needed, self._used):
                    _add(needed, self._used)
                    self._take(self._worker, needed)
                    return task
                self._reserve(task)
            self.has_all_tasks = False
        return None

    def _fits(self, needed: Resources, used: Resources) -> bool:
        return not needed or self._scheduler.fits(needed, used)

    def _take(self, worker: str, resources: Resources) -> None:
        """Take a process of a worker, and the resources of the task that it runs."""
        if worker in self._free_processes:
            self._free_processes[worker] -= 1
            _add(resources, self._reserved)

    def _reserve(self, task: Any) -> None:  # noqa: ANN401 - Luigi's
        """Reserve what a task needs that one of its workers will run next."""
        for worker in task.workers:
            if self._free_processes.get(worker, 0) > 0:
                self._take(worker, task.resources or {})
                return


def _resources_in_use(task: Any) -> Resources:  # noqa: ANN401 - Luigi's
    """Return the resources that a RUNNING task holds; it may have released some."""
    in_use: Resources = getattr(task, "resources_running", task.resources) or {}
    return in_use


def _add(resources: Resources, total: "defaultdict[str, int]") -> None:
    for name, amount in resources.items():
        total[name] += amount
