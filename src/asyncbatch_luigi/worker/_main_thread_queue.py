"""The queue through which other threads and processes reach the worker's main thread.

Luigi's worker reads the results of its child processes from a `multiprocessing.Queue`. This queue
takes its place. Runs in this process put their results here directly, and functions that the main
thread is to call. In a child process `put` uses Luigi's queue; a thread forwards what arrives
there, and is only started when there is a child.
"""

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import multiprocessing.queues

# In Luigi's order: task id, status, explanation, missing requirements, new requirements.
Result = tuple[str, str, Any, list[str], list[Any]]

_CLOSING_SECONDS = 1.0


class MainThreadQueue:
    """Results of tasks, and functions that the main thread calls while it reads the results.

    Attributes:
        from_children: The queue into which forked children put their results.
        results: Results that were received and not yet read.
    """

    def __init__(self, from_children: "multiprocessing.queues.Queue[Result | None]") -> None:
        """Start empty.

        Args:
            from_children: The queue that Luigi passes to forked children.
        """
        self.from_children = from_children
        self.results: deque[Result] = deque()
        self._items: queue.SimpleQueue[Result | Callable[[], object]] = queue.SimpleQueue()
        self._forwarder: threading.Thread | None = None
        self._pid = os.getpid()

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        """Pickle as Luigi's queue, for child processes that are not forked."""
        return _identity, (self.from_children,)

    def put(self, result: Result) -> None:
        """Add a result, from any thread, or from a forked child."""
        if os.getpid() == self._pid:
            self._items.put(result)
        else:
            self.from_children.put(result)

    def call(self, function: Callable[[], object]) -> None:
        """Have the main thread call a function; callable from any thread."""
        self._items.put(function)

    def get(self, timeout: float) -> Result:
        """Return the next result; call the functions that were added before it.

        Args:
            timeout: Maximum time to wait, in seconds.

        Raises:
            queue.Empty: There was no result within the timeout.
        """
        self.receive(timeout)
        if not self.results:
            raise queue.Empty
        return self.results.popleft()

    def receive(self, timeout: float) -> None:
        """Move all results that have arrived to `results`, and call the functions in between.

        Args:
            timeout: Maximum time to wait for a first result, in seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            # With a result at hand, take the rest of the queue without waiting.
            remaining = 0.0 if self.results else max(0.0, deadline - time.monotonic())
            try:
                item = self._items.get(timeout=remaining) if remaining else self._items.get_nowait()
            except queue.Empty:
                if self.results or time.monotonic() >= deadline:
                    return
                continue
            if callable(item):
                item()
            else:
                self.results.append(item)

    def expect_children(self) -> None:
        """Forward the results of forked children from now on."""
        if self._forwarder is None:
            self._forwarder = threading.Thread(
                target=self._forward, name="asyncbatch-results", daemon=True
            )
            self._forwarder.start()

    def close(self) -> None:
        """Stop forwarding, and close the queue of the children."""
        if self._forwarder is not None:
            self.from_children.put(None)
            # Bounded: a child that was killed while it held the queue's lock never releases it.
            self._forwarder.join(_CLOSING_SECONDS)
        self.from_children.close()

    def _forward(self) -> None:
        while (result := self.from_children.get()) is not None:
            self._items.put(result)


def _identity(from_children: Any) -> Any:  # noqa: ANN401 - a multiprocessing queue
    return from_children
