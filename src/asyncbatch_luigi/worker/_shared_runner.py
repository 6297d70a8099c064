"""How a `run()` method in a thread uses the worker's event loop and client.

`BatchTask.run` and `BatchClient` run their coroutines on the `SharedRunner` of the worker that runs
them (see `_current_runner`). The worker provides this one, so that tasks which override `run` and
call `super().run()` share the client of all others.
"""

import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from asyncbatch import AsyncBatchClient
from asyncbatch_luigi._bridge import GRACE
from asyncbatch_luigi._current_runner import used_in_this_thread
from asyncbatch_luigi.worker._loop_thread import LoopTask
from asyncbatch_luigi.worker._resources import WorkerResources
from asyncbatch_luigi.worker._thread_event_loop import thread_event_loop

T = TypeVar("T")


class Cancellable(Protocol):
    """A run in a thread. Threads cannot be cancelled, but the coroutine they wait for can."""

    def raise_if_terminated(self) -> None:
        """Raise if the run was terminated.

        Raises:
            CancelledError: It was.
        """

    def set_loop_task(self, loop_task: LoopTask) -> None:
        """Store the coroutine that the thread waits for; cancel it if the run was terminated."""


_current = threading.local()


class WorkerRunner:
    """Runs coroutines on the worker's loop for callers in other threads, which wait."""

    def __init__(self, resources: WorkerResources) -> None:
        """Store the resources that hold the loop and the client."""
        self._resources = resources

    def call(self, function: Callable[[], T], run: Cancellable | None = None) -> T:
        """Call a function of a task in this thread, with what it would find in the main thread.

        Args:
            function: Uses the client of this worker, if it needs one.
            run: Can cancel the coroutines that the function waits for.
        """
        outer_run = getattr(_current, "run", None)
        _current.run = run
        try:
            with used_in_this_thread(self), thread_event_loop():
                return function()
        finally:
            _current.run = outer_run

    def run(self, start: Callable[[AsyncBatchClient], Coroutine[Any, Any, T]], /) -> T:
        """Run what `start` makes of the client to its end, and return its result.

        Raises:
            RuntimeError: It was called in the loop's thread, which would wait for itself.
            CancelledError: The run that this thread executes was terminated.
            BaseException: What the coroutine raises.
        """
        self._resources.loop.refuse_own_thread()
        current_run: Cancellable | None = getattr(_current, "run", None)
        if current_run is not None:
            current_run.raise_if_terminated()
        loop_task = self._resources.run_with_client(start)
        if current_run is not None:
            current_run.set_loop_task(loop_task)
        try:
            result: T = loop_task.outcome.result()
        except KeyboardInterrupt:
            # Ctrl-C in the main thread, where a task of another kind may call this: let the
            # coroutine clean up, for a limited time, before the interrupt continues.
            loop_task.cancel()
            concurrent.futures.wait([loop_task.outcome], GRACE)
            raise
        return result
