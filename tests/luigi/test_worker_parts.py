"""The parts of the one-process worker, each on its own."""

import gc
import multiprocessing
import pickle
import queue
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import luigi
import pytest
from luigi.worker import Worker

from asyncbatch_luigi import build
from asyncbatch_luigi.worker import _luigi_private
from asyncbatch_luigi.worker._child_processes import ChildProcesses, QueuedProcess
from asyncbatch_luigi.worker._garbage_collection import FewerCollections
from asyncbatch_luigi.worker._get_work_pace import GetWorkPace
from asyncbatch_luigi.worker._locked_scheduler import LockedScheduler
from asyncbatch_luigi.worker._main_thread_queue import MainThreadQueue, Result
from asyncbatch_luigi.worker._report_thread import ReportThread, TaskReporter
from asyncbatch_luigi.worker._thread_pool import DaemonThreadPool
from tests.luigi.support import Aws, make
from tests.luigi.workers import Marked

DONE: Result = ("task", "DONE", None, [], [])


# -- the queue of the main thread -----------------------------------------------------------------


@pytest.fixture
def main_thread() -> MainThreadQueue:
    return MainThreadQueue(multiprocessing.Queue())


def test_main_thread_queue_calls_functions_in_the_reading_thread(
    main_thread: MainThreadQueue,
) -> None:
    made: list[str] = []
    main_thread.call(lambda: made.append("first"))
    main_thread.put(DONE)
    main_thread.call(lambda: made.append("second"))
    assert main_thread.get(timeout=0) == DONE
    assert made == ["first", "second"]
    with pytest.raises(queue.Empty):
        main_thread.get(timeout=0)


def test_main_thread_queue_receives_results_of_children(main_thread: MainThreadQueue) -> None:
    main_thread.expect_children()
    main_thread.from_children.put(DONE)
    assert main_thread.get(timeout=10) == DONE
    main_thread.close()


# -- the pace of requests for work ----------------------------------------------------------------


def test_get_work_pace_grows_with_the_schedulers_response_time() -> None:
    now = [100.0]
    pace = GetWorkPace(max_pause=1.0, clock=lambda: now[0])
    assert pace.remaining == 0
    for took, has_work, patience in ((0.1, True, 0.0), (0.1, False, 0.5), (3.0, False, 1.0)):
        pace.request_started()
        now[0] += took
        pace.request_finished(has_work=has_work)
        assert pace.remaining == pytest.approx(patience)
        now[0] += patience


# -- threads --------------------------------------------------------------------------------------


def test_thread_pool_limits_its_threads_and_queues_further_calls() -> None:
    threads = DaemonThreadPool("test", limit=2)
    gate = threading.Event()
    started, ended = threading.Semaphore(0), threading.Semaphore(0)
    active = [0, 0]
    lock = threading.Lock()

    def work() -> None:
        with lock:
            active[0] += 1
            active[1] = max(active)
        started.release()
        gate.wait(10)
        with lock:
            active[0] -= 1
        ended.release()

    for _ in range(5):
        threads.submit(work)
    assert all(started.acquire(timeout=10) for _ in range(2))
    assert not started.acquire(blocking=False)
    gate.set()
    assert all(ended.acquire(timeout=10) for _ in range(5))
    assert active[1] == 2
    threads.close()


# -- child processes ------------------------------------------------------------------------------


class Child:
    """A `TaskProcess` of Luigi."""

    timeout_time: float | None = None
    status_reporter = None
    task = None

    def __init__(self, exitcode: int | None = None) -> None:
        self.exitcode = exitcode

    def is_alive(self) -> bool:
        return self.exitcode is None


def test_child_processes_beyond_the_limit_are_queued() -> None:
    children = ChildProcesses()
    processes: dict[str, Any] = {}
    for name in "abc":
        processes[name] = children.add(name, Child(), limit=2)
    assert [isinstance(process, QueuedProcess) for process in processes.values()] == [
        False,
        False,
        True,
    ]
    assert children.pop_startable(processes, limit=2) == []
    del processes["a"]
    assert children.pop_startable(processes, limit=2) == ["c"]
    assert children.pop_startable(processes, limit=2) == []


def test_dead_or_late_child_is_reported_once() -> None:
    children = ChildProcesses()
    died, late, fine = Child(exitcode=-9), Child(), Child()
    late.timeout_time = 10.0
    for name, child in (("died", died), ("late", late), ("fine", fine)):
        children.add(name, child, limit=3)
    assert [name for name, _ in children.pop_dead_or_late(now=11.0)] == ["died", "late"]
    assert children.pop_dead_or_late(now=12.0) == []


# -- the scheduler and the reports ----------------------------------------------------------------


class RecordingScheduler:
    """A scheduler that records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def set_task_status_message(self, *values: object) -> None:
        self.calls.append(("message", *values))

    def add_task(self, **values: object) -> None:
        self.calls.append(("url", values["tracking_url"]))

    def decrease_running_task_resources(self, *values: object) -> None:
        self.calls.append(("less", *values))

    def get_work(self, **_: object) -> dict[str, Any]:
        mine, yours = ({"worker": name, "task_id": name} for name in ("me", "you"))
        return {"task_id": None, "running_tasks": [mine, yours]}


def test_get_work_response_omits_the_workers_own_tasks() -> None:
    answer = LockedScheduler(RecordingScheduler()).get_work(worker="me")
    assert [task["worker"] for task in answer["running_tasks"]] == ["you"]


def test_locked_scheduler_pickles_as_the_scheduler_itself() -> None:
    copy = pickle.loads(pickle.dumps(LockedScheduler({"a": "scheduler"})))  # noqa: S301 - from this test
    assert copy == {"a": "scheduler"}


def test_only_the_latest_report_is_sent_and_none_after_the_end() -> None:
    scheduler = RecordingScheduler()
    locked = LockedScheduler(scheduler)
    reporter = TaskReporter(ReportThread(locked.lock), locked, "me", "task", None)
    reporter.update_status_message("one")
    reporter.update_tracking_url("http://example.org")
    reporter.update_status_message("two")
    reporter.decrease_running_resources({"a": 1})
    reporter.decrease_running_resources({"a": 1})
    task = types.SimpleNamespace()
    reporter.close(task)
    reporter.update_status_message("late")
    reporter.close(task)
    assert scheduler.calls == [
        ("message", "task", "two"),
        ("url", "http://example.org"),
        ("less", "task", {"a": 1}),
        ("less", "task", {"a": 1}),
    ]


# -- other versions of Luigi ----------------------------------------------------------------------


def with_a_new_version(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(luigi, "__version__", "3.99.0")


def with_a_missing_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_luigi_private, "_REQUIRED", {Worker: ("_purge_children", "_something_new")})


@pytest.mark.parametrize(
    ("change", "why"),
    [(with_a_new_version, "this is 3.99.0"), (with_a_missing_name, "has no Worker._something_new")],
)
def test_unsupported_luigi_uses_ordinary_workers_and_warns(
    aws: Aws,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
    why: str,
) -> None:
    change(monkeypatch)
    with pytest.warns(RuntimeWarning, match=f"Luigi's ordinary workers: .*{why}"):
        result = build([make(Marked, name="a")], detailed_summary=True, local_scheduler=True)
    assert type(result.worker) is Worker
    assert aws.statuses() == ["SUCCEEDED"]


# -- garbage collection ---------------------------------------------------------------------------


@pytest.fixture
def threshold() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)


def test_garbage_collection_threshold_is_raised_while_the_worker_runs(
    threshold: tuple[int, int, int],
) -> None:
    seen: list[tuple[int, int, int]] = []

    class ReadingThreshold(luigi.Task):
        def complete(self) -> bool:
            return bool(seen)

        def run(self) -> None:
            seen.append(gc.get_threshold())

    build([make(ReadingThreshold)], local_scheduler=True, workers=1)
    assert seen == [(10_000, *threshold[1:])]
    assert gc.get_threshold() == threshold


@pytest.mark.parametrize("youngest", [0, 50_000])
def test_higher_or_disabled_garbage_collection_threshold_is_kept(
    threshold: tuple[int, int, int], youngest: int
) -> None:
    chosen = (youngest, *threshold[1:])
    gc.set_threshold(*chosen)
    collections = FewerCollections()
    collections.start()
    assert gc.get_threshold() == chosen
    collections.stop()
    assert gc.get_threshold() == chosen
