"""What the tasks of one worker share: the event loop, the client, the threads."""

from collections.abc import Callable

from asyncbatch import AsyncBatchClient
from asyncbatch_luigi.config import new_client
from asyncbatch_luigi.worker._loop_thread import LoopTask, LoopThread, Work
from asyncbatch_luigi.worker._main_thread_queue import MainThreadQueue
from asyncbatch_luigi.worker._thread_pool import DaemonThreadPool

# Tasks that override `run`, at a time. 2,000 threads took 34 MB.
_RUN_THREADS = 2_000
# Calls of `complete()` at a time, which often are requests to S3.
_COMPLETE_THREADS = 32


class WorkerResources:
    """The event loop, the client and the threads that the tasks of one worker share.

    Attributes:
        main_thread: Queue for results, and for calls to be made in the main thread.
        loop: Runs coroutines.
        run_threads: Run overridden `run` methods.
        complete_threads: Call `complete()` of tasks.
    """

    def __init__(self, main_thread: MainThreadQueue) -> None:
        """Prepare the loop and the threads; `start` starts the loop."""
        self.main_thread = main_thread
        self.loop = LoopThread()
        self.run_threads = DaemonThreadPool("asyncbatch-run", _RUN_THREADS)
        self.complete_threads = DaemonThreadPool("asyncbatch-complete", _COMPLETE_THREADS)

    def run_with_client(self, start: Callable[[AsyncBatchClient], Work]) -> LoopTask:
        """Run what `start` makes of the shared client, on the loop; return at once."""
        return self.loop.run_with_client(start, new_client)

    def start(self) -> None:
        """Start the loop; threads start as they are needed."""
        self.loop.start()

    def close(self, timeout: float) -> None:
        """End the threads, and the loop within a maximum time in seconds."""
        self.run_threads.close()
        self.complete_threads.close()
        self.loop.close(timeout)
