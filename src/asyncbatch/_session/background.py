"""One background task with a beginning and an end that may lie in different tasks.

Structured concurrency wants a task group to be left by the task that entered it. A notebook opens a
client in one cell and closes it in another, so the group lives in a task of its own: this is the
one place in the package where such a task is born.

asyncio takes a third of the time that `import asyncbatch` may take, and whoever opens a client has
it loaded already; so it is imported where it is used.
"""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

Ready = Callable[[T], None]
Main = Callable[[Ready[T], "asyncio.Event"], Coroutine[Any, Any, None]]


class Background(Generic[T]):
    """Runs a coroutine function in a task of its own, from `start` until `stop`."""

    def __init__(self, main: Main[T]) -> None:
        """Remember what to run.

        Args:
            main: Called with a function to report that it is ready, and with what; and with an
                event that is set when it shall end.
        """
        self._main = main
        self._stop: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> T:
        """Start it and return what it reports when ready; raise what it raises before."""
        import asyncio

        self._stop = asyncio.Event()
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
        """Ask it to end, wait until it has, and raise what it raised.

        When this is cancelled, the background task is cancelled too.
        """
        import asyncio

        if self._task is None or self._stop is None:
            return
        self._stop.set()
        try:
            await asyncio.wait({self._task})
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if not self._task.cancelled():
            self._task.result()
