"""An asyncio event loop that does not wait: its time jumps to the next timer.

Theory of operation
-------------------
An event loop does two things: it runs callbacks that are ready, and it waits, in `select`, for the
next timer or for I/O. `VirtualTimeLoop` is a stock selector loop with a different `select`. When
nothing is ready and only timers are left, it advances the loop's time to the first of them and
returns immediately. Hours of timeouts and polling take no real time and happen in the real order.

Virtual time must not overtake real activity, or timeouts would fire before results that are on
their way:

* While a function runs in a thread (`run_in_executor`, `asyncio.to_thread`, `anyio.to_thread` with
  its default limiter), virtual time stands still.
* While a file descriptor other than the loop's own is registered (a socket, a pipe), virtual time
  passes as real time does.
* When nothing is ready, no timer is set and no thread or descriptor is active, no task can ever be
  woken again. The loop then raises `VirtualTimeDeadlock` instead of hanging.
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

_EPOCH = 1_705_312_800.0  # 2024-01-15 10:00:00 UTC; any fixed date would do
# Real seconds before a deadlock is reported: a thread that was started without the loop's
# knowledge may still wake it with `call_soon_threadsafe`.
_DEADLOCK_WAIT = 0.5
_SELF_PIPE = 1  # every loop registers one descriptor for itself


class VirtualTimeDeadlock(RuntimeError):
    """All tasks are waiting, and no timer, thread or I/O can wake any of them."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` jumps to the next timer when nothing is ready.

    Attributes:
        epoch: The date of the loop's time 0, in seconds since 1970-01-01 UTC.
    """

    epoch = _EPOCH

    def __init__(self) -> None:
        self._now = 0.0
        self._in_threads = 0
        super().__init__(_JumpingSelector(self))
        # Time plus timeout may fall short of the timer by a rounding error: without this
        # tolerance the loop would call `select` again and again with a tiny timeout.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Return the virtual time in seconds since the loop was created."""
        return self._now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        """Run `func` in a thread; virtual time stands still until it returns."""
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 (as the base class)
        """Wait for the threads of the default executor.

        asyncio's own timeout of 300 seconds is ignored: in virtual time it would pass at once.
        """
        del timeout
        self._in_threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._in_threads -= 1

    def _thread_done(self, _future: "asyncio.Future[Any]") -> None:
        self._in_threads -= 1

    def _has_active_threads(self) -> bool:
        if self._in_threads:
            return True
        try:
            limiter = anyio.to_thread.current_default_thread_limiter()
        except RuntimeError:  # the loop is closing: there is no current task, hence no limiter
            return False
        return limiter.borrowed_tokens > 0

    def _advance(self, seconds: float) -> None:
        self._now += seconds

    def _describe_deadlock(self) -> str:
        names = sorted(task.get_name() for task in asyncio.all_tasks(self))
        return (
            "Deadlock in virtual time: no timer is set, no I/O is registered, no thread is active,"
            f" and {len(names)} task(s) wait: {', '.join(names)}"
        )


class _JumpingSelector(selectors.BaseSelector):
    """A selector that advances its loop's time instead of waiting."""

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
        """Return what is ready; otherwise wait for real activity or jump to the next timer."""
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._loop._has_active_threads():  # noqa: SLF001 (one class in two halves)
            return self._real.select(None)  # the thread's end wakes the loop through its own pipe
        if len(self._real.get_map()) > _SELF_PIPE:
            return self._wait_in_real_time(timeout)
        if timeout is None:
            return self._wait_before_deadlock()
        self._loop._advance(timeout)  # noqa: SLF001 (one class in two halves)
        return []

    def _wait_in_real_time(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        started = time.monotonic()
        ready = self._real.select(timeout)
        passed = time.monotonic() - started
        # Never past the timer, which would change the order of timers that are close together.
        self._loop._advance(passed if timeout is None else min(passed, timeout))  # noqa: SLF001 (one class in two halves)
        return ready

    def _wait_before_deadlock(self) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(_DEADLOCK_WAIT)
        if not ready:
            raise VirtualTimeDeadlock(self._loop._describe_deadlock())  # noqa: SLF001 (one class in two halves)
        return ready


def run_in_virtual_time(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function on a new `VirtualTimeLoop`.

    Args:
        main: The coroutine function; called without arguments.

    Returns:
        The coroutine's result.

    Raises:
        VirtualTimeDeadlock: All tasks wait, and no timer, thread or I/O can wake any of them.
        RuntimeError: An event loop runs in this thread already.

    Example:
        ```python
        async def wait_an_hour() -> float:
            await asyncio.sleep(3600)
            return asyncio.get_running_loop().time()


        assert run_in_virtual_time(wait_an_hour) == 3600
        ```
    """
    if _is_loop_running():
        raise RuntimeError(
            "an event loop runs in this thread: call run_in_virtual_time() from a test or a script,"
            " not from a notebook or from a coroutine"
        )
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
