"""All private API of Luigi that the worker uses, and the check that this Luigi has it.

Luigi declares everything in its worker module to be private and subject to change. So all of it is
used here and nowhere else, under names of our own, and `unsupported` is called before any of it is
relied on. The names in `_REQUIRED` have hardly changed since Luigi 2.8; 3.6 is the first version
that the package may be installed with.
"""

import functools
import math
import queue
import threading
import time
from collections.abc import Mapping
from typing import Any, Self

import luigi
import luigi.interface
import luigi.retcodes
import luigi.scheduler
import luigi.worker
from luigi.scheduler import WORKER_STATE_ACTIVE
from luigi.task_status import PENDING, RUNNING

from asyncbatch_luigi import _bridge
from asyncbatch_luigi._current_runner import activate, deactivate
from asyncbatch_luigi._scheduler_reports import mark_as_instant
from asyncbatch_luigi._tracebacks import trim
from asyncbatch_luigi.worker._garbage_collection import FewerCollections
from asyncbatch_luigi.worker._leaving import Leaving
from asyncbatch_luigi.worker._main_thread_queue import MainThreadQueue, Result
from asyncbatch_luigi.worker._registration import owner_of
from asyncbatch_luigi.worker._report_thread import ReportedCalls, ReportThread
from asyncbatch_luigi.worker._resources import WorkerResources
from asyncbatch_luigi.worker._run_modes import RunMode, run_mode_of
from asyncbatch_luigi.worker._scheduler_proxy import SchedulerProxy
from asyncbatch_luigi.worker._shared_runner import WorkerRunner
from asyncbatch_luigi.worker._signals import MAIN_THREAD_SIGNALS, SignalHandlers
from asyncbatch_luigi.worker._task_run import TaskRun
from asyncbatch_luigi.worker._timeouts import Timeouts

# As Any, since Luigi declares types only in part.
_worker: Any = luigi.worker
_scheduler: Any = luigi.scheduler
_interface: Any = luigi.interface
_retcodes: Any = luigi.retcodes

OLDEST = (3, 6)
NEWEST = (3, 8)

_REQUIRED: dict[Any, tuple[str, ...]] = {
    luigi.interface: ("_run",),
    luigi.worker.TaskProcess: ("forward_reporter_attributes",),
    luigi.worker.Worker: (
        *("_create_task_process", "_get_work", "_handle_next_task", "_purge_children"),
        *("__enter__", "__exit__"),
    ),
    luigi.scheduler.Scheduler: (
        *("_has_resources", "_rank", "_schedulable", "_update_worker"),
        *("count_pending", "get_work", "prune", "update_metrics_task_started"),
    ),
    luigi.scheduler.SimpleTaskState: (
        *("get_active_tasks_by_status", "get_active_workers", "set_status"),
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


def allow_builds_in_threads() -> None:
    """Make Luigi's own workers usable in all threads of this process, from now on.

    They handle SIGUSR1, and Python allows handlers in the main thread only. A task's `run` may
    start a build: in Luigi's workers the main thread runs it, here it may be another thread.
    """
    _worker.signal = MAIN_THREAD_SIGNALS


def run_command(arguments: list[str], factory: object) -> None:
    """Run the ``luigi`` command with a factory, which the command itself has no option for."""
    original = _interface._run
    _interface._run = functools.partial(original, worker_scheduler_factory=factory)
    try:
        _retcodes.run_with_retcodes(arguments)
    finally:
        _interface._run = original


# -- the worker -----------------------------------------------------------------------------------


class _ProcessLimit(int):
    """A number of processes that no number of running tasks reaches.

    Luigi's worker requests no work while it runs as many tasks as it has processes. Here only
    ordinary tasks are limited, by `SchedulerProxy`.
    """

    def __le__(self, _running: object) -> bool:
        """Return False; Python asks the subclass of int first, also in ``running >= limit``."""
        return False


class OneProcessWorker(_worker.Worker):  # type: ignore[misc] # it is Any, see above
    """Luigi's worker, with a `TaskRun` in place of a process for each `BatchTask`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as Luigi calls it
        """Create the worker with the arguments of Luigi's; threads start when it is entered."""
        if threading.current_thread() is not threading.main_thread():
            # That of SIGUSR1: Python allows handlers in the main thread only.
            kwargs["no_install_shutdown_handler"] = True
        super().__init__(*args, **kwargs)
        self._scheduler: Any = SchedulerProxy(
            self._scheduler, self._id, self._limit, self._is_batch_task, self._config.wait_interval
        )
        from_children: Any = self._task_result_queue
        self._main_thread = MainThreadQueue(from_children)
        self._task_result_queue: Any = self._main_thread  # Luigi's worker reads results from this
        self._reports = ReportThread(self._scheduler)
        self._resources = WorkerResources(self._main_thread)
        self._runner = WorkerRunner(self._resources)
        self._signals = SignalHandlers()
        self._collections = FewerCollections()
        self._timeouts = Timeouts()
        self._purge_due = math.inf
        self._is_leaving = False

    def _is_batch_task(self, task_id: str) -> bool:
        """Return whether a task is one that runs in this process, and not in Luigi's way."""
        task = self._scheduled_tasks.get(task_id)
        return task is not None and run_mode_of(task) is not RunMode.LUIGI

    @property
    def worker_processes(self) -> int:
        """Maximum number of ordinary tasks that run at a time; 0 to run none at all."""
        return self._limit

    @worker_processes.setter
    def worker_processes(self, limit: int) -> None:
        self._limit = _ProcessLimit(limit)

    # -- start and end ----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start the threads, share the client with tasks of this process, handle signals."""
        self._collections.start()
        self._resources.start()
        self._reports.start()
        activate(self._runner)
        self._signals.install()
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Report known results, cancel what still runs, stop the threads: see `_leaving`."""
        if isinstance(error[1], KeyboardInterrupt):
            trim(error[1])
        self._signals.leave()
        self._is_leaving = True
        runs = [run for run in self._running_tasks.values() if isinstance(run, TaskRun)]
        leaving = Leaving(runs, self._main_thread, self._reports, self._signals, _bridge.GRACE)
        try:
            deactivate(self._runner)
            if self._running_tasks:
                leaving.finish_tasks(self._report_result)
            leaving.close(
                lambda: self._end_luigis_worker(error), self._resources.close, self._reports.close
            )
        finally:
            self._collections.stop()
            self._signals.restore_all()
        if leaving.was_interrupted and not any(error):
            raise KeyboardInterrupt

    def _report_result(self, result: Result) -> None:
        """Report a result as Luigi's worker does with one that it reads from its queue."""
        self._task_result_queue = queue.SimpleQueue()
        self._task_result_queue.put(result)
        super()._handle_next_task()

    def _end_luigis_worker(self, error: tuple[object, ...]) -> None:
        # Luigi ends its children only after its pings, which may wait for a `luigid` that is gone.
        for process in list(self._running_tasks.values()):
            if not isinstance(process, TaskRun) and process.is_alive():
                process.terminate()
        self._task_result_queue = self._main_thread
        super().__exit__(*error)

    # -- running tasks ----------------------------------------------------------------------------

    def _create_task_process(self, task: Any) -> Any:  # noqa: ANN401 - Luigi's
        process = super()._create_task_process(task)
        mode = run_mode_of(task)
        if mode is RunMode.LUIGI:
            if process.use_multiprocessing:
                self._main_thread.expect_children()
                self._purge_due = 0.0
            return process
        if mode is RunMode.THREAD:
            allow_builds_in_threads()
        messages: queue.Queue[Any] | None = queue.Queue() if task.accepts_messages else None
        calls = ReportedCalls(self._reports, self._scheduler, task.task_id)
        reporter = _worker.TaskStatusReporter(calls, task.task_id, self._id, messages)
        mark_as_instant(reporter)
        process.status_reporter = reporter
        run = TaskRun(process, mode, self._resources, self._runner, calls)
        self._timeouts.add(run)
        return run

    def _purge_children(self) -> None:
        """Report children that died, and terminate runs and children that exceeded their timeout.

        Luigi calls this for each result, and looks at all running tasks each time. Here it may take
        a tenth of the time.
        """
        if self._is_leaving:
            return
        now = time.time()
        if now >= self._purge_due:
            super()._purge_children()
            self._purge_due = now + 10 * (time.time() - now)
        self._timeouts.apply(now)

    # -- requesting work --------------------------------------------------------------------------

    def _get_work(self) -> Any:  # noqa: ANN401 - Luigi's
        """Request work, after the results of all tasks that have ended, and no more than useful."""
        while True:
            self._signals.check()
            pause = self._scheduler.pause if self._running_tasks else 0.0
            self._main_thread.receive(pause)
            if self._main_thread.results:
                self._handle_next_task()
            elif not (pause and self._running_tasks and self._scheduler.pause):
                break
        return super()._get_work()


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
        """Return whether there is no other process, and no assistant or disabled worker."""
        owner = owner_of(worker_id)
        return all(
            owner_of(worker.id) == owner and worker.enabled and not worker.assistant
            for worker in self._state.get_active_workers()
        )

    def note_request(self, worker_id: str, host: str | None) -> None:
        """Note that a worker is active and has requested work."""
        self._update_worker(worker_id, worker_reference={"host": host}, get_work=True)

    def process_limits(self) -> dict[str, int]:
        """Return how many tasks each worker runs at a time, as it has declared."""
        return {
            worker.id: worker.info.get("workers", 1)
            for worker in self._state.get_active_workers(last_get_work_gt=0)
        }

    def ranked(self, worker_id: str) -> list[Any]:
        """Return a worker's PENDING tasks, the first to run first.

        If one of them needs resources, the PENDING tasks of all workers are included, and RUNNING
        tasks, as they hold some.
        """
        pending = list(self._state.get_active_tasks_by_status(PENDING))
        tasks = [task for task in pending if worker_id in task.workers]
        if any(task.resources for task in tasks):
            tasks = [*pending, *self._state.get_active_tasks_by_status(RUNNING)]
        return sorted(tasks, key=self._rank, reverse=True)

    def is_ready(self, task: Any) -> bool:  # noqa: ANN401 - Luigi's
        """Return whether all requirements of a task are done."""
        return bool(self._schedulable(task))

    def fits(self, needed: Mapping[str, int], used: Mapping[str, int]) -> bool:
        """Return whether resources suffice beside those that are used."""
        return bool(self._has_resources(needed, used))

    def response(
        self,
        worker_id: str,
        task: Any,  # noqa: ANN401 - Luigi's, or None
        unfinished: int,
    ) -> dict[str, Any]:
        """Set a task RUNNING and return the response of `get_work` that hands it out.

        Args:
            worker_id: The worker that gets the task.
            task: The task; None if none is ready.
            unfinished: How many tasks of the worker are PENDING.
        """
        response = {
            "n_pending_tasks": unfinished,
            "n_unique_pending": unfinished,
            "n_pending_last_scheduled": unfinished,
            "worker_state": WORKER_STATE_ACTIVE,
            "running_tasks": [],
            "task_id": None,
        }
        if task is not None:
            self.update_metrics_task_started(task)
            self._state.set_status(task, RUNNING, self._config)
            task.worker_running = worker_id
            task.resources_running = task.resources.copy()
            task.time_running = time.time()
            response["task_id"] = task.id
            response["task_family"] = task.family
            response["task_module"] = getattr(task, "module", None)
            response["task_params"] = task.params
        return response
