"""Daemon threads for blocking calls: `run()` methods that a task overrides, and `complete()`.

The threads of `concurrent.futures` are joined when the interpreter exits. These are daemons: a call
that never returns does not keep the process alive.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
Call = Callable[[], None]


class DaemonThreadPool:
    """Calls functions in daemon threads, which are started as they are needed."""

    def __init__(self, name: str, limit: int) -> None:
        """Start without any thread.

        Args:
            name: Name of the threads.
            limit: Maximum number of threads; further calls wait in a queue.
        """
        self._name = name
        self._limit = limit
        self._lock = threading.Lock()
        self._thread_count = 0
        self._idle_count = 0  # threads that wait for a call, minus the calls on their way to them
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._backlog: deque[Call] = deque()

    def submit(self, function: Callable[[], T]) -> "Future[T]":
        """Call a function in one of the threads; the future has its result or exception."""
        outcome: Future[T] = Future()
        self._start(lambda: _call(function, outcome))
        return outcome

    def close(self) -> None:
        """End each thread after its current call; drop the calls that wait in the queue."""
        with self._lock:
            self._backlog.clear()
            for _ in range(self._thread_count):
                self._calls.put(None)

    def _start(self, call: Call) -> None:
        with self._lock:
            if self._idle_count:
                self._idle_count -= 1
                self._calls.put(call)
                return
            if self._thread_count == self._limit:
                self._backlog.append(call)
                return
            self._thread_count += 1
        threading.Thread(target=self._work, args=(call,), name=self._name, daemon=True).start()

    def _work(self, call: Call | None) -> None:
        while call is not None:
            call()
            with self._lock:
                if self._backlog:
                    call = self._backlog.popleft()
                    continue
                self._idle_count += 1
            call = self._calls.get()


def _call(function: Callable[[], Any], outcome: "Future[Any]") -> None:
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - even SystemExit: the future's owner handles it
        outcome.set_exception(error)
    else:
        outcome.set_result(result)
