"""The bridge from Luigi's synchronous `run()` to coroutines.

Theory of operation
-------------------
Each run gets an event loop of its own, in a thread of its own, and the caller waits for it. No loop
outlives its run and this module keeps nothing, so there is nothing that a fork could break, and it
does not matter whether the calling thread has a running loop, as a notebook's has.

The main thread also takes over SIGINT and SIGTERM while it waits, where nobody else has:

* The first signal cancels the coroutine, once, so that its cleanup can await. Signals after it
  change nothing: Ctrl-C reaches a whole process group, and Luigi then sends its workers SIGTERM.
* When the cleanup has ended, or its time of grace has, the first signal is raised again for the
  handler that was there before: KeyboardInterrupt, or death by SIGTERM. Luigi would take an
  exception instead of the latter for a failure of the task, and go on with the next one.

The handlers only put a word in a `queue.SimpleQueue`, whose `put` is made for that: it may
interrupt the `get` of the same thread. So no exception is raised at a place that does not expect
one, and the waiting has a bound that does not depend on the loop.

A worker that has a loop and an open client already says so with `share`, and the tasks of its
process run there. Its forked children have neither, so for them nobody shares.

Luigi's own workers fork for each task. What a client needs is imported before the first fork, once,
rather than in each child.
"""

import asyncio
import contextlib
import inspect
import logging
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator

# Imported before `_before_fork`: this module has something done after each fork that it expects to
# have prepared before it, so it must not be imported for the first time in between.
from concurrent.futures import Future, thread  # noqa: F401 - as said
from typing import Any, Generic, Protocol, TypeVar

from asyncbatch import AsyncBatchClient, JournalError, preload

logger = logging.getLogger("luigi-interface")

T = TypeVar("T")

# Seconds for cleanup after an interrupt. Luigi waits for a terminated worker without any bound.
GRACE = 30.0

_SECONDS_BETWEEN_LOOKS = 0.5

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_DEFAULT_HANDLERS = (signal.SIG_DFL, signal.default_int_handler)


def run(main: Callable[[], Coroutine[Any, Any, T]], *, grace: float = GRACE) -> T:
    """Run a coroutine function from synchronous code, wherever that runs, and return its result.

    Args:
        main: Called in the loop that runs it.
        grace: Seconds that its cleanup may take after an interrupt.

    Raises:
        KeyboardInterrupt: SIGINT arrived; the coroutine was cancelled.
        BaseException: Whatever `main` raises.
    """
    news: queue.SimpleQueue[signal.Signals | None] = queue.SimpleQueue()
    work = _Work(main, ended=lambda: news.put(None))
    received: list[signal.Signals] = []

    def on_signal(number: int, _frame: object) -> None:
        received.append(signal.Signals(number))
        news.put(received[-1])

    with _signals_handled_by(on_signal):
        try:
            work.start()
            _wait_for(news)
        finally:
            # A signal came, or a handler that is not ours raised; otherwise this does nothing.
            work.cancel_and_wait(news, grace)
    if received:
        signal.raise_signal(received[0])
    return work.outcome.result()


def _wait_for(news: "queue.SimpleQueue[signal.Signals | None]") -> None:
    """Wait until there are news.

    A signal interrupts the waiting, but not its very beginning: one that comes at that moment is
    only handled when this thread runs the next time, so it does now and then.
    """
    while True:
        with contextlib.suppress(queue.Empty):
            news.get(timeout=_SECONDS_BETWEEN_LOOKS)
            return


def run_with_client(
    start: Callable[[AsyncBatchClient], Coroutine[Any, Any, T]],
    new_client: Callable[[], AsyncBatchClient],
) -> T:
    """Run what `start` makes of an open client: the shared one, or else one of this run's own.

    Args:
        start: Called in the calling thread, perhaps with a client that is yet to be opened.
        new_client: Makes a client where nobody shares one. It is not kept: it would not survive a
            fork.

    Raises:
        BaseException: Whatever they raise, and what `run` does.
    """
    runner = shared_runner()
    if runner is not None:
        return runner.run(start)
    client = new_client()
    work = start(client)

    async def main() -> T:
        with _advice_for_forked_workers():
            await client.open()
        try:
            return await work
        finally:  # and no word on jobs that run on: the task says more
            await client.aclose()

    try:
        return run(main)
    finally:
        if inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
            work.close()  # the client did not open; it must not be missed


@contextlib.contextmanager
def _advice_for_forked_workers() -> Iterator[None]:
    """Say what helps where a journal does not open in a process that Luigi has for one task."""
    try:
        yield
    except JournalError as error:
        if multiprocessing.parent_process() is not None:
            error.add_note(
                "Luigi runs this task in a process of its own, and one process at a time can use a"
                " journal. Use workers=1, or asyncbatch_luigi.build for all tasks in one process."
            )
        raise


class SharedRunner(Protocol):
    """A worker that runs coroutines on a loop of its own, with a client that is open there."""

    def run(self, start: Callable[[AsyncBatchClient], Coroutine[Any, Any, T]], /) -> T:
        """Run what `start` makes of the client to its end, and return its result.

        It may be called in any thread but the loop's. `start` is called in that same thread, and
        may raise.
        """
        ...


_shared: tuple[SharedRunner, int] | None = None


def share(runner: SharedRunner | None) -> None:
    """Have the tasks of this process run on `runner` from now on; None ends that."""
    global _shared  # noqa: PLW0603 - it says what is there in the process
    _shared = None if runner is None else (runner, os.getpid())


def shared_runner() -> SharedRunner | None:
    """Return what the tasks of this process run on; None if each has to see for itself."""
    if _shared is None or _shared[1] != os.getpid():
        return None
    return _shared[0]


class _Work(Generic[T]):
    """A coroutine in a thread of its own, which other threads can cancel once."""

    def __init__(
        self, main: Callable[[], Coroutine[Any, Any, T]], *, ended: Callable[[], None]
    ) -> None:
        self.outcome: Future[T] = Future()
        self._main = main
        self._ended = ended
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[T] | None = None
        self._is_cancelled = False

    def start(self) -> None:
        # A daemon: cleanup that outlasts its grace must not keep the process from exiting.
        threading.Thread(target=self._run, name="asyncbatch", daemon=True).start()

    def cancel_and_wait(
        self, news: "queue.SimpleQueue[signal.Signals | None]", grace: float
    ) -> None:
        """Cancel, unless it has ended already, and wait at most `grace` seconds for its end."""
        deadline = time.monotonic() + grace
        self._cancel()
        while not self.outcome.done():
            try:
                news.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                logger.warning("Cleanup has not ended within %g s and is abandoned", grace)
                return

    def _cancel(self) -> None:
        self._is_cancelled = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: there is nothing left
                self._loop.call_soon_threadsafe(self._cancel_once)

    def _cancel_once(self) -> None:
        """Cancel on the loop; a second cancellation would cut the cleanup that the first began."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                result = runner.run(self._cancellable())
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(result)
        self._ended()

    async def _cancellable(self) -> T:
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        if self._is_cancelled:
            self._cancel_once()
        return await self._main()


@contextlib.contextmanager
def _signals_handled_by(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Handle SIGINT and SIGTERM where that is possible, and where nobody else does."""
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


def expect_tasks() -> None:
    """Take notice that this process has tasks, which its forked children may run."""
    global _has_tasks  # noqa: PLW0603 - it says what is there in the process
    _has_tasks = True


def _before_fork() -> None:
    if _has_tasks:
        preload()


os.register_at_fork(before=_before_fork)
