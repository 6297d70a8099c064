"""The parts of the one-process worker, each by itself."""

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


# -- the mailbox ----------------------------------------------------------------------------------


@pytest.fixture
def mailbox() -> MainThreadQueue:
    return MainThreadQueue(multiprocessing.Queue())


def test_calls_are_made_by_whoever_reads(mailbox: MainThreadQueue) -> None:
    made: list[str] = []
    mailbox.call(lambda: made.append("first"))
    mailbox.put(DONE)
    mailbox.call(lambda: made.append("second"))
    assert mailbox.get(timeout=0) == DONE
    assert made == ["first", "second"]
    with pytest.raises(queue.Empty):
        mailbox.get(timeout=0)


def test_results_of_children_arrive_as_well(mailbox: MainThreadQueue) -> None:
    mailbox.expect_children()
    mailbox.from_children.put(DONE)
    assert mailbox.get(timeout=10) == DONE
    mailbox.close()


# -- when to ask ----------------------------------------------------------------------------------


def test_a_slow_scheduler_is_left_in_peace_for_a_while() -> None:
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


def test_so_many_threads_run_and_the_others_wait_their_turn() -> None:
    threads = DaemonThreadPool("test", limit=2)
    gate = threading.Event()
    begun, ended = threading.Semaphore(0), threading.Semaphore(0)
    at_work = [0, 0]
    lock = threading.Lock()

    def work() -> None:
        with lock:
            at_work[0] += 1
            at_work[1] = max(at_work)
        begun.release()
        gate.wait(10)
        with lock:
            at_work[0] -= 1
        ended.release()

    for _ in range(5):
        threads.submit(work)
    assert all(begun.acquire(timeout=10) for _ in range(2))
    assert not begun.acquire(blocking=False)
    gate.set()
    assert all(ended.acquire(timeout=10) for _ in range(5))
    assert at_work[1] == 2
    threads.close()


# -- children -------------------------------------------------------------------------------------


class Child:
    """A process of Luigi's."""

    timeout_time: float | None = None
    status_reporter = None
    task = None

    def __init__(self, exitcode: int | None = None) -> None:
        self.exitcode = exitcode

    def is_alive(self) -> bool:
        return self.exitcode is None


def test_children_beyond_the_limit_wait_for_their_turn() -> None:
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


def test_a_child_that_died_or_is_late_is_told_of_once() -> None:
    children = ChildProcesses()
    died, late, fine = Child(exitcode=-9), Child(), Child()
    late.timeout_time = 10.0
    for name, child in (("died", died), ("late", late), ("fine", fine)):
        children.add(name, child, limit=3)
    assert [name for name, _ in children.pop_dead_or_late(now=11.0)] == ["died", "late"]
    assert children.pop_dead_or_late(now=12.0) == []


# -- the scheduler behind its lock ----------------------------------------------------------------


class Told:
    """A scheduler that remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def set_task_status_message(self, *told: object) -> None:
        self.calls.append(("message", *told))

    def add_task(self, **told: object) -> None:
        self.calls.append(("url", told["tracking_url"]))

    def decrease_running_task_resources(self, *told: object) -> None:
        self.calls.append(("less", *told))

    def get_work(self, **_: object) -> dict[str, Any]:
        mine, yours = ({"worker": name, "task_id": name} for name in ("me", "you"))
        return {"task_id": None, "running_tasks": [mine, yours]}


def test_an_answer_does_not_list_what_the_worker_runs_itself() -> None:
    answer = LockedScheduler(Told()).get_work(worker="me")
    assert [task["worker"] for task in answer["running_tasks"]] == ["you"]


def test_in_another_process_it_is_the_scheduler_itself() -> None:
    copy = pickle.loads(pickle.dumps(LockedScheduler({"a": "scheduler"})))  # noqa: S301 - our own
    assert copy == {"a": "scheduler"}


def test_only_the_newest_report_is_sent_and_none_after_the_end() -> None:
    told = Told()
    locked = LockedScheduler(told)
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
    assert told.calls == [
        ("message", "task", "two"),
        ("url", "http://example.org"),
        ("less", "task", {"a": 1}),
        ("less", "task", {"a": 1}),
    ]


# -- other versions of Luigi ----------------------------------------------------------------------


def new_version(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(luigi, "__version__", "3.99.0")


def without_a_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_luigi_private, "_REQUIRED", {Worker: ("_purge_children", "_something_new")})


@pytest.mark.parametrize(
    ("change", "why"),
    [(new_version, "this is 3.99.0"), (without_a_name, "has no Worker._something_new")],
)
def test_with_another_luigi_tasks_run_in_ordinary_workers(
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


# -- collecting garbage ---------------------------------------------------------------------------


@pytest.fixture
def threshold() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)


def test_garbage_is_collected_rarely_while_the_worker_runs(
    threshold: tuple[int, int, int],
) -> None:
    seen: list[tuple[int, int, int]] = []

    class Looking(luigi.Task):
        def complete(self) -> bool:
            return bool(seen)

        def run(self) -> None:
            seen.append(gc.get_threshold())

    build([make(Looking)], local_scheduler=True, workers=1)
    assert seen == [(10_000, *threshold[1:])]
    assert gc.get_threshold() == threshold


@pytest.mark.parametrize("youngest", [0, 50_000])
def test_who_collects_rarer_still_or_never_keeps_that(
    threshold: tuple[int, int, int], youngest: int
) -> None:
    chosen = (youngest, *threshold[1:])
    gc.set_threshold(*chosen)
    collections = FewerCollections()
    collections.start()
    assert gc.get_threshold() == chosen
    collections.stop()
    assert gc.get_threshold() == chosen
