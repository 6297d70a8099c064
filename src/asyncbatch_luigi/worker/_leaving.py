"""How a worker ends while tasks run: within one time limit, and known results first.

Theory of operation
-------------------
1. Results that are known are reported before anything else: the jobs of these tasks have ended, and
   nothing else reports them later. Their callbacks run in the main thread, as during the build.
2. Then what still runs is cancelled, and has time to clean up.
3. Then threads and child processes end.

Each of these can block: a callback of the user, AWS, a `luigid` that is gone, whose requests Luigi
repeats for a minute each. So all of them together have one time limit. The main thread itself sends
nothing; it waits for a daemon thread that does. What a callback does in the main thread is
interrupted by a signal. A second Ctrl-C ends the wait at once. What was not finished is logged.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from asyncbatch_luigi.worker._main_thread_queue import MainThreadQueue, Result
from asyncbatch_luigi.worker._report_thread import ReportThread
from asyncbatch_luigi.worker._signals import LeaveAtOnce, SignalHandlers
from asyncbatch_luigi.worker._task_run import TaskRun

logger = logging.getLogger("luigi-interface")

# Of the time limit, for all requests to the scheduler together.
REPORTING_SECONDS = 10.0
# For ending threads and child processes, after that.
CLOSING_SECONDS = 5.0

# Seconds between two looks at what still runs.
_INTERVAL = 0.1


class Leaving:
    """One worker that ends.

    Attributes:
        was_interrupted: Whether a signal ended it at once.
    """

    def __init__(
        self,
        runs: Sequence[TaskRun],
        main_thread: MainThreadQueue,
        reports: ReportThread,
        signals: SignalHandlers,
        limit: float,
    ) -> None:
        """Start the clock.

        Args:
            runs: The runs that have not ended.
            main_thread: Where their results arrive.
            reports: The unsent reports of the tasks.
            signals: Handle a second Ctrl-C.
            limit: Maximum time for results and cleanup, in seconds.
        """
        self.was_interrupted = False
        self._runs = runs
        self._main_thread = main_thread
        self._reports = reports
        self._signals = signals
        self._limit = limit
        self._deadline = time.monotonic() + limit
        self._report_by = self._deadline
        self._unreported = 0
        self._problem: BaseException | None = None

    def finish_tasks(self, report_result: Callable[[Result], None]) -> None:
        """Report known results, then cancel what runs and wait for its cleanup.

        Args:
            report_result: Reports the result of a task to the scheduler; called in a thread.
        """
        self._reports.keep()
        self._report_by = min(self._deadline, time.monotonic() + REPORTING_SECONDS)
        try:
            with self._signals.raising(LeaveAtOnce), self._interrupted_at_deadline():
                self._receive_known_results()
                self._report_all(report_result)
                self._terminate_all()
                self._report_all(report_result)
        except KeyboardInterrupt:  # also one that a callback of the user raises
            self.was_interrupted = time.monotonic() < self._deadline
        self._abandon()

    def close(self, end: Callable[[], None], *others: Callable[[float], None]) -> None:
        """End threads and processes.

        Args:
            end: Called in a thread, as it may block.
            others: Called in this thread with the maximum time that they may take, in seconds.
        """
        deadline = time.monotonic() + (0.0 if self.was_interrupted else CLOSING_SECONDS)
        try:
            with self._signals.raising(LeaveAtOnce):
                _call_in_thread(end, deadline)
                for close in others:
                    close(max(0.0, deadline - time.monotonic()))
        except LeaveAtOnce:
            self.was_interrupted = True

    # -- results ----------------------------------------------------------------------------------

    def _receive_known_results(self) -> None:
        """Call the callbacks of tasks whose work has ended, and receive their results."""
        for run in self._runs:
            run.start_no_more()
        self._main_thread.receive(0.0)
        while any(run.is_finishing for run in self._runs) and time.monotonic() < self._report_by:
            self._wait()

    def _report_all(self, report_result: Callable[[Result], None]) -> None:
        """Report the results that have arrived, in a thread, as far as time allows."""
        # Luigi puts a result without a status where Ctrl-C interrupts a task in the main thread.
        results = [result for result in self._main_thread.results if result[1]]
        self._main_thread.results.clear()
        self._unreported += len(results)

        def report() -> None:
            for result in results:
                self._reports.send_kept(result[0])
                report_result(result)
                self._unreported -= 1

        if results and self._problem is None:
            self._problem = _call_in_thread(report, self._report_by)

    # -- what still runs --------------------------------------------------------------------------

    def _terminate_all(self) -> None:
        for run in self._runs:
            run.terminate()
        while any(run.is_alive() for run in self._runs) and time.monotonic() < self._deadline:
            self._wait()

    def _wait(self) -> None:
        """Receive results and calls for a moment; results stay in the queue."""
        known = list(self._main_thread.results)
        self._main_thread.results.clear()  # else it would not wait
        self._main_thread.receive(_INTERVAL)
        self._main_thread.results.extendleft(reversed(known))

    def _abandon(self) -> None:
        """End the runs whose cleanup takes too long, and log what was not finished."""
        late = [run for run in self._runs if run.is_alive()]
        for run in late:
            run.terminate()
            run.abandon()
        unreported = self._unreported + sum(bool(each[1]) for each in self._main_thread.results)
        self._main_thread.results.clear()
        after = "at once" if self.was_interrupted else f"after {self._limit:g} s"
        if late:
            logger.warning("Cleanup of %d tasks abandoned %s", len(late), after)
        if unreported:
            logger.warning(
                "Results of %d tasks not reported to Luigi's scheduler: %r",
                unreported,
                self._problem or LeaveAtOnce(),
            )

    # -- time limit -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _interrupted_at_deadline(self) -> Iterator[None]:
        """Interrupt the main thread at the deadline, where it waits for a callback of the user."""
        if not self._signals.is_installed:
            yield
            return
        # A little later, since the waits of this class end by themselves.
        timer = threading.Timer(
            self._deadline + 2 * _INTERVAL - time.monotonic(), self._signals.interrupt
        )
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _call_in_thread(function: Callable[[], None], deadline: float) -> BaseException | None:
    """Call a function in a daemon thread and wait for it; return why it has not succeeded."""
    errors: list[BaseException] = []
    has_ended = threading.Event()

    def work() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - returned to the caller, or too late
            errors.append(error)
        finally:
            has_ended.set()

    threading.Thread(target=work, name="asyncbatch-leaving", daemon=True).start()
    if not has_ended.wait(max(0.0, deadline - time.monotonic())):
        return TimeoutError("no response within the time limit")
    return errors[0] if errors else None
