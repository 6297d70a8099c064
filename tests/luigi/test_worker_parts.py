"""The parts of the one-process worker, each on its own."""

import asyncio
import gc
import multiprocessing
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import luigi
import pytest
from luigi.worker import TaskStatusReporter, Worker

from asyncbatch_luigi import build
from asyncbatch_luigi.worker import _luigi_private
from asyncbatch_luigi.worker._garbage_collection import FewerCollections
from asyncbatch_luigi.worker._get_work_pace import GetWorkPace
from asyncbatch_luigi.worker._loop_thread import LoopThread
from asyncbatch_luigi.worker._main_thread_queue import MainThreadQueue, Result
from asyncbatch_luigi.worker._report_thread import ReportedCalls, ReportThread
from asyncbatch_luigi.worker._scheduler_proxy import SchedulerProxy
from asyncbatch_luigi.worker._signals import SignalHandlers
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
    for took, has_work, n_pending, patience in (
        (0.1, True, 1, 0.0),
        (0.1, False, 1, 0.5),
        (3.0, False, 1, 1.0),
        (0.1, False, 0, 1.0),
    ):
        pace.request_started()
        now[0] += took
        pace.request_finished(has_work=has_work, n_pending=n_pending)
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


# -- signals --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_forked_child_dies_of_sigterm_even_before_it_has_its_handlers_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signals = SignalHandlers()
    restore = signals.restore

    def restore_late() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        restore()

    signals.install()
    with monkeypatch.context() as patch:
        patch.setattr(signals, "restore", restore_late)
        child = os.fork()
        if child == 0:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    signals.restore_all()
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())


# -- the event loop -------------------------------------------------------------------------------


def test_coroutine_is_cancelled_whether_it_has_started_or_waits_to_start() -> None:
    """The loop looks for further coroutines only some milliseconds after the first one."""
    loop = LoopThread()
    loop.start()
    tasks = [loop.submit(asyncio.Event().wait()) for _ in range(3)]
    for task in tasks:
        task.cancel()
    for task in tasks:
        with pytest.raises(asyncio.CancelledError):
            task.outcome.result(timeout=10)
    loop.close(timeout=10)


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


def test_scheduler_proxy_pickles_as_the_scheduler_itself() -> None:
    proxy = SchedulerProxy({"a": "scheduler"}, "me", 1, lambda _: False, 1.0)
    assert pickle.loads(pickle.dumps(proxy)) == {"a": "scheduler"}  # noqa: S301 - from this test


def test_only_the_latest_report_is_sent_and_none_after_the_end() -> None:
    scheduler = RecordingScheduler()
    proxy = SchedulerProxy(scheduler, "me", 1, lambda _: False, 1.0)
    calls = ReportedCalls(ReportThread(proxy), proxy, "task")
    reporter: Any = make(TaskStatusReporter, calls, "task", "me", None)
    reporter.update_status_message("one")
    reporter.update_tracking_url("http://example.org")
    reporter.update_status_message("two")
    reporter.decrease_running_resources({"a": 1})
    reporter.decrease_running_resources({"a": 1})
    calls.close()
    reporter.update_status_message("late")
    calls.close()
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
    assert seen == [(50_000, *threshold[1:])]
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
