"""When the worker asks its scheduler for work: at once while there is some, rarer after that."""

import time
from collections.abc import Callable

# Luigi's scheduler walks all tasks for each answer; so it is kept busy a sixth of the time at most.
_REST = 5.0


class GetWorkPace:
    """Decides when to ask again.

    Attributes:
        due: When, on the clock.
    """

    def __init__(self, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Let the first question be asked at once.

        Args:
            longest: Seconds after which it is asked again in any case.
            clock: The time in seconds.
        """
        self.due = 0.0
        self._longest = longest
        self._clock = clock
        self._asked = 0.0

    @property
    def patience(self) -> float:
        """Seconds until the next question."""
        return max(0.0, self.due - self._clock())

    def asking(self) -> None:
        """Note that the question is asked now."""
        self._asked = self._clock()

    def answered(self, *, has_work: bool) -> None:
        """Note what came of it."""
        now = self._clock()
        self.due = now if has_work else now + min(_REST * (now - self._asked), self._longest)
