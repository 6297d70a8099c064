"""Tasks that run in forked child processes: a limited number at a time, the others in a queue.

The scheduler hands out every task that is ready, so the worker may receive more tasks for children
than it may fork. They are queued here, so that the worker can go on to request tasks that need no
child.
"""

import weakref
from collections import deque
from typing import Any


class QueuedProcess:
    """Takes the place of a task's process in Luigi's worker while the task is queued."""

    use_multiprocessing = False
    exitcode = None
    timeout_time = None

    def __init__(self, task: Any, status_reporter: Any) -> None:  # noqa: ANN401 - Luigi's
        """Store what Luigi's worker reads from a process."""
        self.task = task
        self.status_reporter = status_reporter

    def run(self) -> None:
        """Do nothing; the real process starts later."""

    def is_alive(self) -> bool:
        """Return False: there is nothing to terminate."""
        return False


class ChildProcesses:
    """The forked children, and the tasks in the queue for one."""

    def __init__(self) -> None:
        """Start without any child."""
        self._forked: dict[str, Any] = {}
        self._queued: deque[str] = deque()
        self._reported: weakref.WeakSet[Any] = weakref.WeakSet()

    def add(self, task_id: str, process: Any, limit: int) -> Any:  # noqa: ANN401 - Luigi's process
        """Return the process if it may start now, else a `QueuedProcess` in its place."""
        if len(self._forked) < limit:
            self._forked[task_id] = process
            return process
        self._queued.append(task_id)
        return QueuedProcess(process.task, process.status_reporter)

    def pop_startable(self, running: dict[str, Any], limit: int) -> list[str]:
        """Remove and return the ids of queued tasks that may start now.

        Args:
            running: Processes by task id; children that are not in it have ended.
            limit: Maximum number of children.
        """
        self._forked = {
            task_id: process
            for task_id, process in self._forked.items()
            if running.get(task_id) is process
        }
        free = max(0, limit - len(self._forked))
        return [self._queued.popleft() for _ in range(min(free, len(self._queued)))]

    def pop_dead_or_late(self, now: float) -> list[tuple[str, Any]]:
        """Return children that died, or that exceeded their timeout; each of them once.

        Args:
            now: Seconds since 1970.
        """
        found = [
            (task_id, process)
            for task_id, process in self._forked.items()
            if process not in self._reported and (_is_dead(process) or _is_late(process, now))
        ]
        self._reported.update(process for _, process in found)
        return found


def _is_dead(process: Any) -> bool:  # noqa: ANN401 - Luigi's process
    return bool(not process.is_alive() and process.exitcode)


def _is_late(process: Any, now: float) -> bool:  # noqa: ANN401 - as above
    return process.timeout_time is not None and now > process.timeout_time
