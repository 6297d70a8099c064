"""What all tasks that run in the worker's process share, and how they reach it from a thread."""

import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from asyncbatch import AsyncBatchClient
from asyncbatch_luigi._bridge import GRACE
from asyncbatch_luigi.config import new_client
from asyncbatch_luigi.worker._loop_thread import LoopTask, LoopThread, Work
from asyncbatch_luigi.worker._main_thread_queue import MainThreadQueue
from asyncbatch_luigi.worker._thread_pool import DaemonThreadPool

T = TypeVar("T")

# Most tasks with a `run` of their own at a time; 2,000 threads took 34 MB.
_MOST_THREADS = 2_000
# Most questions at a time whether tasks are complete, such as requests to S3.
_MOST_CHECKS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LuigiFunctions:
    """How Luigi, in its version and configuration, does what a run of a task takes.

    Attributes:
        is_complete: Asks a task whether it is complete, or remembers what it said.
        note_complete: Remembers that a task is complete.
        forward: Gives a task the calls of a reporter; None takes them away.
        run: Calls ``run()``; returns the requirements that it yielded and needs first.
        checks_requirements: Whether a task's requirements are asked before it runs.
        checks_outputs: Whether a task is asked after it ran.
        context: Makes what a run happens within; None if there is no such thing.
    """

    is_complete: Callable[[Any], bool]
    note_complete: Callable[[Any], None]
    forward: Callable[[Any, object | None], None]
    run: Callable[[Any, Callable[[Any], bool]], list[Any] | None]
    checks_requirements: bool
    checks_outputs: bool
    context: Callable[[Any], Any] | None


class WorkerResources:
    """The loop, the client and the threads that the tasks of one worker share.

    Attributes:
        worker_id: Luigi's name of the worker.
        mailbox: Where results go, and calls for the main thread.
        ways: How Luigi does it.
        loop: Where coroutines run.
        threads: Where overridden `run` methods run.
        checks: Where tasks are asked whether they are complete.
    """

    def __init__(self, worker_id: str, mailbox: MainThreadQueue, ways: LuigiFunctions) -> None:
        """Have no thread yet; `start` makes the first one."""
        self.worker_id = worker_id
        self.mailbox = mailbox
        self.ways = ways
        self.loop = LoopThread()
        self.threads = DaemonThreadPool("asyncbatch-run", _MOST_THREADS)
        self.checks = DaemonThreadPool("asyncbatch-complete", _MOST_CHECKS)

    def begin(self, start: Callable[[AsyncBatchClient], Work]) -> LoopTask:
        """Run what `start` makes of the shared client; return at once."""
        return self.loop.run_with_client(start, new_client)

    def start(self) -> None:
        """Start what has to run before the first task does."""
        self.loop.start()

    def close(self, patience: float) -> None:
        """End the threads; wait for the loop so many seconds at most."""
        self.threads.close()
        self.checks.close()
        self.loop.close(patience)


class ThreadTask(Protocol):
    """A task that runs in a thread, which can only be cancelled while it waits for a coroutine."""

    def check(self) -> None:
        """Raise if the task is to end.

        Raises:
            CancelledError: It is.
        """

    def waits_for(self, running: LoopTask) -> None:
        """Hear what it waits for; cancel that if the task is to end."""


_here = threading.local()


def run_in_name_of(task: ThreadTask, function: Callable[[], T]) -> T:
    """Call a function in this thread; `task` can cancel what it runs on the shared loop."""
    _here.task = task
    try:
        return function()
    finally:
        del _here.task


class ClientRunner:
    """Runs coroutines on the worker's loop for those who wait for them in other threads."""

    def __init__(self, crew: WorkerResources) -> None:
        """Know who has the loop and the client."""
        self._crew = crew

    def run(self, start: Callable[[AsyncBatchClient], Coroutine[Any, Any, T]], /) -> T:
        """Run what `start` makes of the client to its end, and return its result.

        Raises:
            RuntimeError: It was called on the loop, which would wait for itself.
            CancelledError: The task that this thread runs is to end.
            BaseException: Whatever the coroutine raises.
        """
        self._crew.loop.refuse_own_thread()
        here: ThreadTask | None = getattr(_here, "task", None)
        if here is not None:
            here.check()
        running = self._crew.begin(start)
        if here is not None:
            here.waits_for(running)
        try:
            result: T = running.outcome.result()
        except KeyboardInterrupt:  # in the main thread: the cleanup comes first, within bounds
            running.cancel()
            concurrent.futures.wait([running.outcome], GRACE)
            raise
        return result
