"""One run of a `BatchTask` in the worker's process.

Theory of operation
-------------------
`TaskRun` takes the place of Luigi's `TaskProcess` and does what that does, in the same order. The
coroutine `TaskRun._run` is the whole run, from top to bottom. All of its code runs in the worker's
main thread, so that events and callbacks happen there, one at a time. What blocks is started
elsewhere - on the event loop or in a thread - and returns a `concurrent.futures.Future`:

    outcome = await done(self._start_task())

suspends the coroutine until the future is done. The main thread belongs to Luigi, so no asyncio
loop can run the coroutine there; `_resume` does. It advances the coroutine to its next `await`, and
when the future is done, has itself called again through the main thread's queue. Each wait costs
one switch to another thread and one back.

Python turns a StopIteration that leaves a coroutine into a RuntimeError. So that a task's failure
handlers get the error that the task raised, results are read with `outcome.result()` in `_run`
itself, and everything that it awaits is a future.

The end of a run
----------------
A run that is terminated has the coroutine on the event loop cancelled, once. When its cleanup has
ended, `_Terminate` is raised at the `await`. If the cleanup takes too long, `abandon` raises it
there without waiting. KeyboardInterrupt and `Terminated` leave the coroutine and the main thread.
"""

import asyncio
import contextlib
import functools
import importlib
import logging
import os
import time
import types
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import luigi
from luigi.task import flatten as _flatten
from luigi.task_status import DONE, FAILED, PENDING
from luigi.worker import TaskException

from asyncbatch_luigi._run_clock import RunClock, run_clock
from asyncbatch_luigi._tracebacks import trim
from asyncbatch_luigi.worker._dynamic_requirements import run_until_new_requirements
from asyncbatch_luigi.worker._loop_thread import LoopTask
from asyncbatch_luigi.worker._report_thread import ReportedCalls, attach, detach
from asyncbatch_luigi.worker._resources import WorkerResources
from asyncbatch_luigi.worker._run_modes import RunMode
from asyncbatch_luigi.worker._shared_runner import WorkerRunner
from asyncbatch_luigi.worker._signals import Terminated

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

flatten: Any = _flatten  # it declares no types

logger = logging.getLogger("luigi-interface")


class _Terminate(BaseException):
    """Raised at the `await` of a run that was terminated."""


class _End(NamedTuple):
    """How a run ended, in Luigi's terms."""

    status: str
    explanation: object = None
    new_requirements: list[Any] | None = None


class _Closed(GeneratorExit):
    """Raised at the `await` of a run that is closed; a task may raise GeneratorExit itself."""


@types.coroutine
def done(outcome: "Future[T]") -> Generator["Future[T]", None, "Future[T]"]:
    """Suspend a run until a future is done; return the future."""
    try:
        yield outcome
    except GeneratorExit:
        raise _Closed from None
    return outcome


class TaskRun:
    """One run of a task, in the shape of Luigi's `TaskProcess`.

    Attributes:
        task: The task.
        process: Luigi's process of the task, which is never started; it holds Luigi's settings.
        status_reporter: Sends the reports of the task.
        worker_timeout: Maximum duration of the run in seconds; 0 for no limit.
        clock: Measures the time that counts for that; None without a limit.
        timeout_time: None: it is not for Luigi's worker to terminate the run.
        use_multiprocessing: False: the run has no process of its own.
        exitcode: None, as there is no process that could exit.
    """

    use_multiprocessing = False
    exitcode = None
    timeout_time = None

    def __init__(
        self,
        process: Any,  # noqa: ANN401 - Luigi's, which has no types
        mode: RunMode,
        resources: WorkerResources,
        runner: WorkerRunner,
        reported_calls: ReportedCalls,
    ) -> None:
        """Store the values; `run` starts the run."""
        self.process = process
        self.task = process.task
        self.status_reporter = process.status_reporter
        self.worker_timeout = process.worker_timeout
        self.clock = RunClock(self.worker_timeout) if process.timeout_time else None
        self._mode = mode
        self._resources = resources
        self._runner = runner
        self._reported_calls = reported_calls
        self._coroutine: Coroutine[Any, None, None]
        self._context = contextlib.ExitStack()
        self._loop_task: LoopTask | None = None
        self._work: Future[Any] | None = None
        self._may_start = True
        self._started_at = 0.0
        self._missing: list[str] = []
        self._is_running = False
        self._is_terminated = False
        self._timeout_reason: str | None = None

    # -- the interface of Luigi's `TaskProcess` ---------------------------------------------------

    def run(self) -> None:
        """Start the run, and return at its first wait."""
        self._log("running  ")
        self._coroutine = self._run()
        self._is_running = True
        self._resume()

    def is_alive(self) -> bool:
        """Return whether the run, or the coroutine on the event loop, has not ended yet."""
        # After a KeyboardInterrupt the run has ended, and its coroutine has yet to be cancelled.
        loop_task_runs = self._loop_task is not None and not self._loop_task.outcome.done()
        return self._is_running or loop_task_runs

    def terminate(self) -> None:
        """Cancel what the run waits for on the event loop; the run reports no result."""
        self._is_terminated = True
        if self._loop_task is not None:
            self._loop_task.cancel()

    # -- for this worker --------------------------------------------------------------------------

    def time_out(self, reason: str) -> None:
        """Terminate; when the cleanup has ended, report the task as failed for this reason."""
        self._timeout_reason = reason
        if self.clock is not None:
            self.clock.is_over = True
        self.terminate()

    @property
    def is_timed_out(self) -> bool:
        """Whether the run has exceeded its maximum duration."""
        return self._timeout_reason is not None

    def start_no_more(self) -> None:
        """End the run before the task's own work starts, if that has not started yet."""
        self._may_start = False

    @property
    def is_finishing(self) -> bool:
        """Whether the task's own work has ended, and its result has yet to be put."""
        return self._is_running and self._work is not None and self._work.done()

    def abandon(self) -> None:
        """End the run without waiting any longer for its cleanup."""
        if self._is_running:
            self._advance(lambda: self._coroutine.throw(_Terminate()))

    # -- for the thread of an overridden `run` ----------------------------------------------------

    def raise_if_terminated(self) -> None:
        """Raise if the run was terminated.

        Raises:
            CancelledError: It was.
        """
        if self._is_terminated:
            raise asyncio.CancelledError

    def set_loop_task(self, loop_task: LoopTask) -> None:
        """Store the coroutine that the thread waits for; cancel it if the run was terminated."""
        self._loop_task = loop_task
        if self._is_terminated:
            loop_task.cancel()

    # -- the run, in the main thread --------------------------------------------------------------

    def _resume(self) -> None:
        """Continue `_run` to its next `await`, or to its end."""
        if not self._is_running:  # it was abandoned, and what it waited for has ended only now
            return
        if self._is_terminated and not self._has_succeeded:
            self.abandon()
        else:
            self._advance(lambda: self._coroutine.send(None))

    @property
    def _has_succeeded(self) -> bool:
        """Whether the task's own work succeeded in the moment in which the run was terminated."""
        work = self._work
        is_known = work is not None and work.done() and not self.is_timed_out
        return is_known and work is not None and work.exception() is None

    def _advance(self, resume: "Callable[[], Future[Any]]") -> None:
        try:
            outcome = resume()
            outcome.add_done_callback(lambda _: self._resources.main_thread.call(self._resume))
        except StopIteration:
            self._is_running = False
        except BaseException:  # KeyboardInterrupt or Terminated: the main thread leaves the worker
            self._is_running = False
            raise

    async def _run(self) -> None:
        """Do what Luigi's `TaskProcess.run` does, in the same order."""
        task, process = self.task, self.process
        end: _End | None
        try:
            self._enter_context()

            requirements = task.deps() if process.check_unfulfilled_deps else []
            if requirements:
                check = self._call_in_thread(lambda: _missing(requirements, process.check_complete))
                self._missing = (await done(check)).result()
                _raise_if_missing(self._missing)

            self._begin()
            new_requirements = (await done(self._start_task())).result()

            if new_requirements:
                self._log("new requirements     ")
                end = _End(PENDING, new_requirements=new_requirements)
            else:
                if process.check_complete_on_run:
                    output_check = self._call_in_thread(lambda: process.check_complete(task))
                    _raise_unless_complete((await done(output_check)).result())
                elif process.task_completion_cache is not None:
                    process.task_completion_cache[task.task_id] = True
                end = self._succeed(time.time() - self._started_at)
        except (KeyboardInterrupt, Terminated, _Closed):
            raise
        except _Terminate:
            # Without a reason the whole worker ends, and no result is read any more.
            end = _End(FAILED, self._timeout_reason) if self._timeout_reason else None
        except BaseException as error:  # as in Luigi: even a SystemExit is a failure
            trim(error)
            logger.exception(
                "[pid %s] Worker %s failed    %s", os.getpid(), process.worker_id, task
            )
            end = _End(FAILED, self._call_failure_handlers(error))
        self._clean_up()
        self._put(end)

    def _enter_context(self) -> None:
        """Enter the ``task_process_context``, the name of a class, as Luigi does."""
        if self.process.context:
            module, name = self.process.context.rsplit(".", 1)
            context = getattr(importlib.import_module(module), name)(self.process)
            self._context.enter_context(context)

    def _begin(self) -> None:
        if not self._may_start:
            raise _Terminate
        self.task.trigger_event(luigi.Event.START, self.task)
        self._started_at = time.time()
        attach(self.process)

    def _start_task(self) -> "Future[list[Any] | None]":
        """Start the task's own work; the future has the requirements that it yielded, if any."""
        self._work = self._new_work()
        return self._work

    def _new_work(self) -> "Future[list[Any] | None]":
        if self._mode is RunMode.COROUTINE:
            with run_clock(self.clock):
                self._loop_task = self._resources.run_with_client(
                    self.task._asyncbatch_start  # noqa: SLF001 - of this package
                )
            return self._loop_task.outcome
        run = functools.partial(run_until_new_requirements, self.task, self.process.check_complete)
        return self._resources.run_threads.submit(lambda: self._call_with_clock(run))

    def _call_with_clock(self, function: Callable[[], T]) -> T:
        with run_clock(self.clock):
            return self._runner.call(function, self)

    def _call_in_thread(self, function: Callable[[], T]) -> "Future[T]":
        """Call `complete()` in a thread, as it may take its time: often it is a request to S3."""
        return self._resources.complete_threads.submit(lambda: self._runner.call(function))

    def _succeed(self, seconds: float) -> _End:
        """Call the task's handlers of a success."""
        self.task.trigger_event(luigi.Event.PROCESSING_TIME, self.task, seconds)
        explanation = self.task.on_success()
        self._log("done     ")
        self.task.trigger_event(luigi.Event.SUCCESS, self.task)
        return _End(DONE, explanation)

    def _call_failure_handlers(self, error: BaseException) -> object:
        """Call the task's handlers of a failure; return the explanation for the scheduler.

        Called while the error is the current exception: Luigi's own `on_failure` formats that.
        """
        self.task.trigger_event(luigi.Event.FAILURE, self.task, error)
        try:
            return self.task.on_failure(error)
        except (KeyboardInterrupt, Terminated):
            raise
        except BaseException:  # a SystemExit of one task must not end all others
            logger.exception("on_failure() raised an exception in %s", self.task)
            return ""

    def _clean_up(self) -> None:
        detach(self.process)
        try:
            self._context.close()
        except Exception:
            logger.exception("task_process_context raised an exception at the end of %s", self.task)
        self._reported_calls.close()

    def _put(self, end: _End | None) -> None:
        """Put the result into the queue from which Luigi's worker reads it."""
        if end is not None:
            new_requirements = end.new_requirements or []
            self._resources.main_thread.put(
                (self.task.task_id, end.status, end.explanation, self._missing, new_requirements)
            )

    def _log(self, event: str) -> None:
        """Log an event of the run, in the words and columns of Luigi's own worker."""
        logger.info(
            "[pid %s] Worker %s %s %s", os.getpid(), self.process.worker_id, event, self.task
        )


def _raise_if_missing(missing: list[str]) -> None:
    if missing:
        noun = "dependency" if len(missing) == 1 else "dependencies"
        raise RuntimeError(f"Unfulfilled {noun} at run time: {', '.join(missing)}")


def _raise_unless_complete(is_complete: bool) -> None:  # noqa: FBT001 - the result of a check
    if not is_complete:
        raise TaskException("Task finished running, but complete() is still returning false.")


def _missing(requirements: list[Any], is_complete: Callable[[Any], bool]) -> list[str]:
    """Return the requirements that are not complete, with their outputs that do not exist."""
    missing: list[str] = []
    for task in requirements:
        if not is_complete(task):
            outputs = [output for output in flatten(task.output()) if not output.exists()]
            named = f" ({', '.join(map(str, outputs))})" if outputs else ""
            missing.append(task.task_id + named)
    return missing
