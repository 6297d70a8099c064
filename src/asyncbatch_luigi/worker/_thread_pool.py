"""Daemon threads for blocking calls: overridden `run()` methods, and `complete()` of tasks.

The threads are daemons, unlike those of `concurrent.futures`: one that never returns must not keep
the process from exiting.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable

Call = Callable[[], object]


class DaemonThreadPool:
    """Runs functions in up to so many threads; the others wait their turn."""

    def __init__(self, name: str, limit: int) -> None:
        """Start without any thread.

        Args:
            name: What the threads are called.
            limit: Most threads.
        """
        self._name = name
        self._limit = limit
        self._lock = threading.Lock()
        self._count = 0
        self._idle = 0  # threads that wait for a call, and for which none is on its way
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._backlog: deque[Call] = deque()

    def start(self, function: Call) -> None:
        """Run a function, which raises nothing, in one of the threads."""
        with self._lock:
            if self._idle:
                self._idle -= 1
                self._calls.put(function)
                return
            if self._count == self._limit:
                self._backlog.append(function)
                return
            self._count += 1
        threading.Thread(target=self._work, args=(function,), name=self._name, daemon=True).start()

    def close(self) -> None:
        """Let the threads end when they have done what they are at; drop what waits its turn."""
        with self._lock:
            self._backlog.clear()
            for _ in range(self._count):
                self._calls.put(None)

    def _work(self, call: Call | None) -> None:
        while call is not None:
            call()
            with self._lock:
                if self._backlog:
                    call = self._backlog.popleft()
                    continue
                self._idle += 1
            call = self._calls.get()
