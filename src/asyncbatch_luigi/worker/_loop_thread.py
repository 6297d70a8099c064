"""The event loop on which all tasks of the worker run as coroutines, in a thread of its own.

Whoever wants something of it says so from another thread. A coroutine is cancelled at most once: a
second cancellation would cut the cleanup that the first began.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from asyncbatch import AsyncBatchClient

Work = Coroutine[Any, Any, Any]


class LoopTask:
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

    async def ended(self) -> None:
        """Wait on the loop until it has ended, well or not; it begins before whoever asks this."""
        if self._task is not None:
            await asyncio.wait({self._task})

    def _ended(self, work: Work) -> None:
        if not self.outcome.done():  # cancelled before its first step
            work.close()
            self.outcome.set_exception(asyncio.CancelledError())

    def _cancel(self) -> None:
        if self._task is not None and not self._is_cancelled:
            self._is_cancelled = True
            self._task.cancel()


@dataclass(frozen=True, slots=True)
class _Shared:
    """A client for all, and the opening of it."""

    client: AsyncBatchClient
    opening: LoopTask

    @property
    def has_failed(self) -> bool:
        outcome = self.opening.outcome
        return outcome.done() and outcome.exception() is not None

    async def run(self, work: Work) -> Any:  # noqa: ANN401 - whatever the work returns
        """Do the work when the client is open."""
        try:
            if not self.opening.outcome.done():
                # Whoever waits for it may be cancelled; the opening goes on for the others.
                await self.opening.ended()
            self.opening.outcome.result()
            return await work
        finally:
            work.close()  # where it never began, it must not be missed


class LoopThread:
    """An event loop in a thread, with the one client that its coroutines share."""

    def __init__(self) -> None:
        """Have no thread yet; `start` makes it."""
        self._shared: _Shared | None = None
        self._lock = threading.Lock()
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._to_begin: deque[tuple[LoopTask, Work]] = deque()
        self._is_woken = False
        self._thread = threading.Thread(target=self._run, name="asyncbatch-worker", daemon=True)
        self._stop: asyncio.Event
        self._group: asyncio.TaskGroup
        self._open: AsyncExitStack

    def start(self) -> None:
        """Start the thread and wait until the loop runs."""
        self._thread.start()
        self._started.result()

    def submit(self, work: Work) -> LoopTask:
        """Run a coroutine on the loop; return at once."""
        loop = self._started.result()
        running = LoopTask(loop)
        self._to_begin.append((running, work))
        # To wake the loop for each of a thousand tasks would cost a thousand system calls.
        if not self._is_woken or loop.is_closed():
            self._is_woken = True
            loop.call_soon_threadsafe(self._begin)
        return running

    def _begin(self) -> None:
        # In this order: what comes after the last look wakes the loop again.
        self._is_woken = False
        while self._to_begin:
            running, work = self._to_begin.popleft()
            running.begin(work, self._group)

    def run_with_client(
        self, start: Callable[[AsyncBatchClient], Work], make: Callable[[], AsyncBatchClient]
    ) -> LoopTask:
        """Run what `start` makes of the client, as soon as that is open; return at once.

        Where opening it fails, so does the coroutine, and the next one tries again.

        Args:
            start: Called in this thread, perhaps with a client that is yet to be opened.
            make: Makes a client that is not open; called only if there is none.
        """
        with self._lock:
            shared = self._shared
            if shared is None or shared.has_failed:
                client = make()
                shared = self._shared = _Shared(client, self.submit(self._open_client(client)))
        return self.submit(shared.run(start(shared.client)))

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

    async def _open_client(self, client: AsyncBatchClient) -> None:
        await self._open.enter_async_context(client)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with AsyncExitStack() as self._open, asyncio.TaskGroup() as self._group:
            self._started.set_result(asyncio.get_running_loop())
            await self._stop.wait()
