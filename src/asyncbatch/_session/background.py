"""One background task that may be started and stopped by different tasks.

Structured concurrency requires that a task group is left by the task that entered it. A notebook
opens a client in one cell and closes it in another, so the group lives in a task of its own. This
is the only place in the package that creates such a task.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

import anyio

from asyncbatch._values.errors import ClientClosed

T = TypeVar("T")


def require_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Raise if another event loop runs here. Without any, nothing can be awaited anyway.

    Raises:
        ClientClosed: The client was opened on another loop.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return
    if running is not loop:
        raise ClientClosed(
            "this client is open on another event loop, of another thread or asyncio.run(). Use it"
            " where it was opened, or open a client for each loop."
        )


Main = Callable[[Callable[[T], None], asyncio.Event], Coroutine[Any, Any, None]]


class Background(Generic[T]):
    """Runs a coroutine function in a task of its own, from `start` until `stop`."""

    def __init__(self, main: Main[T]) -> None:
        """Remember what to run.

        Args:
            main: Called with a function to call when it is ready, with a value that `start`
                returns; and with an event that is set when it has to end.
        """
        self._main = main
        self._stop = asyncio.Event()
        # Cancelling the task itself would also interrupt what is shielded: a SubmitJob on its way,
        # and the opening of a journal, which would then stay locked.
        self._scope = anyio.CancelScope()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> T:
        """Start the task, and return its value when it is ready; raise if it fails before."""
        self._loop = asyncio.get_running_loop()
        ready: asyncio.Future[T] = self._loop.create_future()
        self._task = asyncio.create_task(  # noqa: TID251 - the one place; `stop` awaits it
            self._run(ready.set_result), name="asyncbatch client"
        )
        try:
            waited: set[asyncio.Future[Any]] = {self._task, ready}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._scope.cancel()
            await asyncio.wait({self._task})
            raise
        if not ready.done():
            ready.cancel()
            self._task.result()  # raises why it never became ready
            raise RuntimeError("the background task ended before it was ready")
        return ready.result()

    async def _run(self, ready: Callable[[T], None]) -> None:
        with self._scope:
            await self._main(ready, self._stop)

    def require_loop(self) -> None:
        """Raise if the task runs on another event loop than this one.

        Raises:
            ClientClosed: It does.
        """
        if self._task is not None and self._loop is not None and not self._task.done():
            require_loop(self._loop)

    async def stop(self) -> None:
        """Stop the task, wait until it has ended, and raise what it raised.

        When this is cancelled, the background task is cancelled too, and waited for.
        """
        if self._task is None:
            return
        self._stop.set()
        try:
            if not self._task.done():  # else its loop may be closed
                await asyncio.wait({self._task})
        except asyncio.CancelledError:
            self._scope.cancel()
            await asyncio.wait({self._task})
            raise
        if not self._task.cancelled():
            self._task.result()

    def drop(self) -> bool:
        """Stop the task without waiting, from any thread; return whether it was running."""
        if self._task is None or self._loop is None or self._task.done():
            return False
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._stop.set)
        return True
