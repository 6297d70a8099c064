"""Luigi's local scheduler for many tasks: it does not rank all of them for each that it hands out.

Luigi's `get_work` prunes, sorts and counts all tasks to hand out one: with 10,000 tasks that takes
a tenth of a second each time. Here the ranking is kept for a moment and read on from where the last
answer stopped, so that a task that becomes ready meanwhile comes up a quarter of a second later at
most. Whatever is out of the ordinary is left to Luigi's code: other workers, assistants, batches, a
paused scheduler, and the last word that there is nothing to do.
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
        """Know no task yet.

        Args:
            clock: The time in seconds.
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
        **values: Any,  # noqa: ANN401 - what else Luigi's workers say
    ) -> dict[str, Any]:
        """Answer as Luigi's scheduler does, but quicker.

        Args:
            worker: Who asks.
            current_tasks: What that worker is running.
            **values: Its host, and whether it is an assistant.
        """
        host = values.get("host")
        if not values.get("assistant") and self.has_one_plain_worker(worker):
            self.note_activity(worker, host)
            task = self._next_task(worker)
            if task is not None or current_tasks:
                return self.answer(worker, task, host)
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
            self._ranking = _Ranking(self, self.ranked(worker), self.processes_of(worker))
            task = self._ranking.next_task(worker)
        return task


class _Ranking:
    """Tasks by their rank, how far they are handed out, and what that leaves for the others.

    A task that is ready and finds a resource in use keeps those behind it from taking what it
    needs, as long as the worker has processes for tasks that wait.
    """

    def __init__(self, scheduler: LuigiScheduler, tasks: Iterable[Any], processes: int) -> None:
        """Begin at the first task.

        Args:
            scheduler: Who knows what is ready and what there is of a resource.
            tasks: Tasks that are PENDING or RUNNING, those first that come first.
            processes: How many tasks the worker runs at a time, as it said.
        """
        self._scheduler = scheduler
        self._tasks: Iterator[Any] = iter(tasks)
        self._kept: defaultdict[str, int] = defaultdict(int)
        self._processes = processes

    @functools.cached_property
    def _used(self) -> "defaultdict[str, int]":
        """Resources in use; asked for when the first task needs some, as that walks all tasks."""
        return defaultdict(int, self._scheduler.used_resources())

    def next_task(self, worker: str) -> Any:  # noqa: ANN401 - Luigi's, or None
        """Return the next task that can run now; None if there is none any more."""
        for task in self._tasks:
            if task.status == RUNNING:
                self._keep(getattr(task, "resources_running", task.resources))
            elif task.status == PENDING and worker in task.workers and self._may_run(task):
                if task.resources:
                    _add(task.resources, self._used)
                self._keep(task.resources)
                return task
        return None

    def _may_run(self, task: Any) -> bool:  # noqa: ANN401 - Luigi's
        """Return whether a task can run now; keep what it needs if it is ready and waits."""
        if not self._scheduler.is_ready(task):
            return False
        needs = task.resources
        if not needs:
            return True
        if not self._scheduler.fits(needs, self._kept):
            return False
        if self._scheduler.fits(needs, self._used):
            return True
        if self._processes > 0:
            self._keep(needs)
        return False

    def _keep(self, resources: Resources | None) -> None:
        self._processes -= 1
        _add(resources or {}, self._kept)


def _add(resources: Resources, total: "defaultdict[str, int]") -> None:
    for name, amount in resources.items():
        total[name] += amount
