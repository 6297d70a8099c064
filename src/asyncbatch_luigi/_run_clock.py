"""How long a run of a task has been able to act, for Luigi's `worker_timeout`.

While a run waits to submit its job, for the rate limit or for the end of an earlier job, it cannot
act, and its time does not count. The one-process worker provides a `RunClock` for each run, in the
context of the coroutine that runs the job. Luigi's own workers have none: they count all time, and
end the process of a run that takes too long.
"""

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar


class RunClock:
    """The clock of one run with a time limit; used by two threads without a lock.

    Attributes:
        is_over: Whether the run was ended because of its time limit.
    """

    def __init__(self, limit: float, now: Callable[[], float] = time.time) -> None:
        """Start.

        Args:
            limit: Seconds that the run may take.
            now: Returns seconds since 1970.
        """
        self.is_over = False
        self._now = now
        # Seconds left at a time; None while the run waits. One tuple, so that it changes at once.
        self._state: tuple[float, float | None] = (limit, now())

    @property
    def deadline(self) -> float:
        """The earliest time at which the limit can be exceeded, in seconds since 1970."""
        left, since = self._state
        return left + (self._now() if since is None else since)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the clock while the block runs."""
        left, since = self._state
        now = self._now()
        self._state = (left if since is None else left - (now - since), None)
        try:
            yield
        finally:
            self._state = (self._state[0], self._now())


_clock: ContextVar[RunClock | None] = ContextVar("run clock", default=None)


@contextlib.contextmanager
def run_clock(clock: RunClock | None) -> Iterator[None]:
    """Set the clock for the coroutines that are started while the block runs."""
    token = _clock.set(clock)
    try:
        yield
    finally:
        _clock.reset(token)


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Stop the clock of the current run, if it has one, while the block runs."""
    clock = _clock.get()
    with clock.stopped() if clock else contextlib.nullcontext():
        yield


def is_timed_out() -> bool:
    """Return whether the current run, which was interrupted, has exceeded its time limit."""
    clock = _clock.get()
    if clock is not None:
        return clock.is_over
    # In Luigi's process of a run. The worker sends it SIGTERM after this time (seconds since 1970).
    deadline: float | None = getattr(multiprocessing.current_process(), "timeout_time", None)
    return deadline is not None and time.time() > deadline
