"""One run of a task in the worker's process, as a coroutine or in a thread.

It has the shape of Luigi's `TaskProcess` and does what that does, in the same order. Whatever waits
happens elsewhere: on the loop, or in threads. Each step after that is a call in the worker's main
thread, so events and callbacks are made there, one at a time.
"""

import asyncio
import contextlib
import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import luigi
from luigi.task import flatten as _flatten
from luigi.task_status import DONE, FAILED, PENDING
from luigi.worker import TaskException

from asyncbatch_luigi.worker._loop_thread import LoopTask
from asyncbatch_luigi.worker._report_thread import TaskReporter
from asyncbatch_luigi.worker._resources import WorkerResources, run_in_name_of
from asyncbatch_luigi.worker._signals import Terminated

flatten: Any = _flatten  # it declares no types

logger = logging.getLogger("luigi-interface")


class TaskRun(ABC):
    """One run of a task.

    Attributes:
        task: The task.
        worker_id: Luigi's name of the worker.
        status_reporter: What the task reports with.
        worker_timeout: Seconds that the run may take; 0 for as long as it likes.
        timeout_time: When it has taken too long, in seconds since 1970; None for never.
        use_multiprocessing: That it has no process of its own.
        exitcode: That there is nothing of the kind.
    """

    use_multiprocessing = False
    exitcode = None

    def __init__(
        self,
        task: Any,  # noqa: ANN401 - a luigi.Task, whose attributes have no types
        crew: WorkerResources,
        reporter: TaskReporter,
        worker_timeout: float,
    ) -> None:
        """Remember all; `run` begins."""
        self.task = task
        self.worker_id = crew.worker_id
        self.status_reporter = reporter
        self.worker_timeout = worker_timeout
        self.timeout_time = time.time() + worker_timeout if worker_timeout else None
        self._crew = crew
        self._context = contextlib.ExitStack()
        self._running: LoopTask | None = None
        self._missing: list[str] = []
        self._began = 0.0
        self._is_alive = True
        self._is_terminated = False
        self._verdict: str | None = None

    # -- what Luigi's worker asks of a process ----------------------------------------------------

    def run(self) -> None:
        """Begin, and return at once."""
        logger.info("[pid %s] Worker %s running   %s", os.getpid(), self.worker_id, self.task)
        self._step(self._enter)

    def is_alive(self) -> bool:
        """Return whether it goes on."""
        return self._is_alive

    def terminate(self) -> None:
        """Cancel the coroutine that the task is, or waits for; nothing is heard of it any more."""
        self._is_terminated = True
        if self._running is not None:
            self._running.cancel()

    # -- what our worker asks besides -------------------------------------------------------------

    def time_out(self, verdict: str) -> None:
        """Terminate; tell the scheduler why as soon as the cleanup has ended."""
        self._verdict = verdict
        self.terminate()

    def abandon(self) -> None:
        """Wait no longer for the cleanup of what was terminated."""
        if self._is_alive:
            self._end_terminated()

    def check(self) -> None:
        """Raise, in the task's thread, if it is to end.

        Raises:
            CancelledError: It is.
        """
        if self._is_terminated:
            raise asyncio.CancelledError

    def waits_for(self, running: LoopTask) -> None:
        """Hear, in the task's thread, which coroutine it waits for."""
        self._running = running
        if self._is_terminated:
            running.cancel()

    @property
    def is_timed_out(self) -> bool:
        """Whether it was told that its time is over."""
        return self._verdict is not None

    # -- the steps, each in the main thread -------------------------------------------------------

    def _step(self, function: Callable[..., None], *values: object) -> None:
        """Take a step; an error in it is the task's failure."""
        if not self._is_alive:
            return
        try:
            if self._is_terminated:
                self._end_terminated()
            else:
                function(*values)
        except (KeyboardInterrupt, Terminated):
            # No further step will come to end this, unless there is something to cancel.
            self._is_alive = self._running is not None and not self._running.outcome.done()
            raise
        except BaseException as error:  # noqa: BLE001 - as Luigi: SystemExit, too, is a failure
            self._fail(error)

    def _enter(self) -> None:
        if self._crew.ways.context is not None:
            self._context.enter_context(self._crew.ways.context(self))
        requirements = self.task.deps() if self._crew.ways.checks_requirements else []
        if not requirements:
            self._start()
            return
        self._ask(lambda: _missing(requirements, self._crew.ways.is_complete), self._know_missing)

    def _know_missing(self, missing: list[str]) -> None:
        if missing:
            self._missing = missing
            what = "dependency" if len(missing) == 1 else "dependencies"
            raise RuntimeError(f"Unfulfilled {what} at run time: {', '.join(missing)}")
        self._start()

    def _start(self) -> None:
        self.task.trigger_event(luigi.Event.START, self.task)
        self._began = time.time()
        self._crew.ways.forward(self.task, self.status_reporter)
        self._work()

    @abstractmethod
    def _work(self) -> None:
        """Begin the task's own work; `_worked` hears of its end."""

    def _worked(self, new_requirements: list[Any] | None) -> None:
        if new_requirements:
            logger.info(
                "[pid %s] Worker %s new requirements      %s",
                os.getpid(),
                self.worker_id,
                self.task,
            )
            self._end(PENDING, new_requirements=new_requirements)
        elif self._crew.ways.checks_outputs:
            self._ask(lambda: self._crew.ways.is_complete(self.task), self._know_complete)
        else:
            self._crew.ways.note_complete(self.task)
            self._succeed()

    def _know_complete(self, is_complete: bool) -> None:  # noqa: FBT001 - an answer
        if not is_complete:
            raise TaskException("Task finished running, but complete() is still returning false.")
        self._succeed()

    def _succeed(self) -> None:
        task = self.task
        task.trigger_event(luigi.Event.PROCESSING_TIME, task, time.time() - self._began)
        explanation = task.on_success()
        logger.info("[pid %s] Worker %s done      %s", os.getpid(), self.worker_id, task)
        task.trigger_event(luigi.Event.SUCCESS, task)
        self._end(DONE, explanation)

    def _fail(self, error: BaseException) -> None:
        """Tell of a failure, while the error is the current one: that is what callbacks look at."""
        explanation: object = ""
        try:
            raise error  # noqa: TRY301 - or it would not be the current one
        except BaseException:
            logger.exception(
                "[pid %s] Worker %s failed    %s", os.getpid(), self.worker_id, self.task
            )
            self.task.trigger_event(luigi.Event.FAILURE, self.task, error)
            try:
                explanation = self.task.on_failure(error)
            except Exception:
                logger.exception("on_failure() of %s failed", self.task)
        self._end(FAILED, explanation)

    def _end_terminated(self) -> None:
        if self._verdict is None:  # the worker ends: nobody is there to be told
            self._leave()
        else:
            self._end(FAILED, self._verdict)

    def _end(
        self, status: str, explanation: object = None, new_requirements: list[Any] | None = None
    ) -> None:
        self._leave()
        self._crew.mailbox.put(
            (self.task.task_id, status, explanation, self._missing, new_requirements or [])
        )

    def _leave(self) -> None:
        self._is_alive = False
        self._crew.ways.forward(self.task, None)
        self.status_reporter.finish()
        try:
            self._context.close()
        except Exception:
            logger.exception("The task_process_context of %s did not end well", self.task)

    # -- help with what happens elsewhere ---------------------------------------------------------

    def _later(self, step: Callable[..., None], outcome: "Future[Any]") -> None:
        """Take a step with an outcome, or fail with it, when the main thread comes to that."""

        def take() -> None:
            step(outcome.result())

        self._crew.mailbox.call(lambda: self._step(take))

    def _ask(self, question: Callable[[], object], then: Callable[..., None]) -> None:
        """Ask in a thread, and take the next step with the answer."""
        self._crew.checks.start(lambda: self._later(then, _outcome(question)))


class CoroutineRun(TaskRun):
    """A run on the worker's loop and client."""

    def _work(self) -> None:
        running = self._running = self._crew.begin(self.task._run_on)  # noqa: SLF001 - our task
        running.outcome.add_done_callback(lambda outcome: self._later(self._worked, outcome))


class ThreadRun(TaskRun):
    """A run in a thread of its own; what it awaits runs on the worker's loop and client."""

    def _work(self) -> None:
        def run() -> object:
            ways = self._crew.ways
            return run_in_name_of(self, lambda: ways.run(self.task, ways.is_complete))

        self._crew.threads.start(lambda: self._later(self._worked, _outcome(run)))


def _outcome(function: Callable[[], object]) -> "Future[Any]":
    """Call a function; return what came of it, whatever that is."""
    outcome: Future[Any] = Future()
    try:
        outcome.set_result(function())
    except BaseException as error:  # noqa: BLE001 - as above
        outcome.set_exception(error)
    return outcome


def _missing(requirements: list[Any], is_complete: Callable[[Any], bool]) -> list[str]:
    """Return the requirements that are not complete, with their outputs that do not exist."""
    missing: list[str] = []
    for task in requirements:
        if not is_complete(task):
            outputs = [output for output in flatten(task.output()) if not output.exists()]
            named = f" ({', '.join(map(str, outputs))})" if outputs else ""
            missing.append(task.task_id + named)
    return missing
