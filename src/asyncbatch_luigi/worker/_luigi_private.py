"""All private API of Luigi that the worker uses, and the check that this Luigi has it.

Luigi declares everything in its worker module to be private and subject to change. So all of it is
used here and nowhere else, under names of our own, and `unsupported` is called before any of it is
relied on. The names in `_REQUIRED` have hardly changed since Luigi 2.8; 3.2 is the first version
with `luigi.DynamicRequirements`.
"""

import functools
import logging
import queue
import time
from collections.abc import Mapping
from typing import Any, Self

import luigi
import luigi.interface
import luigi.retcodes
import luigi.scheduler
import luigi.worker
from luigi.task_status import FAILED, PENDING, RUNNING

from asyncbatch_luigi import _bridge
from asyncbatch_luigi.worker._child_processes import ChildProcesses
from asyncbatch_luigi.worker._deadlines import Deadlines
from asyncbatch_luigi.worker._garbage_collection import FewerCollections
from asyncbatch_luigi.worker._get_work_pace import GetWorkPace
from asyncbatch_luigi.worker._locked_scheduler import LockedScheduler
from asyncbatch_luigi.worker._main_thread_queue import MainThreadQueue, Result
from asyncbatch_luigi.worker._report_thread import ReportThread, TaskReporter
from asyncbatch_luigi.worker._resources import WorkerResources
from asyncbatch_luigi.worker._run_modes import RunMode, run_mode_of
from asyncbatch_luigi.worker._run_settings import RunSettings
from asyncbatch_luigi.worker._shared_runner import WorkerRunner
from asyncbatch_luigi.worker._signals import SignalHandlers
from asyncbatch_luigi.worker._task_run import TaskRun, terminate_all

logger = logging.getLogger("luigi-interface")

_CLOSING_SECONDS = 5.0

# As Any, since Luigi declares types only in part.
_worker: Any = luigi.worker
_scheduler: Any = luigi.scheduler
_interface: Any = luigi.interface
_retcodes: Any = luigi.retcodes

OLDEST = (3, 2)
NEWEST = (3, 8)

_REQUIRED: dict[Any, tuple[str, ...]] = {
    luigi.interface: ("_run",),
    luigi.worker.Worker: (
        *("_add_task", "_create_task_process", "_get_work", "_handle_next_task"),
        *("_purge_children", "_run_task", "__enter__", "__exit__", "run"),
    ),
    luigi.scheduler.Scheduler: (
        *("_has_resources", "_rank", "_schedulable", "_used_resources", "_update_task_history"),
        *("_update_worker", "count_pending", "get_work", "prune", "update_metrics_task_started"),
    ),
    luigi.scheduler.SimpleTaskState: (
        *("get_active_task_count_for_status", "get_active_tasks_by_status"),
        *("get_active_workers", "get_worker", "set_status"),
    ),
}


def unsupported() -> str | None:
    """Return why the one-process worker does not support this Luigi; None if it does."""
    version = str(luigi.__version__)
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if not OLDEST <= numbers <= NEWEST:
        supported = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
        return f"the one-process worker supports Luigi {supported}, and this is {version}"
    for owner, names in _REQUIRED.items():
        for name in names:
            if not hasattr(owner, name):
                return f"Luigi {version} has no {owner.__name__}.{name}"
    return None


def run_command(arguments: list[str], factory: object) -> None:
    """Run the ``luigi`` command with a factory, which the command itself has no option for."""
    original = _interface._run
    _interface._run = functools.partial(original, worker_scheduler_factory=factory)
    try:
        _retcodes.run_with_retcodes(arguments)
    finally:
        _interface._run = original


# -- the worker -----------------------------------------------------------------------------------


class OneProcessWorker(_worker.Worker):  # type: ignore[misc] # it is Any, see above
    """Luigi's worker, with a `TaskRun` in place of a process for each `BatchTask`."""

    def __init__(
        self,
        scheduler: Any,  # noqa: ANN401 - Luigi's, local or remote
        worker_processes: int,
        assistant: bool,  # noqa: FBT001 - as Luigi calls it
    ) -> None:
        """Create the worker; threads start when it is entered."""
        super().__init__(
            scheduler=LockedScheduler(scheduler),
            worker_processes=worker_processes,
            assistant=assistant,
        )
        from_children: Any = self._task_result_queue
        self._main_thread = MainThreadQueue(from_children)
        self._task_result_queue: Any = self._main_thread  # Luigi's worker reads results from this
        self._reports = ReportThread(self._scheduler.lock)
        self._resources = WorkerResources(self._id, self._main_thread, self._run_settings())
        self._pace = GetWorkPace(self._config.wait_interval)
        self._signals = SignalHandlers()
        self._collections = FewerCollections()
        self._children = ChildProcesses()
        self._deadlines = Deadlines()

    def _run_settings(self) -> RunSettings:
        config = self._config
        return RunSettings(
            checks_requirements=config.check_unfulfilled_deps,
            checks_outputs=config.check_complete_on_run,
            context=config.task_process_context,
            completed=self._task_completion_cache,
        )

    # -- number of processes ----------------------------------------------------------------------

    @property
    def worker_processes(self) -> int:
        """Maximum number of running tasks: always one more than there are.

        Luigi's worker requests no work while it runs this many tasks. Only children are limited
        here, by `ChildProcesses`.
        """
        return self._limit and max(self._limit, len(getattr(self, "_running_tasks", ())) + 1)

    @worker_processes.setter
    def worker_processes(self, limit: int) -> None:
        self._limit = limit

    @_worker.rpc_message_callback  # type: ignore[untyped-decorator] # as above
    def set_worker_processes(self, n: int) -> None:
        """Set the maximum number of children, as requested on the scheduler's page."""
        self.worker_processes = max(1, n)
        self._scheduler.add_worker(self._id, {"workers": self._limit})

    # -- start and end ----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start the threads, share the client with tasks of this process, handle signals."""
        self._collections.start()
        self._resources.start()
        self._reports.start()
        self._previous_runner = _bridge.shared_runner()
        _bridge.share(WorkerRunner(self._resources))
        self._signals.install()
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Terminate what still runs, wait for its cleanup within a time limit, stop the threads."""
        self._signals.ignore()
        try:
            _bridge.share(self._previous_runner)
            runs = [run for run in self._running_tasks.values() if isinstance(run, TaskRun)]
            terminate_all(runs, self._main_thread)
            super().__exit__(*error)
            self._resources.close(_CLOSING_SECONDS)
            self._reports.close(_CLOSING_SECONDS)
        finally:
            self._collections.stop()
            self._signals.restore_all()

    # -- running tasks ----------------------------------------------------------------------------

    def _create_task_process(self, task: Any) -> Any:  # noqa: ANN401 - Luigi's
        mode = run_mode_of(task)
        if mode is RunMode.LUIGI:
            return self._child_process(super()._create_task_process(task))
        messages: queue.Queue[Any] | None = queue.Queue() if task.accepts_messages else None
        reporter = TaskReporter(self._reports, self._scheduler, self._id, task.task_id, messages)
        timeout = self._config.timeout if task.worker_timeout is None else task.worker_timeout
        run = TaskRun(task, mode, self._resources, reporter, timeout)
        self._deadlines.add(run.timeout_time, run)
        return run

    def _child_process(self, process: Any) -> Any:  # noqa: ANN401 - Luigi's
        """Return a process of Luigi's as it may start now: forked, queued, or in this thread."""
        # Luigi decides by `worker_processes > 1`, which is always true here.
        process.use_multiprocessing = (
            self._config.force_multiprocessing
            or self._limit > 1
            or process.timeout_time is not None
        )
        if not process.use_multiprocessing:
            return process
        # A child has a copy of the scheduler or a connection of its own. It must not inherit the
        # lock, which another thread may hold at the moment of the fork.
        process.status_reporter._scheduler = self._scheduler.scheduler
        process.result_queue = self._main_thread.from_children
        self._main_thread.expect_children()
        return self._children.add(process.task.task_id, process, self._limit)

    def _handle_next_task(self) -> None:
        super()._handle_next_task()
        for task_id in self._children.pop_startable(self._running_tasks, self._limit):
            del self._running_tasks[task_id]
            self._run_task(task_id)

    def _purge_children(self) -> None:
        """Report children that died, and terminate runs and children that exceeded their timeout.

        Luigi calls this for each result that it reads.
        """
        now = time.time()
        for task_id, process in self._children.pop_dead_or_late(now):
            if process.is_alive():
                process.terminate()
                self._main_thread.put(self._time_out(process))
            else:
                reason = f"Task {task_id} died unexpectedly with exit code {process.exitcode}"
                process.task.trigger_event(luigi.Event.PROCESS_FAILURE, process.task, reason)
                logger.info(reason)
                self._main_thread.put((task_id, FAILED, reason, [], []))
        for run in self._deadlines.pop_due(now):
            if not run.is_timed_out and run.is_alive():
                _, _, reason, _, _ = self._time_out(run)
                run.time_out(reason)
                self._deadlines.add(now + _bridge.GRACE, run)  # the time limit of its cleanup
            else:
                run.abandon()

    def _time_out(self, process: Any) -> Result:  # noqa: ANN401 - a process, or a `TaskRun`
        task = process.task
        seconds = process.worker_timeout
        reason = f"Task {task.task_id} timed out after {seconds} seconds and was terminated."
        task.trigger_event(luigi.Event.TIMEOUT, task, reason)
        logger.info(reason)
        return task.task_id, FAILED, reason, [], []

    # -- requesting work --------------------------------------------------------------------------

    def _get_work(self) -> Any:  # noqa: ANN401 - Luigi's
        """Request work, after the results of all tasks that have ended, and no more than useful."""
        while True:
            self._signals.check()
            self._main_thread.receive(self._pace.remaining if self._running_tasks else 0.0)
            if self._main_thread.results:
                self._handle_next_task()
            elif not (self._running_tasks and self._pace.remaining):
                break
        self._pace.request_started()
        response = super()._get_work()
        self._pace.request_finished(has_work=response.task_id is not None)
        return response


# -- the local scheduler --------------------------------------------------------------------------


class LuigiScheduler(_scheduler.Scheduler):  # type: ignore[misc] # as _worker
    """Luigi's local scheduler, with public names for what `LocalScheduler` uses of it."""

    def __init__(self) -> None:
        """Create a scheduler without a task history, which only `luigid` records."""
        super().__init__(prune_on_get_work=True, record_task_history=False)

    def get_work_as_luigi(self, **values: Any) -> dict[str, Any]:  # noqa: ANN401 - as Luigi's
        """Return the response of Luigi's own `get_work`."""
        response: dict[str, Any] = super().get_work(**values)
        return response

    def has_one_plain_worker(self, worker_id: str) -> bool:
        """Return whether this is the only worker, without assistants, batches or a pause."""
        workers = list(self._state.get_active_workers())
        return (
            [worker.id for worker in workers] == [worker_id]
            and workers[0].enabled
            and not workers[0].assistant
            and not self._paused
            and not self._state._task_batchers.get(worker_id)
        )

    def note_request(self, worker_id: str, host: str | None) -> None:
        """Note that a worker is active and has requested work."""
        self._update_worker(worker_id, worker_reference={"host": host}, get_work=True)

    def process_limit(self, worker_id: str) -> int:
        """Return how many tasks a worker runs at a time, as it has declared."""
        return int(self._state.get_worker(worker_id).info.get("workers", 1))

    def ranked(self, worker_id: str) -> list[Any]:
        """Return all PENDING tasks, the first to run first.

        If one of the worker's tasks needs resources, RUNNING tasks are included, as they hold some.
        """
        pending = list(self._state.get_active_tasks_by_status(PENDING))
        if any(task.resources for task in pending if worker_id in task.workers):
            pending += self._state.get_active_tasks_by_status(RUNNING)
        return sorted(pending, key=self._rank, reverse=True)

    def is_ready(self, task: Any) -> bool:  # noqa: ANN401 - Luigi's
        """Return whether all requirements of a task are done."""
        return bool(self._schedulable(task))

    def fits(self, needed: Mapping[str, int], used: Mapping[str, int]) -> bool:
        """Return whether resources suffice beside those that are used."""
        return bool(self._has_resources(needed, used))

    def used_resources(self) -> Mapping[str, int]:
        """Return the resources of running tasks."""
        used: Mapping[str, int] = self._used_resources()
        return used

    def response(self, worker_id: str, task: Any, host: str | None) -> dict[str, Any]:  # noqa: ANN401 - Luigi's, or None
        """Set a task RUNNING and return the response of `get_work` that hands it out.

        The counts are those of all workers, of which there is one.
        """
        count = self._state.get_active_task_count_for_status
        unfinished = count(PENDING) + count(FAILED)
        response = {
            "n_pending_tasks": unfinished,
            "n_unique_pending": unfinished,
            "n_pending_last_scheduled": unfinished,
            "worker_state": self._state.get_worker(worker_id).state,
            "running_tasks": [],
            "task_id": None,
        }
        if task is not None:
            self.update_metrics_task_started(task)
            self._state.set_status(task, RUNNING, self._config)
            task.worker_running = worker_id
            task.resources_running = task.resources.copy()
            task.time_running = time.time()
            self._update_task_history(task, RUNNING, host=host)
            response["task_id"] = task.id
            response["task_family"] = task.family
            response["task_module"] = getattr(task, "module", None)
            response["task_params"] = task.params
        return response
