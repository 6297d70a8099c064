"""The event loop on which all tasks of the worker run as coroutines, in a thread of its own.

Whoever wants something of it says so from another thread. A coroutine is cancelled at most once: a
second cancellation would cut the cleanup that the first began.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import Any

from asyncbatch import AsyncBatchClient

Work = Coroutine[Any, Any, Any]


class Running:
    """A coroutine that was handed to the loop.

    Attributes:
        outcome: What it returned or raised, as soon as it has ended.
    """

    __slots__ = ("_is_cancelled", "_loop", "_task", "outcome")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Know the loop; the coroutine begins soon."""
        self.outcome: Future[Any] = Future()
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self._is_cancelled = False

    def cancel(self) -> None:
        """Cancel it, from any thread; only the first time counts."""
        with contextlib.suppress(RuntimeError):  # the loop has closed: nothing runs any more
            self._loop.call_soon_threadsafe(self._cancel)

    def begin(self, work: Work, group: asyncio.TaskGroup) -> None:
        """Begin, on the loop."""
        self._task = group.create_task(self._run(work))
        self._task.add_done_callback(lambda _task: self._ended(work))

    async def _run(self, work: Work) -> None:
        """Keep what it raises from the loop, which a SystemExit would stop."""
        try:
            self.outcome.set_result(await work)
        except BaseException as error:  # noqa: BLE001 - it goes to whoever reads the outcome
            self.outcome.set_exception(error)

    def _ended(self, work: Work) -> None:
        if not self.outcome.done():  # cancelled before its first step
            work.close()
            self.outcome.set_exception(asyncio.CancelledError())

    def _cancel(self) -> None:
        if self._task is not None and not self._is_cancelled:
            self._is_cancelled = True
            self._task.cancel()


class Loop:
    """An event loop in a thread, with the one client that its coroutines share."""

    def __init__(self) -> None:
        """Have no thread yet; `start` makes it."""
        self._client: Running | None = None
        self._lock = threading.Lock()
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._run, name="asyncbatch-worker", daemon=True)
        self._stop: asyncio.Event
        self._group: asyncio.TaskGroup
        self._open: AsyncExitStack

    def start(self) -> None:
        """Start the thread and wait until the loop runs."""
        self._thread.start()
        self._started.result()

    def submit(self, work: Work) -> Running:
        """Run a coroutine on the loop; return at once."""
        loop = self._started.result()
        running = Running(loop)
        loop.call_soon_threadsafe(lambda: running.begin(work, self._group))
        return running

    def client(self, make: Callable[[], AsyncBatchClient]) -> "Future[AsyncBatchClient]":
        """Return what will be the open client; where opening failed, the next one tries again.

        Args:
            make: Makes a client that is not open; called only if there is none.
        """
        with self._lock:
            before = self._client
            if before is None or (before.outcome.done() and before.outcome.exception() is not None):
                self._client = before = self.submit(self._open_client(make))
            return before.outcome

    def refuse_own_thread(self) -> None:
        """Raise where the loop's own thread is about to wait for the loop.

        Raises:
            RuntimeError: This is the loop's thread.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("run() waits, and would wait for itself here: call it in a thread")

    def close(self, patience: float) -> None:
        """Close the client and end the thread.

        Args:
            patience: Seconds to wait for it; a coroutine that does not end then dies with us.
        """
        if self._thread.is_alive():
            self._started.result().call_soon_threadsafe(self._stop.set)
            self._thread.join(patience)

    async def _open_client(self, make: Callable[[], AsyncBatchClient]) -> AsyncBatchClient:
        return await self._open.enter_async_context(make())

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with AsyncExitStack() as self._open, asyncio.TaskGroup() as self._group:
            self._started.set_result(asyncio.get_running_loop())
            await self._stop.wait()
