"""What running tasks have to tell the worker's main thread: results, and calls to make there.

It takes the place of the queue that Luigi's worker reads results from. Tasks of this process put
their results and calls in directly; those of forked children come through Luigi's own queue, which
a thread empties as soon as there is a child.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import multiprocessing.queues

# As Luigi has it: task id, status, explanation, missing dependencies, new dependencies.
Result = tuple[str, str, Any, list[str], list[Any]]

_CLOSING_SECONDS = 1.0


class MainThreadQueue:
    """A queue of results; calls that arrive in between are made by whoever reads it.

    Attributes:
        from_children: What forked children put their results in.
        results: Results that have arrived and were not read yet.
    """

    def __init__(self, from_children: "multiprocessing.queues.Queue[Result | None]") -> None:
        """Begin empty.

        Args:
            from_children: The queue that forked children know.
        """
        self.from_children = from_children
        self.results: deque[Result] = deque()
        self._letters: queue.SimpleQueue[Result | Callable[[], object]] = queue.SimpleQueue()
        self._pump: threading.Thread | None = None

    def put(self, result: Result) -> None:
        """Hand in a result, from any thread."""
        self._letters.put(result)

    def call(self, function: Callable[[], object]) -> None:
        """Have a function called by the main thread, from any thread."""
        self._letters.put(function)

    def get(self, timeout: float) -> Result:
        """Return the next result; make the calls that come before it.

        Raises:
            queue.Empty: There was none within so many seconds.
        """
        self.collect(timeout)
        if not self.results:
            raise queue.Empty
        return self.results.popleft()

    def collect(self, timeout: float) -> None:
        """Take in all that is there; where there is no result, wait for one so many seconds."""
        until = time.monotonic() + timeout
        while True:
            patience = 0.0 if self.results else max(0.0, until - time.monotonic())
            try:
                letter = (
                    self._letters.get(timeout=patience) if patience else self._letters.get_nowait()
                )
            except queue.Empty:
                if self.results or time.monotonic() >= until:
                    return
                continue
            if callable(letter):
                letter()
            else:
                self.results.append(letter)

    def expect_children(self) -> None:
        """Listen to forked children from now on."""
        if self._pump is None:
            self._pump = threading.Thread(
                target=self._forward, name="asyncbatch-results", daemon=True
            )
            self._pump.start()

    def close(self) -> None:
        """Listen no more."""
        if self._pump is not None:
            self.from_children.put(None)
            self._pump.join(_CLOSING_SECONDS)  # a child that was killed may have kept the queue
        self.from_children.close()

    def _forward(self) -> None:
        while (result := self.from_children.get()) is not None:
            self._letters.put(result)
