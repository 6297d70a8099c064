"""Showing changes at most every so many seconds, on the event loop that reports them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def paced(
    show: Callable[[], None],
    interval: Callable[[], float],
    *,
    at_least_every: float | None = None,
) -> Iterator[Callable[[], None]]:
    """Yield a function that shows changes, not more often than an interval, and once at the end.

    Args:
        show: Shows the progress.
        interval: Returns the minimum time between two calls of `show`, in seconds.
        at_least_every: Maximum time between two calls in seconds, once there was a change; None
            where nothing is shown without a change.
    """
    timer: asyncio.TimerHandle | None = None
    is_due = False

    def fire() -> None:
        nonlocal timer, is_due
        timer, is_due = None, False
        show()
        if at_least_every is not None:
            timer = asyncio.get_running_loop().call_later(at_least_every, fire)

    def changed() -> None:
        nonlocal timer, is_due
        if is_due:
            return
        is_due = True
        if timer is not None:
            timer.cancel()
        timer = asyncio.get_running_loop().call_later(interval(), fire)

    try:
        yield changed
    finally:
        if timer is not None:
            timer.cancel()
        show()
