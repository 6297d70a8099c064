"""All private API of Luigi that the worker rests on, and whether this Luigi has it.

Luigi says of its worker module that everything in it may change. So everything of the kind is used
here and nowhere else, under names of our own, and `unsupported` looks before anybody relies on it.
"""

import functools
import heapq
import importlib
import logging
import queue
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import luigi
import luigi.interface
import luigi.retcodes
import luigi.scheduler
import luigi.worker
from luigi.task_status import FAILED, PENDING, RUNNING

from asyncbatch_luigi import _bridge
from asyncbatch_luigi.worker._child_processes import ChildProcesses
from asyncbatch_luigi.worker._garbage_collection import RareCollections
from asyncbatch_luigi.worker._get_work_pace import GetWorkPace
from asyncbatch_luigi.worker._locked_scheduler import LockedScheduler
from asyncbatch_luigi.worker._main_thread_queue import MainThreadQueue, Result
from asyncbatch_luigi.worker._report_thread import ReportThread, TaskReporter
from asyncbatch_luigi.worker._resources import ClientRunner, LuigiFunctions, WorkerResources
from asyncbatch_luigi.worker._run_modes import RunMode, run_mode_of
from asyncbatch_luigi.worker._signals import SignalHandlers
from asyncbatch_luigi.worker._task_run import CoroutineRun, TaskRun, ThreadRun

logger = logging.getLogger("luigi-interface")

_CLOSING_SECONDS = 5.0

_worker: Any = luigi.worker  # it has types in part
_scheduler: Any = luigi.scheduler
_interface: Any = luigi.interface

OLDEST = (3, 2)
NEWEST = (3, 8)

_NEEDED: dict[Any, tuple[str, ...]] = {
    luigi.interface: ("_run",),
    luigi.worker: ("check_complete_cached",),
    luigi.worker.Worker: (
        *("_add_task", "_create_task_process", "_get_work", "_handle_next_task"),
        *("_purge_children", "_run_task", "__enter__", "__exit__", "run"),
    ),
    luigi.worker.TaskProcess: ("_run_get_new_deps", "forward_reporter_attributes"),
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
    """Return why this Luigi cannot have a one-process worker; None if it can."""
    version = str(luigi.__version__)
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if not OLDEST <= numbers <= NEWEST:
        between = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
        return f"it rests on the insides of Luigi {between}, and this is {version}"
    for owner, names in _NEEDED.items():
        for name in names:
            if not hasattr(owner, name):
                return f"Luigi {version} has no {owner.__name__}.{name}"
    return None


def untyped(callable_: Any) -> Any:  # noqa: ANN401 - that is the point
    """Return a thing of Luigi's that declares no types, or wrong ones."""
    return callable_


def run_command(arguments: list[str], factory: object) -> None:
    """Do what the ``luigi`` command does, which takes no factory, with the workers of one."""
    ordinary = _interface._run
    _interface._run = functools.partial(ordinary, worker_scheduler_factory=factory)
    try:
        untyped(luigi.retcodes.run_with_retcodes)(arguments)
    finally:
        _interface._run = ordinary


# -- tasks ----------------------------------------------------------------------------------------


def forward(task: Any, reporter: object | None) -> None:  # noqa: ANN401 - Luigi's
    """Give a task the calls of a reporter, as ``set_status_message`` and so on; None takes them."""
    for theirs, its in _worker.TaskProcess.forward_reporter_attributes.items():
        setattr(task, its, None if reporter is None else getattr(reporter, theirs))


def new_requirements(task: Any, is_complete: Callable[[Any], bool]) -> list[Any] | None:  # noqa: ANN401 - as above
    """Run a task as far as it goes; return the requirements that it yielded and needs first."""
    process = _Process(task, is_complete)
    new: list[Any] | None = _worker.TaskProcess._run_get_new_deps(process)
    return new


class _Process:
    """As much of Luigi's process as running a task takes."""

    def __init__(self, task: Any, check_complete: Callable[[Any], bool]) -> None:  # noqa: ANN401 - as above
        self.task = task
        self.check_complete = check_complete


# -- the worker -----------------------------------------------------------------------------------


class OneProcessWorker(_worker.Worker):  # type: ignore[misc] # as _worker says
    """Luigi's worker, which hands `BatchTask`s to a crew and does the rest as ever."""

    def __init__(
        self,
        scheduler: Any,  # noqa: ANN401 - Luigi's, local or remote
        worker_processes: int,
        assistant: bool,  # noqa: FBT001 - as Luigi calls it
    ) -> None:
        """Make the worker; nothing runs before it is entered."""
        super().__init__(
            scheduler=LockedScheduler(scheduler),
            worker_processes=worker_processes,
            assistant=assistant,
        )
        queue_of_children: Any = self._task_result_queue
        self._mailbox = MainThreadQueue(queue_of_children)
        self._task_result_queue: Any = self._mailbox
        self._reports = ReportThread(self._scheduler.lock)
        self._crew = WorkerResources(self._id, self._mailbox, self._ways())
        self._pace = GetWorkPace(self._config.wait_interval)
        self._interrupts = SignalHandlers()
        self._collections = RareCollections()
        self._children = ChildProcesses()
        self._timeouts: list[tuple[float, int, TaskRun]] = []

    def _ways(self) -> LuigiFunctions:
        cache, config = self._task_completion_cache, self._config

        def note_complete(task: Any) -> None:  # noqa: ANN401 - Luigi's
            if cache is not None:
                cache[task.task_id] = True

        return LuigiFunctions(
            is_complete=functools.partial(_worker.check_complete_cached, completion_cache=cache),
            note_complete=note_complete,
            forward=forward,
            run=new_requirements,
            checks_requirements=config.check_unfulfilled_deps,
            checks_outputs=config.check_complete_on_run,
            context=_named(config.task_process_context),
        )

    # -- how many processes -----------------------------------------------------------------------

    @property
    def worker_processes(self) -> int:
        """Most running tasks, of which Luigi thinks that each takes a process: always one more."""
        return self._limit and max(self._limit, len(getattr(self, "_running_tasks", ())) + 1)

    @worker_processes.setter
    def worker_processes(self, limit: int) -> None:
        self._limit = limit

    @_worker.rpc_message_callback  # type: ignore[untyped-decorator] # as above
    def set_worker_processes(self, n: int) -> None:
        """Change how many children there may be, because somebody asked the scheduler for it."""
        self.worker_processes = max(1, n)
        self._scheduler.add_worker(self._id, {"workers": self._limit})

    # -- its life ---------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start what has to run before the first task does."""
        self._collections.begin()
        self._crew.start()
        self._reports.start()
        self._previous_runner = _bridge.shared_runner()
        _bridge.share(ClientRunner(self._crew))
        self._interrupts.begin()
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Cancel what still runs, let it clean up within bounds, and stop the threads."""
        self._interrupts.hold()
        try:
            _bridge.share(self._previous_runner)
            self._cancel_all()
            super().__exit__(*error)
            self._crew.close(_CLOSING_SECONDS)
            self._reports.close(_CLOSING_SECONDS)
        finally:
            self._collections.end()
            self._interrupts.end()

    def _cancel_all(self) -> None:
        runs = [run for run in self._running_tasks.values() if isinstance(run, TaskRun)]
        for run in runs:
            run.terminate()
        until = time.monotonic() + _bridge.GRACE
        while any(run.is_alive() for run in runs) and time.monotonic() < until:
            self._mailbox.collect(0.1)
            self._mailbox.results.clear()
        late = [run for run in runs if run.is_alive()]
        if late:
            logger.warning("Cleanup of %d tasks is abandoned after %g s", len(late), _bridge.GRACE)
        for run in late:
            run.abandon()

    # -- running tasks ----------------------------------------------------------------------------

    def _create_task_process(self, task: Any) -> Any:  # noqa: ANN401 - Luigi's
        way = run_mode_of(task)
        if way is RunMode.LUIGI:
            return self._luigis_own(super()._create_task_process(task))
        messages: queue.Queue[Any] | None = queue.Queue() if task.accepts_messages else None
        reporter = TaskReporter(self._reports, self._scheduler, self._id, task.task_id, messages)
        timeout = self._config.timeout if task.worker_timeout is None else task.worker_timeout
        run = (CoroutineRun if way is RunMode.COROUTINE else ThreadRun)(
            task, self._crew, reporter, timeout
        )
        if run.timeout_time is not None:
            heapq.heappush(self._timeouts, (run.timeout_time, id(run), run))
        return run

    def _luigis_own(self, process: Any) -> Any:  # noqa: ANN401 - Luigi's
        process.use_multiprocessing = (
            self._config.force_multiprocessing
            or self._limit > 1
            or process.timeout_time is not None
        )
        if not process.use_multiprocessing:
            return process
        # It has a scheduler of its own there, or a connection; nobody else holds a lock on that.
        process.status_reporter._scheduler = self._scheduler.scheduler
        process.result_queue = self._mailbox.from_children
        self._mailbox.expect_children()
        return self._children.admit(process.task.task_id, process, self._limit)

    def _handle_next_task(self) -> None:
        super()._handle_next_task()
        for task_id in self._children.next_ones(self._running_tasks, self._limit):
            del self._running_tasks[task_id]
            self._run_task(task_id)

    def _purge_children(self) -> None:
        now = time.time()
        for task_id, process in self._children.dead_or_late(now):
            if process.is_alive():
                process.terminate()
                self._mailbox.put(self._timed_out(process))
            else:
                died = f"Task {task_id} died unexpectedly with exit code {process.exitcode}"
                process.task.trigger_event(luigi.Event.PROCESS_FAILURE, process.task, died)
                logger.info(died)
                self._mailbox.put((task_id, FAILED, died, [], []))
        while self._timeouts and now > self._timeouts[0][0]:
            _, _, run = heapq.heappop(self._timeouts)
            if not run.is_timed_out and run.is_alive():
                _, _, why, _, _ = self._timed_out(run)
                run.time_out(why)
                heapq.heappush(self._timeouts, (now + _bridge.GRACE, id(run), run))
            else:
                run.abandon()

    def _timed_out(self, process: Any) -> Result:  # noqa: ANN401 - a process, or a `TaskRun`
        task = process.task
        seconds = process.worker_timeout
        why = f"Task {task.task_id} timed out after {seconds} seconds and was terminated."
        task.trigger_event(luigi.Event.TIMEOUT, task, why)
        logger.info(why)
        return task.task_id, FAILED, why, [], []

    # -- asking for work --------------------------------------------------------------------------

    def _get_work(self) -> Any:  # noqa: ANN401 - Luigi's
        """Ask for work, when all that has ended is told, and not more often than is useful."""
        while True:
            self._interrupts.check()
            self._mailbox.collect(self._pace.patience if self._running_tasks else 0.0)
            if not self._mailbox.results and not (self._running_tasks and self._pace.patience):
                break
            if self._mailbox.results:
                self._handle_next_task()
        self._pace.asking()
        answer = super()._get_work()
        self._pace.answered(has_work=answer.task_id is not None)
        return answer


def _named(context: str | None) -> Callable[[Any], Any] | None:
    """Return a class by its qualified name, at the time when it is needed."""
    if not context:
        return None
    module, name = context.rsplit(".", 1)

    def enter(run: Any) -> Any:  # noqa: ANN401 - what the class takes, and is
        return getattr(importlib.import_module(module), name)(run)

    return enter


# -- the local scheduler --------------------------------------------------------------------------


class LuigiScheduler(_scheduler.Scheduler):  # type: ignore[misc] # as _worker says
    """Luigi's scheduler of one process, with names for what `LocalScheduler` needs of it."""

    def __init__(self) -> None:
        """Keep no history: that is for `luigid`."""
        super().__init__(prune_on_get_work=True, record_task_history=False)

    def get_work_as_luigi(self, **values: Any) -> dict[str, Any]:  # noqa: ANN401 - as Luigi's
        """Answer with Luigi's own code."""
        answer: dict[str, Any] = super().get_work(**values)
        return answer

    def has_one_plain_worker(self, worker_id: str) -> bool:
        """Return whether nobody else asks, and nothing special is asked for."""
        workers = list(self._state.get_active_workers())
        return (
            [worker.id for worker in workers] == [worker_id]
            and workers[0].enabled
            and not workers[0].assistant
            and not self._paused
            and not self._state._task_batchers.get(worker_id)
        )

    def note_activity(self, worker_id: str, host: str | None) -> None:
        """Note that a worker has asked for work."""
        self._update_worker(worker_id, worker_reference={"host": host}, get_work=True)

    def processes_of(self, worker_id: str) -> int:
        """Return how many tasks a worker runs at a time, as it said."""
        return int(self._state.get_worker(worker_id).info.get("workers", 1))

    def ranked(self, worker_id: str) -> list[Any]:
        """Return the tasks that can run, and if resources matter those that do, in their order."""
        pending = list(self._state.get_active_tasks_by_status(PENDING))
        if any(task.resources for task in pending if worker_id in task.workers):
            pending += self._state.get_active_tasks_by_status(RUNNING)
        return sorted(pending, key=self._rank, reverse=True)

    def is_ready(self, task: Any) -> bool:  # noqa: ANN401 - Luigi's
        """Return whether all that a task requires is done."""
        return bool(self._schedulable(task))

    def fits(self, needed: Mapping[str, int], taken: Mapping[str, int]) -> bool:
        """Return whether there is enough of all resources besides what is taken."""
        return bool(self._has_resources(needed, taken))

    def used_resources(self) -> Mapping[str, int]:
        """Return what running tasks use."""
        used: Mapping[str, int] = self._used_resources()
        return used

    def answer(self, worker_id: str, task: Any, host: str | None) -> dict[str, Any]:  # noqa: ANN401 - Luigi's, or None
        """Hand out a task, or say that there is none; the counts are of all workers' tasks."""
        count = self._state.get_active_task_count_for_status
        open_tasks = count(PENDING) + count(FAILED)
        answer = {
            "n_pending_tasks": open_tasks,
            "n_unique_pending": open_tasks,
            "n_pending_last_scheduled": open_tasks,
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
            answer["task_id"] = task.id
            answer["task_family"] = task.family
            answer["task_module"] = getattr(task, "module", None)
            answer["task_params"] = task.params
        return answer
