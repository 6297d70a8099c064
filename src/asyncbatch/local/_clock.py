"""What time it is for the engine, and how it asks to be called later.

The engine never looks at the wall clock and never sleeps: it is handed a `Clock`.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


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


class LoopClock:
    """The clock of an asyncio event loop, real or virtual.

    The distance between the loop's time and the epoch is fixed when the clock is made, so the
    clock never jumps when somebody sets the machine's time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # A virtual loop brings its own epoch, so that a test sees the same dates every day.
        epoch: float | None = getattr(loop, "epoch", None)
        self._offset = time.time() - loop.time() if epoch is None else epoch

    def time(self) -> float:
        """Return the current time in seconds since the epoch, UTC."""
        return self._offset + self._loop.time()

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> Timer:
        """Call `callback(*args)` on the loop after `delay` seconds."""
        return self._loop.call_later(delay, callback, *args)
