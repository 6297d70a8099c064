"""Runs of tasks that take longer than Luigi's `worker_timeout`.

Luigi compares the deadline of every running task each time it reads a result. With thousands of
tasks that is a comparison for each pair of them; a heap only looks at those that are due.
"""

import heapq
import logging

import luigi

from asyncbatch_luigi import _bridge
from asyncbatch_luigi.worker._task_run import TaskRun

logger = logging.getLogger("luigi-interface")


class Timeouts:
    """Ends runs that have exceeded their time limit."""

    def __init__(self) -> None:
        """Start without runs."""
        # The id keeps the heap from comparing two runs with the same deadline.
        self._heap: list[tuple[float, int, TaskRun]] = []

    def add(self, run: TaskRun) -> None:
        """Watch a run, if it has a time limit."""
        if run.clock is not None:
            self._add(run.clock.deadline, run)

    def apply(self, now: float) -> None:
        """Terminate the runs that exceed their limit, and abandon those whose cleanup does.

        Args:
            now: Seconds since 1970.
        """
        while self._heap and now > self._heap[0][0]:
            run = heapq.heappop(self._heap)[2]
            if run.is_timed_out or not run.is_alive():
                run.abandon()
            elif run.clock is not None and run.clock.deadline > now:  # it had to wait meanwhile
                self._add(run.clock.deadline, run)
            else:
                run.time_out(_trigger_event(run))
                self._add(now + _bridge.GRACE, run)  # the time limit of its cleanup

    def _add(self, deadline: float, run: TaskRun) -> None:
        heapq.heappush(self._heap, (deadline, id(run), run))


def _trigger_event(run: TaskRun) -> str:
    """Trigger the event of a run that has timed out; return the reason."""
    task = run.task
    reason = f"Task {task.task_id} timed out after {run.worker_timeout} seconds and was terminated."
    task.trigger_event(luigi.Event.TIMEOUT, task, reason)
    logger.info(reason)
    return reason
