"""Luigi's scheduler behind a lock.

Luigi's local scheduler is not thread-safe, and three threads use it here: the main thread requests
work and reports results, one thread sends pings, one sends the reports of tasks.
"""

import threading
from collections.abc import Callable
from typing import Any


class LockedScheduler:
    """A scheduler that one thread uses at a time.

    Attributes:
        lock: Held during each call; reentrant.
        scheduler: The scheduler itself.
    """

    def __init__(self, scheduler: Any) -> None:  # noqa: ANN401 - local and remote share no type
        """Wrap a scheduler."""
        self.scheduler = scheduler
        self.lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what the scheduler has there
        """Return an attribute of the scheduler; a method holds the lock while it is called."""
        value = getattr(self.scheduler, name)
        if callable(value):
            value = self._holding_lock(value)
            self.__dict__[name] = value  # the next access does not come here
        return value

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        """Pickle as the scheduler itself: in a child process only one thread uses it."""
        return _identity, (self.scheduler,)

    def get_work(self, *, worker: str, **values: object) -> dict[str, Any]:
        """Request work; remove the worker's own running tasks from the response.

        Luigi's worker keeps every response for its summary, where it only looks for tasks of other
        workers. With a list of all running tasks in each, memory would grow with the square of the
        number of tasks: 558 KB for each response at 2,000 running tasks.
        """
        with self.lock:
            response: dict[str, Any] = self.scheduler.get_work(worker=worker, **values)
        response["running_tasks"] = [
            task for task in response["running_tasks"] if task.get("worker") != worker
        ]
        return response

    def _holding_lock(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def locked(*args: object, **values: object) -> object:
            with self.lock:
                return method(*args, **values)

        return locked


def _identity(scheduler: Any) -> Any:  # noqa: ANN401 - as in `LockedScheduler`
    return scheduler
