"""Tasks that Luigi runs in forked children: so many at a time, the others wait for their turn.

The scheduler hands out whatever is ready, so the worker may be given more tasks for children than
it may fork. They wait here, and do not keep it from being given tasks that need no child.
"""

import weakref
from collections import deque
from typing import Any


class QueuedProcess:
    """Stands for the process of a task that waits for its turn."""

    use_multiprocessing = False
    exitcode = None
    timeout_time = None

    def __init__(self, task: Any, status_reporter: Any) -> None:  # noqa: ANN401 - Luigi's
        """Wait in the name of a task."""
        self.task = task
        self.status_reporter = status_reporter

    def run(self) -> None:
        """Do nothing yet."""

    def is_alive(self) -> bool:
        """Return that there is nothing to terminate."""
        return False


class ChildProcesses:
    """The forked children, and the tasks that wait for one."""

    def __init__(self) -> None:
        """Have none."""
        self._forked: dict[str, Any] = {}
        self._waiting: deque[str] = deque()
        self._reported: weakref.WeakSet[Any] = weakref.WeakSet()

    def admit(self, task_id: str, process: Any, most: int) -> Any:  # noqa: ANN401 - Luigi's process
        """Return the process if it may be started now, else what waits in its place."""
        if len(self._forked) < most:
            self._forked[task_id] = process
            return process
        self._waiting.append(task_id)
        return QueuedProcess(process.task, process.status_reporter)

    def next_ones(self, running: dict[str, Any], most: int) -> list[str]:
        """Return the ids of waiting tasks that may start now.

        Args:
            running: Processes by task id; whatever is not in it any more has ended.
            most: How many children there may be.
        """
        self._forked = {
            task_id: process
            for task_id, process in self._forked.items()
            if running.get(task_id) is process
        }
        room = max(0, most - len(self._forked))
        return [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]

    def dead_or_late(self, now: float) -> list[tuple[str, Any]]:
        """Return children that died, or take too long; each once.

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
