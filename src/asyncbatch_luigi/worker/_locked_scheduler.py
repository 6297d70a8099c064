"""Luigi's scheduler, asked by one thread at a time.

The main thread asks for work and tells of ends, one thread pings, one reports: Luigi's own local
scheduler expects to be asked by one only.
"""

import threading
from collections.abc import Callable
from typing import Any


class LockedScheduler:
    """A scheduler behind a lock.

    Attributes:
        lock: The lock; held while the scheduler is at work.
        scheduler: The scheduler itself.
    """

    def __init__(self, scheduler: Any) -> None:  # noqa: ANN401 - local or remote: they share no type
        """Wrap a scheduler."""
        self.scheduler = scheduler
        self.lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the scheduler has it
        """Return what the scheduler has under a name; methods take the lock."""
        value = getattr(self.scheduler, name)
        if callable(value):
            value = self._holding_lock(value)
            self.__dict__[name] = value
        return value

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        """Be the scheduler itself in another process, where nobody else asks it."""
        return _itself, (self.scheduler,)

    def get_work(self, *, worker: str, **values: object) -> dict[str, Any]:
        """Ask for work; leave out of the answer what the worker itself is running.

        Luigi's worker keeps all answers for its summary, where it looks for what *others* run: the
        list of its own tasks, once a task, would grow with their square.
        """
        with self.lock:
            answer: dict[str, Any] = self.scheduler.get_work(worker=worker, **values)
        answer["running_tasks"] = [
            task for task in answer["running_tasks"] if task.get("worker") != worker
        ]
        return answer

    def _holding_lock(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def locked(*args: object, **values: object) -> object:
            with self.lock:
                return method(*args, **values)

        return locked


def _itself(scheduler: Any) -> Any:  # noqa: ANN401 - as `LockedScheduler` has it
    return scheduler
