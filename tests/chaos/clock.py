"""Time for chaos runs: an event loop that is faster than the wall, and wall clocks that jump.

What waits for seconds waits for a twentieth of them, in real time and in real processes. Unlike
virtual time it does not stop while a process works, so processes may kill each other in it.
"""

import asyncio
import selectors
import time

SPEED = 20.0


class _FastSelector(selectors.DefaultSelector):
    """Waits a fraction of the time that it is asked to."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / SPEED)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds are a fraction of real ones."""

    def __init__(self) -> None:
        self._origin = time.monotonic()
        super().__init__(_FastSelector())

    def time(self) -> float:
        """Return seconds that go by fast."""
        return self._origin + (time.monotonic() - self._origin) * SPEED


class WallClock:
    """The wall clock of a run, which is as fast as its loops, and may be wrong.

    It takes the place of `time.time` in this process, so that what it shows fits what the engine's
    clock says of its jobs.
    """

    def __init__(self, began: tuple[float, float]) -> None:
        """Show fast time since a run began.

        Args:
            began: What `time.monotonic` and `time.time` told then.
        """
        self._monotonic, self._wall = began
        self._wrong_by = 0.0
        time.time = self.read

    def read(self) -> float:
        """Return what the wall clock shows."""
        return self._wall + (time.monotonic() - self._monotonic) * SPEED + self._wrong_by

    def set(self, wrong_by: float) -> None:
        """Set it, so that it is wrong by a number of seconds."""
        self._wrong_by = wrong_by
