"""The bridge from Luigi's synchronous `run()` to coroutines.

Theory of operation
-------------------
Each run gets an event loop of its own, in a thread of its own, and the calling thread waits for it.
No loop outlives its run and this module keeps no state between runs. So a fork cannot break
anything, and it does not matter whether the calling thread has a running loop, as in a notebook.

While the main thread waits, it also handles SIGINT and SIGTERM, unless the application has handlers
of its own for them:

* The first signal cancels the coroutine, once, so that its cleanup can use `await`. SIGTERM after
  it has no effect: Ctrl-C reaches a whole process group, and Luigi then sends SIGTERM to its
  workers.
* A second Ctrl-C, at least a second later, ends the cleanup.
* After the cleanup, or after its time limit, the first signal is raised again for the previous
  handler: the result is a KeyboardInterrupt, or death by SIGTERM. If SIGTERM raised an exception
  instead, Luigi would take it for a failure of the task, and start the next one.

The handlers only put an item into a `queue.SimpleQueue`, whose `put` is reentrant: it may interrupt
the `get` of the same thread. So no exception is raised at an unexpected place, and the wait has a
time limit that does not depend on the loop.

A worker that already has a loop and an open client shares them with the tasks that it runs; see
`_current_runner`.

Luigi's own workers fork for each task. The modules that a client needs are imported once before the
first fork, instead of in each child.
"""

import asyncio
import contextlib
import contextvars
import inspect
import logging
import math
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator

# `concurrent.futures.thread` acquires a lock before each fork and releases it after the fork. If
# `_before_fork` imported it for the first time, only the release would happen, and fail.
from concurrent.futures import Future, thread  # noqa: F401 - as explained
from typing import Any, Generic, TypeVar

from asyncbatch import AsyncBatchClient, JournalError, preload
from asyncbatch_luigi._current_runner import current_runner

logger = logging.getLogger("luigi-interface")

T = TypeVar("T")

# Seconds for the cleanup after an interrupt. Luigi waits for a terminated worker without a limit.
GRACE = 30.0

# Seconds between two returns to Python code while the main thread waits; see `_wait`.
_WAKE_UP_SECONDS = 0.5

# Signals within this time belong to one event.
SAME_EVENT_SECONDS = 1.0

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_DEFAULT_HANDLERS = (signal.SIG_DFL, signal.default_int_handler)

# Items wake up the waiting thread: a signal that was received, or None when the work has ended.
WakeUps = queue.SimpleQueue[signal.Signals | None]


def run(main: Callable[[], Coroutine[Any, Any, T]], *, grace: float = GRACE) -> T:
    """Run a coroutine function from synchronous code, in any thread, and return its result.

    Args:
        main: Called in the thread of the loop that runs it.
        grace: Maximum duration of its cleanup after an interrupt, in seconds.

    Raises:
        KeyboardInterrupt: SIGINT was received; the coroutine was cancelled.
        BaseException: What `main` raises.
    """
    wake_ups: WakeUps = queue.SimpleQueue()
    work = _CoroutineThread(main, on_end=lambda: wake_ups.put(None))
    received: list[signal.Signals] = []
    last_at = -math.inf

    def on_signal(number: int, _frame: object) -> None:
        nonlocal last_at
        now = time.monotonic()
        is_new = not received or (number == signal.SIGINT and now - last_at >= SAME_EVENT_SECONDS)
        last_at = now
        received.append(signal.Signals(number))
        if is_new:
            wake_ups.put(received[-1])

    with _signals_handled_by(on_signal):
        try:
            work.start()
            _wait(wake_ups)
        finally:
            # Has no effect unless a signal was received or the application's handler raised.
            work.cancel_and_wait(wake_ups, grace)
    if received:
        signal.raise_signal(received[0])
    return work.outcome.result()


def _wait(wake_ups: WakeUps) -> None:
    """Wait for the first item.

    A signal interrupts `get`, except at the moment when `get` starts to wait: then Python calls the
    handler only when this thread executes Python code again. So the wait is repeated in intervals.
    """
    while True:
        with contextlib.suppress(queue.Empty):
            wake_ups.get(timeout=_WAKE_UP_SECONDS)
            return


def run_with_client(
    start: Callable[[AsyncBatchClient], Coroutine[Any, Any, T]],
    new_client: Callable[[], AsyncBatchClient],
) -> T:
    """Run a coroutine with an open client: the shared one, or else a new one for this run.

    Args:
        start: Makes the coroutine; called in this thread, possibly before the client is open.
        new_client: Makes a client if none is shared. The client is not kept, since it would not
            survive a fork.

    Raises:
        BaseException: What they raise, and what `run` raises.
    """
    runner = current_runner()
    if runner is not None:
        return runner.run(start)
    client = new_client()
    work = start(client)

    async def main() -> T:
        with _journal_advice():
            await client.open()
        try:
            return await work
        finally:
            # Not `async with`, which logs the jobs that continue: the task logs that itself.
            await client.aclose()

    try:
        return run(main)
    finally:
        if inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
            work.close()  # the client did not open; unclosed, Python would warn of the coroutine


@contextlib.contextmanager
def _journal_advice() -> Iterator[None]:
    """Add advice to the error of a journal that does not open in a forked worker."""
    try:
        yield
    except JournalError as error:
        if multiprocessing.parent_process() is not None:
            error.add_note(
                "Luigi runs this task in a process of its own, and only one process at a time can"
                " use a journal. Use workers=1, or asyncbatch_luigi.build, which runs all tasks in"
                " one process."
            )
        raise


class _CoroutineThread(Generic[T]):
    """A coroutine with a loop in a thread of its own, which other threads can cancel once."""

    def __init__(
        self, main: Callable[[], Coroutine[Any, Any, T]], *, on_end: Callable[[], None]
    ) -> None:
        self.outcome: Future[T] = Future()
        self._main = main
        self._on_end = on_end
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[T] | None = None
        self._is_cancelled = False

    def start(self) -> None:
        # A daemon: a cleanup that exceeds its time limit must not keep the process alive. In the
        # caller's context, as a call would: the current span of a trace is in it.
        threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._run,),
            name="asyncbatch",
            daemon=True,
        ).start()

    def cancel_and_wait(self, wake_ups: WakeUps, grace: float) -> None:
        """Cancel the coroutine unless it has ended, and wait for its end, at most `grace` s."""
        deadline = time.monotonic() + grace
        self._cancel()
        while not self.outcome.done():
            try:
                remaining = max(0.0, deadline - time.monotonic())
                number = wake_ups.get(timeout=min(remaining, _WAKE_UP_SECONDS))
            except queue.Empty:
                if time.monotonic() >= deadline:
                    logger.warning("Cleanup abandoned: not finished after %g s", grace)
                    return
            else:
                if number is not None:
                    logger.warning("Cleanup abandoned: Ctrl-C was pressed again")
                    return

    def _cancel(self) -> None:
        self._is_cancelled = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the coroutine has ended
                self._loop.call_soon_threadsafe(self._cancel_once)

    def _cancel_once(self) -> None:
        """Cancel in the loop's thread; a second time would interrupt the cleanup."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                result = runner.run(self._cancellable())
        except BaseException as error:  # noqa: BLE001 - passed to the caller
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(result)
        self._on_end()

    async def _cancellable(self) -> T:
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        if self._is_cancelled:
            self._cancel_once()
        return await self._main()


@contextlib.contextmanager
def _signals_handled_by(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Handle SIGINT and SIGTERM in the main thread, if the application does not handle them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    own = {
        number: signal.getsignal(number)
        for number in _SIGNALS
        if signal.getsignal(number) in _DEFAULT_HANDLERS
    }
    try:
        for number in own:
            signal.signal(number, handler)
        yield
    finally:
        for number, previous in own.items():
            signal.signal(number, previous)


_has_tasks = False


def note_task_created() -> None:
    """Note that this process has tasks, which its forked children may run."""
    global _has_tasks  # noqa: PLW0603 - it is the state of the process
    _has_tasks = True


def _before_fork() -> None:
    # Importing the SDK takes most of a second: once in the parent, or else in every child.
    if _has_tasks:
        preload()


os.register_at_fork(before=_before_fork)
