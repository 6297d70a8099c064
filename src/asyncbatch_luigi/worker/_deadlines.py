"""When running tasks time out (Luigi's `worker_timeout`), in the order of time.

Luigi compares the deadline of every running task each time it reads a result. With thousands of
tasks that is a comparison for each pair of them; a heap only looks at those that are due.
"""

import heapq
from typing import Any


class Deadlines:
    """Runs, each with the time at which it times out."""

    def __init__(self) -> None:
        """Start empty."""
        # The id keeps the heap from comparing two runs with the same deadline.
        self._heap: list[tuple[float, int, Any]] = []

    def add(self, deadline: float, run: Any) -> None:  # noqa: ANN401 - a `TaskRun`
        """Add a run.

        Args:
            deadline: Seconds since 1970.
            run: The run.
        """
        heapq.heappush(self._heap, (deadline, id(run), run))

    def pop_due(self, now: float) -> list[Any]:
        """Remove and return the runs whose deadline has passed.

        Args:
            now: Seconds since 1970.
        """
        due: list[Any] = []
        while self._heap and now > self._heap[0][0]:
            due.append(heapq.heappop(self._heap)[2])
        return due
