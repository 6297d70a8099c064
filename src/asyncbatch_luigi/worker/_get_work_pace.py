"""When the worker requests work from the scheduler: at once while there is some, then less often.

Luigi's scheduler looks at all tasks to answer one request: with 2,000 tasks that takes about 25 ms
in the same process, and more in `luigid`. A request that found no work is repeated only after five
times as long as it took, so requests without a result use at most a sixth of the time. As long as
there are no tasks that could become ready, it is repeated after Luigi's own interval.
"""

import math
import time
from collections.abc import Callable

_PAUSE_FACTOR = 5.0


class GetWorkPace:
    """Decides when to request work again.

    Attributes:
        due: When the next request is due, on the clock; 0 for at once.
    """

    def __init__(self, max_pause: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Let the first request be due at once.

        Args:
            max_pause: Maximum pause between two requests in seconds (Luigi's ``wait_interval``).
            clock: Returns the time in seconds.
        """
        self.due = 0.0
        self._max_pause = max_pause
        self._clock = clock
        self._requested_at = 0.0
        self._replied_at = -math.inf

    @property
    def remaining(self) -> float:
        """Seconds until the next request is due; 0 if it is."""
        return max(0.0, self.due - self._clock()) if self.due else 0.0

    def request_started(self) -> None:
        """Note that a request is sent now."""
        self._requested_at = self._clock()

    def request_finished(self, *, has_work: bool, n_pending: int) -> None:
        """Note that the response has arrived, and schedule the next request.

        Args:
            has_work: Whether it handed out a task.
            n_pending: How many tasks there are that may become ready.
        """
        now = self._replied_at = self._clock()
        pause = self._max_pause
        if n_pending:
            pause = min(_PAUSE_FACTOR * (now - self._requested_at), self._max_pause)
        self.due = 0.0 if has_work else now + pause

    @property
    def is_reply_old(self) -> bool:
        """Whether the latest response arrived longer ago than the maximum pause."""
        return self._clock() - self._replied_at > self._max_pause

    def make_due(self) -> None:
        """Let the next request be due at once, as there is a new task."""
        self.due = 0.0
