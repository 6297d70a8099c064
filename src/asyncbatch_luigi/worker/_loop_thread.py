"""The event loop of the worker, in a thread of its own, with the client that all tasks share.

The loop is used from other threads: `submit` and `LoopTask.cancel` may be called from any of them.
A coroutine is cancelled at most once, since a second cancellation would interrupt the cleanup that
the first one started.
"""

import asyncio
import contextlib
import contextvars
import copy
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from asyncbatch import AsyncBatchClient
from asyncbatch_luigi._job_totals import log_totals

Work = Coroutine[Any, Any, Any]

# Seconds between two looks for coroutines to start, while they keep arriving.
_START_INTERVAL = 0.005


class LoopTask:
    """A coroutine that was submitted to the loop.

    Attributes:
        outcome: Its result or exception, for any thread.
    """

    __slots__ = ("_context", "_is_cancelled", "_loop", "_task", "outcome")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Store the loop; the coroutine starts with `start`, in a copy of the current context."""
        self.outcome: Future[Any] = Future()
        self._context = contextvars.copy_context()
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self._is_cancelled = False

    def cancel(self) -> None:
        """Cancel the coroutine, from any thread; further calls have no effect."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing runs any more
            self._loop.call_soon_threadsafe(self._cancel)

    def start(self, work: Work, group: asyncio.TaskGroup) -> None:
        """Start the coroutine, in the loop's thread."""
        self._task = group.create_task(self._run(work), context=self._context)
        self._task.add_done_callback(lambda _task: self._task_done(work))
        if self._is_cancelled:  # before it was started
            self._task.cancel()

    async def wait(self) -> None:
        """Wait in the loop's thread until the coroutine has ended, without raising its error."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _run(self, work: Work) -> None:
        # No exception may leave this: a SystemExit would stop the loop, and with it all tasks.
        try:
            self.outcome.set_result(await work)
        except BaseException as error:  # noqa: BLE001 - the reader of the outcome handles it
            self.outcome.set_exception(error)

    def _task_done(self, work: Work) -> None:
        if not self.outcome.done():  # cancelled before its first step, so `_run` never started
            work.close()
            self.outcome.set_exception(asyncio.CancelledError())

    def _cancel(self) -> None:
        if not self._is_cancelled:
            self._is_cancelled = True
            if self._task is not None:
                self._task.cancel()


@dataclass(frozen=True, slots=True)
class _SharedClient:
    """The client of all tasks, and the coroutine that opens it."""

    client: AsyncBatchClient
    opening: LoopTask

    @property
    def has_failed(self) -> bool:
        outcome = self.opening.outcome
        return outcome.done() and outcome.exception() is not None

    async def run(self, work: Work) -> Any:  # noqa: ANN401 - what the coroutine returns
        """Run a coroutine when the client is open; raise the error if it cannot be opened."""
        if not self.opening.outcome.done():
            # Not awaited directly: cancelling one task must not cancel the opening for others.
            await self.opening.wait()
        error = self.opening.outcome.exception()
        if error is not None:
            # A copy: each task adds its own frames to the traceback of what it raises.
            raise copy.copy(error) from error.__cause__
        return await work


class LoopThread:
    """An event loop in a thread, with one client for all coroutines."""

    def __init__(self) -> None:
        """Prepare the thread; `start` starts it."""
        self._shared: _SharedClient | None = None
        self._lock = threading.Lock()
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._to_start: deque[tuple[LoopTask, Work]] = deque()
        self._is_looking = False
        self._thread = threading.Thread(target=self._run, name="asyncbatch-worker", daemon=True)
        self._stop: asyncio.Event
        self._group: asyncio.TaskGroup
        self._open_clients: AsyncExitStack

    def start(self) -> None:
        """Start the thread, and wait until the loop is running."""
        self._thread.start()
        self._started.result()

    def submit(self, work: Work) -> LoopTask:
        """Run a coroutine on the loop; return at once. Callable from any thread."""
        loop = self._started.result()
        task = LoopTask(loop)
        self._to_start.append((task, work))
        # Waking the loop is a system call, and costs this thread its turn. One is enough for the
        # first of many coroutines: the loop looks for the others by itself.
        if not self._is_looking or loop.is_closed():
            self._is_looking = True
            loop.call_soon_threadsafe(self._look_for_submitted)
        return task

    def run_with_client(
        self, start: Callable[[AsyncBatchClient], Work], new_client: Callable[[], AsyncBatchClient]
    ) -> LoopTask:
        """Run a coroutine as soon as the shared client is open; return at once.

        If the client cannot be opened, the coroutine fails with that error, and the next call tries
        again with a new client.

        Args:
            start: Makes the coroutine; called in this thread, possibly before the client is open.
            new_client: Makes a client that is not open; called only if there is no usable one.
        """
        with self._lock:
            shared = self._shared
            if shared is None or shared.has_failed:
                client = new_client()
                shared = self._shared = _SharedClient(client, self.submit(self._open(client)))
        work = start(shared.client)
        task = self.submit(shared.run(work))
        # If it never started, Python would warn that it was never awaited.
        task.outcome.add_done_callback(lambda _outcome: work.close())
        return task

    def refuse_own_thread(self) -> None:
        """Raise if this is the loop's thread, which must not wait for the loop.

        Raises:
            RuntimeError: This is the loop's thread.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                "run() was called on the worker's event loop, where it would wait for itself; call"
                " it in a thread, for example with asyncio.to_thread"
            )

    def close(self, timeout: float) -> None:
        """Close the client and end the thread.

        Args:
            timeout: Maximum time to wait, in seconds. A coroutine that has not ended by then ends
                with the process, as the thread is a daemon.
        """
        if self._thread.is_alive():
            self._started.result().call_soon_threadsafe(self._stop.set)
            self._thread.join(timeout)

    async def _open(self, client: AsyncBatchClient) -> None:
        self._open_clients.callback(log_totals, client)  # after the client was closed
        await self._open_clients.enter_async_context(client)

    def _look_for_submitted(self) -> None:
        """Start what was submitted, and look again soon, until there is nothing new."""
        # Reset the flag first: what is added after the last look at the queue wakes the loop again.
        self._is_looking = False
        if self._to_start:
            self._is_looking = True
            self._start_submitted()
            asyncio.get_running_loop().call_later(_START_INTERVAL, self._look_for_submitted)

    def _start_submitted(self) -> None:
        while self._to_start:
            task, work = self._to_start.popleft()
            task.start(work, self._group)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with AsyncExitStack() as self._open_clients, asyncio.TaskGroup() as self._group:
            self._started.set_result(asyncio.get_running_loop())
            await self._stop.wait()
            self._start_submitted()
