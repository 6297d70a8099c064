"""What time it is for the engine, and how it asks to be called later.

The engine never looks at the wall clock and never sleeps: it is handed a `Clock`.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol

_TICK = 1e-6  # seconds: what two additions of times may differ by


class Timer(Protocol):
    """A callback that a clock will make."""

    def cancel(self) -> None:
        """Forget the callback; harmless when it has been made already."""


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

    The distance between the loop's time and the epoch is fixed when the clock is made, so the
    clock never jumps when somebody sets the machine's time. Callbacks for the same moment are made
    in the order in which they were asked for, which the loop itself does not promise.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # A virtual loop brings its own epoch, so that a test sees the same dates every day.
        epoch: float | None = getattr(loop, "epoch", None)
        self._offset = time.time() - loop.time() if epoch is None else epoch
        self._due: list[tuple[float, int, _Callback]] = []
        self._asked = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None

    def time(self) -> float:
        """Return the current time in seconds since the epoch, UTC."""
        return self._offset + self._loop.time()

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> Timer:
        """Call `callback(*args)` on the loop after `delay` seconds."""
        asked = _Callback(callback, args)
        heapq.heappush(self._due, (self._loop.time() + delay, next(self._asked), asked))
        self._set_alarm()
        return asked

    def _set_alarm(self) -> None:
        """Have the loop wake us for the first callback, unless it does so already."""
        while self._due and self._due[0][2].cancelled:
            heapq.heappop(self._due)
        if not self._due:
            return
        first = self._due[0][0]
        if self._alarm is not None:
            if self._alarm.when() <= first:
                return
            self._alarm.cancel()
        self._alarm = self._loop.call_at(first, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        now = self._loop.time() + _TICK
        while self._due and self._due[0][0] <= now:
            self._loop.call_soon(heapq.heappop(self._due)[2].make)
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

    def make(self) -> None:
        if not self.cancelled:
            self._callback(*self._args)
