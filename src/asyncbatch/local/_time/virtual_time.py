"""An asyncio event loop that does not wait: its time jumps to the next timer.

Theory of operation
-------------------
An event loop does two things: it runs what is ready, and it waits, in `select`, for the next timer
or for I/O. `VirtualTimeLoop` is a stock selector loop with another `select`. When nothing is ready
and only timers are left, it sets the loop's time to the first of them and returns at once, so hours
of timeouts and polling pass in a moment, in the order in which they would really happen.

Time must not run away from what is really going on:

* While a function runs in a thread (`run_in_executor`, `asyncio.to_thread`, `anyio.to_thread` with
  its default limiter) time stands still.
* While a file descriptor other than the loop's own is registered (a socket, a pipe) time passes as
  it really does.
* When nothing is ready, no timer is set and nothing is going on outside, nothing can ever happen
  again: that raises `VirtualTimeDeadlock` instead of hanging.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

import anyio.to_thread

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_EPOCH = (
    1_705_312_800.0  # 2024-01-15 10:00:00 UTC: any date would do, as long as it is always the same
)
_LAST_LOOK = 0.5  # real seconds in which a thread that we know nothing of may still wake the loop
_SELF_PIPE = 1  # the descriptor that every loop registers for itself


class VirtualTimeDeadlock(RuntimeError):
    """Everything waits, and nothing is left that could wake anybody."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` jumps to the next timer when nothing is ready.

    Attributes:
        epoch: What the loop's time 0 is, in seconds since 1970-01-01 UTC.
    """

    epoch = _EPOCH

    def __init__(self) -> None:
        self._now = 0.0
        self._in_threads = 0
        super().__init__(_JumpingSelector(self))
        # Adding a timeout to the time may fall short of the timer by a rounding error.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Return the virtual time in seconds since the loop was made."""
        return self._now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        """Run `func` in a thread; time stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 (as the base class)
        """Wait for the threads of the default executor; no time passes, so no timeout does."""
        del timeout
        self._in_threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._in_threads -= 1

    def _thread_done(self, _future: "asyncio.Future[Any]") -> None:
        self._in_threads -= 1

    def _threads_at_work(self) -> bool:
        if self._in_threads:
            return True
        try:
            limiter = anyio.to_thread.current_default_thread_limiter()
        except RuntimeError:  # the loop is being closed: there is no task to ask for
            return False
        return limiter.borrowed_tokens > 0

    def _advance(self, seconds: float) -> None:
        self._now += seconds

    def _describe_deadlock(self) -> str:
        names = sorted(task.get_name() for task in asyncio.all_tasks(self))
        return (
            "nothing can happen any more: no timer is set, no I/O is registered, no thread is at"
            f" work, and {len(names)} task(s) wait: {', '.join(names)}"
        )


class _JumpingSelector(selectors.BaseSelector):
    """A selector that moves its loop's time instead of waiting."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:  # noqa: ANN401 (as the base class)
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:  # noqa: ANN401 (as the base class)
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:  # noqa: ANN401 (as the base class)
        return self._real.modify(fileobj, events, data)

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; else wait for what is real, or jump to the next timer."""
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._loop._threads_at_work():  # noqa: SLF001 (one class in two halves)
            return self._real.select(None)
        if len(self._real.get_map()) > _SELF_PIPE:
            return self._wait_really(timeout)
        if timeout is None:
            return self._last_look()
        self._loop._advance(timeout)  # noqa: SLF001 (one class in two halves)
        return []

    def _wait_really(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        started = time.monotonic()
        ready = self._real.select(timeout)
        passed = time.monotonic() - started
        self._loop._advance(passed if timeout is None else min(passed, timeout))  # noqa: SLF001 (one class in two halves)
        return ready

    def _last_look(self) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(_LAST_LOOK)
        if not ready:
            raise VirtualTimeDeadlock(self._loop._describe_deadlock())  # noqa: SLF001 (one class in two halves)
        return ready


def run_in_virtual_time(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function on a `VirtualTimeLoop` of its own.

    Args:
        main: The coroutine function; it takes no arguments.

    Returns:
        What the coroutine returned.

    Raises:
        VirtualTimeDeadlock: Everything waited, and nothing was left that could wake anybody.

    Example:
        ```python
        async def wait_an_hour() -> float:
            await asyncio.sleep(3600)
            return asyncio.get_running_loop().time()


        assert run_in_virtual_time(wait_an_hour) == 3600
        ```
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())
