"""One background task that may be started and stopped by different tasks.

Structured concurrency requires that a task group is left by the task that entered it. A notebook
opens a client in one cell and closes it in another, so the group lives in a task of its own. This
is the only place in the package that creates such a task.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")

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
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> T:
        """Start the task, and return its value when it is ready; raise if it fails before."""
        ready: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(  # noqa: TID251 - the one place; `stop` awaits it
            self._main(ready.set_result, self._stop), name="asyncbatch client"
        )
        try:
            waited: set[asyncio.Future[Any]] = {self._task, ready}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.wait({self._task})
            raise
        if not ready.done():
            ready.cancel()
            self._task.result()  # raises why it never became ready
            raise RuntimeError("the background task ended before it was ready")
        return ready.result()

    async def stop(self) -> None:
        """Stop the task, wait until it has ended, and raise what it raised.

        When this is cancelled, the background task is cancelled too.
        """
        if self._task is None:
            return
        self._stop.set()
        try:
            await asyncio.wait({self._task})
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if not self._task.cancelled():
            self._task.result()
