"""Luigi's local scheduler for many tasks, which ranks them once for many requests.

Theory of operation
-------------------
Luigi's `get_work` prunes, sorts and counts all tasks to hand out one of them, which takes a tenth
of a second with 10,000 tasks. Here a ranking is kept for 0.25 seconds, and each request continues
where the last one stopped. A task that becomes ready in the meantime is handed out at most 0.25
seconds later.

Everything unusual is left to Luigi's code: other workers, assistants, batches, a paused scheduler,
and the final response that there is nothing left to do.
"""

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from luigi.task_status import PENDING, RUNNING

from asyncbatch_luigi.worker._luigi_private import LuigiScheduler

_RANKING_SECONDS = 0.25
_PRUNING_SECONDS = 1.0

Resources = Mapping[str, int]


class LocalScheduler(LuigiScheduler):
    """Luigi's local scheduler, for one worker with thousands of tasks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without tasks.

        Args:
            clock: Returns the time in seconds.
        """
        super().__init__()
        self._clock = clock
        self._pruned_at = self._ranked_at = clock()
        self._ranking = _Ranking(self, [], 0)

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
        host = values.get("host")
        if not values.get("assistant") and self.has_one_plain_worker(worker):
            self.note_request(worker, host)
            task = self._next_task(worker)
            if task is not None or current_tasks:
                return self.response(worker, task, host)
        return self.get_work_as_luigi(worker=worker, current_tasks=current_tasks, **values)

    def _next_task(self, worker: str) -> Any:  # noqa: ANN401 - Luigi's, or None
        now = self._clock()
        if now - self._pruned_at >= _PRUNING_SECONDS:
            self._pruned_at = now
            self.prune()
        task = None
        if now - self._ranked_at < _RANKING_SECONDS:
            task = self._ranking.next_task(worker)
        if task is None:
            self._ranked_at = now
            self._ranking = _Ranking(self, self.ranked(worker), self.process_limit(worker))
            task = self._ranking.next_task(worker)
        return task


class _Ranking:
    """Tasks in the order of their rank, up to where they are handed out.

    Like Luigi's scheduler, it reserves resources: a ready task that waits for a resource in use
    keeps tasks behind it from taking what it needs, as long as the worker has processes left.
    """

    def __init__(self, scheduler: LuigiScheduler, tasks: Iterable[Any], process_limit: int) -> None:
        """Start at the first task.

        Args:
            scheduler: Decides which tasks are ready and whether resources suffice.
            tasks: PENDING and RUNNING tasks, in the order of their rank.
            process_limit: How many tasks the worker runs at a time, as it has declared.
        """
        self._scheduler = scheduler
        self._tasks: Iterator[Any] = iter(tasks)
        self._reserved: defaultdict[str, int] = defaultdict(int)
        self._free_processes = process_limit

    @functools.cached_property
    def _used(self) -> "defaultdict[str, int]":
        """Resources in use; computed when the first task needs some, as that visits all tasks."""
        return defaultdict(int, self._scheduler.used_resources())

    def next_task(self, worker: str) -> Any:  # noqa: ANN401 - Luigi's, or None
        """Return the next task that can run now; None if there are no more."""
        for task in self._tasks:
            if task.status == RUNNING:
                self._reserve(getattr(task, "resources_running", task.resources))
            elif task.status == PENDING and worker in task.workers and self._can_run(task):
                if task.resources:
                    _add(task.resources, self._used)
                self._reserve(task.resources)
                return task
        return None

    def _can_run(self, task: Any) -> bool:  # noqa: ANN401 - Luigi's
        """Return whether a task can run now; reserve its resources if it is ready and waits."""
        if not self._scheduler.is_ready(task):
            return False
        needed = task.resources
        if not needed:
            return True
        if not self._scheduler.fits(needed, self._reserved):
            return False
        if self._scheduler.fits(needed, self._used):
            return True
        if self._free_processes > 0:
            self._reserve(needed)
        return False

    def _reserve(self, resources: Resources | None) -> None:
        self._free_processes -= 1
        _add(resources or {}, self._reserved)


def _add(resources: Resources, total: "defaultdict[str, int]") -> None:
    for name, amount in resources.items():
        total[name] += amount
