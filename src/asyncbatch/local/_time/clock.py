"""The engine's clock: the current time, and callbacks at later times.

The engine never reads the machine's clock and never sleeps; it is given a `Clock`.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol

_TICK = 1e-6  # seconds; sums of floating-point times may differ by less than this


class Timer(Protocol):
    """A scheduled callback."""

    def cancel(self) -> None:
        """Cancel the callback; does nothing if it has run already."""


class Clock(Protocol):
    """The time, and callbacks at later times."""

    def time(self) -> float:
        """Return the current time in seconds since the epoch, UTC."""
        ...

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> Timer:
        """Call `callback(*args)` after `delay` seconds."""
        ...


def epoch_milliseconds(clock: Clock) -> int:
    """Return the current time in whole milliseconds since the epoch, as AWS counts it."""
    return int(clock.time() * 1000)


class LoopClock:
    """The clock of an asyncio event loop, real or virtual.

    The offset between the loop's time and the epoch is fixed when the clock is created, so the
    clock does not jump when the machine's time is set. Callbacks for the same moment run in the
    order in which they were scheduled. asyncio itself does not guarantee that: its timers are a
    heap that compares times only.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # A virtual loop has a fixed epoch, so that a test sees the same dates every day.
        epoch: float | None = getattr(loop, "epoch", None)
        self._offset = time.time() - loop.time() if epoch is None else epoch
        self._due: list[tuple[float, int, _Callback]] = []
        self._scheduled = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None

    def time(self) -> float:
        """Return the current time in seconds since the epoch, UTC."""
        return self._offset + self._loop.time()

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> Timer:
        """Call `callback(*args)` on the loop after `delay` seconds."""
        timer = _Callback(callback, args)
        heapq.heappush(self._due, (self._loop.time() + delay, next(self._scheduled), timer))
        self._set_alarm()
        return timer

    def _set_alarm(self) -> None:
        """Set the loop's timer for the first callback, unless it is set early enough already."""
        while self._due and self._due[0][2].cancelled:
            heapq.heappop(self._due)
        if not self._due:
            return
        first = self._due[0][0]
        if self._alarm is not None:
            if self._alarm.when() <= first:
                return
            self._alarm.cancel()
        self._alarm = self._loop.call_at(first, self._run_due)

    def _run_due(self) -> None:
        self._alarm = None
        now = self._loop.time() + _TICK
        # Each callback is a handle of its own: an exception in one does not stop the others.
        while self._due and self._due[0][0] <= now:
            self._loop.call_soon(heapq.heappop(self._due)[2].run)
        self._set_alarm()


class _Callback:
    """A callback that can still be cancelled."""

    __slots__ = ("_args", "_callback", "cancelled")

    def __init__(self, callback: Callable[..., object], args: tuple[object, ...]) -> None:
        self._callback = callback
        self._args = args
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def run(self) -> None:
        if not self.cancelled:
            self._callback(*self._args)
