"""Time for chaos runs: an event loop faster than real time, and wall clocks that jump.

Waiting takes a twentieth of the given seconds, in real time and in real processes. Unlike virtual
time, this clock does not stop while a process works, so several processes can share it.
"""

import asyncio
import selectors
import time

SPEED = 20.0


class _FastSelector(selectors.DefaultSelector):
    """Waits a fraction of the requested time."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / SPEED)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds are a fraction of real ones."""

    def __init__(self) -> None:
        self._origin = time.monotonic()
        super().__init__(_FastSelector())

    def time(self) -> float:
        """Return the seconds of the fast clock."""
        return self._origin + (time.monotonic() - self._origin) * SPEED


class WallClock:
    """The wall clock of a run: as fast as its event loops, and possibly wrong.

    It replaces `time.time` in this process, so that it agrees with the timestamps of the engine.
    """

    def __init__(self, began: tuple[float, float]) -> None:
        """Start the clock at the beginning of a run.

        Args:
            began: `time.monotonic()` and the time of the engine at one moment.
        """
        self._monotonic, self._wall = began
        self._wrong_by = 0.0
        time.time = self.read

    def read(self) -> float:
        """Return the seconds since the epoch, including the error of the clock."""
        return self.true() + self._wrong_by

    def true(self) -> float:
        """Return the seconds since the epoch without the error: the time of the engine."""
        return self._wall + (time.monotonic() - self._monotonic) * SPEED

    def set(self, wrong_by: float) -> None:
        """Set the error of the clock in seconds."""
        self._wrong_by = wrong_by
