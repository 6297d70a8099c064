"""AWS Batch as a state machine: no sockets, no threads; clock and executor are arguments.

Theory of operation
-------------------
Every job goes SUBMITTED -> (PENDING) -> RUNNABLE -> STARTING -> RUNNING -> SUCCEEDED | FAILED, and
back to RUNNABLE for a retry. Three things drive a transition:

* a request: submit, cancel, terminate.
* a report of the executor about an attempt (`_AttemptReport`).
* a scheduling pass, which the clock calls after a change: it evaluates the submitted jobs, then
  starts the jobs that the scheduler admits. Changes at the same moment share one pass. A pass is
  scheduled and not called directly, so a SubmitJob response still says SUBMITTED, and an executor
  is never called from within its own report.

The end of a job can end others: an array's parent, and the jobs that depend on it. Ended jobs wait
in a queue (`_ended`) until `_settle` handles their consequences one by one. Without it, the failure
of the first in a chain of 10,000 dependent jobs would nest 10,000 calls.

Each transition touches the job, its index and its direct dependents, and nothing else: its cost
does not grow with the number of jobs.
"""

import logging
from collections import deque
from collections.abc import Iterator

from asyncbatch._values.status import JobStatus
from asyncbatch.local._engine.consumables import Consumables
from asyncbatch.local._engine.dependencies import Dependencies, link
from asyncbatch.local._engine.ids import IdMaker
from asyncbatch.local._engine.job_store import JobStore
from asyncbatch.local._engine.jobs import CurrentAttempt, Job, Stop
from asyncbatch.local._engine.launch import build_launch
from asyncbatch.local._engine.log_store import LogStore
from asyncbatch.local._engine.queues import JobQueue
from asyncbatch.local._engine.scheduler import Scheduler
from asyncbatch.local._engine.submission import Submission
from asyncbatch.local._engine.verdict import finished_attempt, judge
from asyncbatch.local._executors.base import Executor, Exit
from asyncbatch.local._time.clock import Clock, epoch_milliseconds

CHILD_FAILED = "Array Child Job failed"
DEPENDENCY_FAILED = "Dependent Job failed"
NOT_STARTED = "Task failed to start"

_LOGGER = logging.getLogger("asyncbatch.local")
_STARTED = (JobStatus.STARTING, JobStatus.RUNNING)


class Engine:
    """Moves jobs from status to status and runs their attempts on an executor.

    Args:
        clock: The engine's clock.
        executor: Runs the attempts; it must be open.
        jobs: The store of all jobs.
        ids: Source of the attempts' task ids.
        logs: Receives the attempts' output.
        vcpus: Number of vCPUs that the jobs share.
        gpus: Number of GPUs that the jobs share.
        consumables: Consumable resources that the jobs share.
        stop_grace: Seconds between the stop of an attempt (SIGTERM) and its forced end (SIGKILL).
    """

    def __init__(
        self,
        *,
        clock: Clock,
        executor: Executor,
        jobs: JobStore,
        ids: IdMaker,
        logs: LogStore,
        vcpus: int,
        stop_grace: float,
        gpus: int = 0,
        consumables: Consumables | None = None,
    ) -> None:
        self._clock = clock
        self._executor = executor
        self._jobs = jobs
        self._ids = ids
        self._logs = logs
        self._stop_grace = stop_grace
        self._scheduler = Scheduler(vcpus, gpus, consumables)
        self._submitted: deque[Job] = deque()
        self._ended: deque[Job] = deque()
        self._is_pass_scheduled = False
        self._is_settling = False
        self._is_closed = False

    # --- requests ---------------------------------------------------------------------------

    def submit(self, submission: Submission, dependencies: Dependencies) -> Job:
        """Add a new job; it is SUBMITTED until the next scheduling pass."""
        job = self._jobs.add(submission)
        link(job, dependencies)
        self._submitted.append(job)
        self._schedule_pass()
        return job

    def terminate(self, job: Job, reason: str) -> None:
        """End a job in any status; an array's parent ends after its children."""
        for target in _with_children(job):
            if target.is_finished:
                continue
            # Set on an array's parent too: `_child_ended` then uses the reason.
            target.stop, target.stop_reason = Stop.TERMINATED, reason
            if target.status in _STARTED:
                self._stop_attempt(target)
            elif target.array is None:
                self._finish(target, JobStatus.FAILED, reason)
        self._settle()

    def cancel(self, job: Job, reason: str) -> None:
        """End a job that has not started; a started job is not affected.

        A PENDING job fails when its dependencies have ended, not earlier, as on AWS.
        """
        for target in _with_children(job):
            if target.is_finished or target.status in _STARTED or target.stop is not None:
                continue
            target.stop, target.stop_reason = Stop.CANCELLED, reason
            if target.array is None and target.status is not JobStatus.PENDING:
                self._finish(target, JobStatus.FAILED, reason)
        self._settle()

    def front_of(self, queue: JobQueue, limit: int) -> list[Job]:
        """Return the first RUNNABLE jobs of a queue, in the order in which they will start."""
        return self._scheduler.front(queue, limit)

    def drop_queue(self, queue: JobQueue) -> None:
        """Terminate all jobs of a deleted queue."""
        for job in self._jobs.of_queue(queue).in_order:
            self.terminate(job, "Job queue was deleted")
        self._scheduler.forget(queue)

    def resources_changed(self) -> None:
        """Start jobs that waited for consumable resources, of which there are more now."""
        self._schedule_pass()

    def close(self) -> None:
        """Start no more attempts; running ones continue until the executor ends them."""
        self._is_closed = True

    # --- from SUBMITTED to STARTING ---------------------------------------------------------

    def _schedule_pass(self) -> None:
        if not self._is_pass_scheduled:
            self._is_pass_scheduled = True
            self._clock.call_later(0, self._run_pass)

    def _run_pass(self) -> None:
        self._is_pass_scheduled = False
        while self._submitted:
            self._evaluate(self._submitted.popleft())
        self._settle()
        if not self._is_closed:
            for job in self._scheduler.admit():
                self._start(job)

    def _evaluate(self, job: Job) -> None:
        if job.is_finished:
            return
        # PENDING jobs wait for other jobs; an array's parent waits for its children.
        if job.blockers > 1 or job.array is not None:
            for waiting in _with_children(job):
                if not waiting.is_finished:
                    self._jobs.move(waiting, JobStatus.PENDING)
        self._unblock(job)

    def _unblock(self, job: Job) -> None:
        """Remove one blocker; the job is ready when none is left."""
        if job.is_finished:
            return
        # Not checked on submission, because a SubmitJob response always says SUBMITTED.
        if job.dependency_failed:
            self._fail_with_children(job, DEPENDENCY_FAILED)
            return
        job.blockers -= 1
        if job.blockers == 0:
            self._ready(job)

    def _ready(self, job: Job) -> None:
        if job.array is not None:
            for child in job.array.children:
                self._unblock(child)
        elif job.stop is not None:
            self._finish(job, JobStatus.FAILED, job.stop_reason)
        else:
            self._make_runnable(job)

    def _make_runnable(self, job: Job) -> None:
        job.queued_at = epoch_milliseconds(self._clock)
        job.status_reason = None
        self._jobs.move(job, JobStatus.RUNNABLE)
        self._scheduler.enqueue(job)
        self._schedule_pass()

    def _start(self, job: Job) -> None:
        number = len(job.attempts) + 1
        job.current = CurrentAttempt(number=number, task_id=self._ids.task_id())
        self._jobs.move(job, JobStatus.STARTING)
        # Numbers instead of ids, so that an attempt's random numbers depend only on the seed.
        position = "" if job.position is None else job.position
        sequence = job.sequence if job.parent is None else job.parent.sequence
        launch = build_launch(job, number, self._ids.rng_for(sequence, position, number))
        report = _AttemptReport(self, job, job.current)
        try:
            job.current.process = self._executor.start(launch, report)
        except Exception as error:  # an executor is user code: its errors must not stop other jobs
            _LOGGER.exception("Executor failed to start an attempt of job %s", job.id)
            # Later, because a report must not come from within `start`.
            cause = Exit(exit_code=None, reason=repr(error), status_reason=NOT_STARTED)
            self._clock.call_later(0, report.exited, cause)

    # --- attempts ---------------------------------------------------------------------------

    def attempt_running(self, job: Job, attempt: CurrentAttempt) -> None:
        """Handle the start of an attempt's command: the job is RUNNING and has a log stream."""
        job.started_at = epoch_milliseconds(self._clock)
        if job.parent is not None and job.parent.started_at is None:
            job.parent.started_at = job.started_at
        # AWS names the log stream only when the attempt runs; the name ends with the ECS task's id.
        log = job.spec.log
        if log is not None:
            name = f"{log.prefix}/default/{attempt.task_id}"
            attempt.log_stream = self._logs.create_stream(log.group, name)
        if job.spec.timeout_seconds is not None:
            attempt.timeout = self._clock.call_later(job.spec.timeout_seconds, self._time_out, job)
        self._jobs.move(job, JobStatus.RUNNING)

    def attempt_wrote(self, attempt: CurrentAttempt, message: str) -> None:
        """Store a line of an attempt's output."""
        if attempt.log_stream is not None:
            self._logs.append(attempt.log_stream, message)

    def attempt_exited(self, job: Job, attempt: CurrentAttempt, exit: Exit) -> None:  # noqa: A002 (AWS's and POSIX's term)
        """Handle the end of an attempt: retry the job or end it."""
        if attempt.timeout is not None:
            attempt.timeout.cancel()
        job.current = None
        self._scheduler.release(job)
        finished = finished_attempt(job, attempt, exit, epoch_milliseconds(self._clock))
        job.attempts.append(finished)
        verdict = judge(job, finished)
        if verdict.status is JobStatus.RUNNABLE:
            self._make_runnable(job)
        else:
            self._finish(job, verdict.status, verdict.reason)
        self._settle()
        self._schedule_pass()  # resources are free now

    def _time_out(self, job: Job) -> None:
        if job.stop is None:
            job.stop = Stop.TIMED_OUT
            self._stop_attempt(job)

    def _stop_attempt(self, job: Job) -> None:
        if job.current is not None and job.current.process is not None:
            job.current.process.stop(self._stop_grace)

    # --- ends -------------------------------------------------------------------------------

    def _finish(self, job: Job, status: JobStatus, reason: str | None) -> None:
        job.status_reason = reason
        job.stopped_at = epoch_milliseconds(self._clock)
        self._jobs.move(job, status)
        self._ended.append(job)
        if job.consumed:
            self._scheduler.finish(job)
            self._schedule_pass()

    def _fail_with_children(self, job: Job, reason: str) -> None:
        """Fail a job whose dependencies failed; an array's parent fails after its children."""
        for target in _with_children(job):
            if target.array is None and not target.is_finished:
                self._finish(target, JobStatus.FAILED, target.stop_reason or reason)

    def _settle(self) -> None:
        """Handle the consequences of ended jobs, which may end more jobs.

        Called from within itself it returns immediately: the outer call handles the rest.
        """
        if self._is_settling:
            return
        self._is_settling = True
        while self._ended:
            job = self._ended.popleft()
            if job.parent is not None:
                self._child_ended(job.parent)
            for dependent in job.dependents:
                if job.status is JobStatus.SUCCEEDED:
                    self._unblock(dependent)
                elif not dependent.is_finished:
                    self._fail_with_children(dependent, DEPENDENCY_FAILED)
            job.dependents.clear()
        self._is_settling = False

    def _child_ended(self, parent: Job) -> None:
        array = parent.array
        if array is None or parent.is_finished or array.finished < len(array.children):
            return
        if array.index.count(JobStatus.FAILED) == 0:
            self._finish(parent, JobStatus.SUCCEEDED, None)
        elif parent.stop is not None:
            self._finish(parent, JobStatus.FAILED, parent.stop_reason)
        else:
            self._finish(parent, JobStatus.FAILED, self._failure_of_array(parent))

    @staticmethod
    def _failure_of_array(parent: Job) -> str:
        # An array whose own dependency failed never got its blockers down to zero.
        never_ran = parent.blockers > 0
        return DEPENDENCY_FAILED if never_ran else CHILD_FAILED


class _AttemptReport:
    """The `AttemptEvents` of one attempt: forwards the executor's reports to the engine."""

    __slots__ = ("_attempt", "_engine", "_job")

    def __init__(self, engine: Engine, job: Job, attempt: CurrentAttempt) -> None:
        self._engine = engine
        self._job = job
        self._attempt = attempt

    def running(self) -> None:
        self._engine.attempt_running(self._job, self._attempt)

    def line(self, message: str) -> None:
        self._engine.attempt_wrote(self._attempt, message)

    def exited(self, exit: Exit) -> None:  # noqa: A002 (AWS's and POSIX's term)
        self._engine.attempt_exited(self._job, self._attempt, exit)


def _with_children(job: Job) -> Iterator[Job]:
    """Yield a job and, if it is an array's parent, its children."""
    yield job
    if job.array is not None:
        yield from job.array.children
