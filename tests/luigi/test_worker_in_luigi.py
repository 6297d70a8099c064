"""What pipelines see of a worker, the same with both kinds of workers and both schedulers.

Each test is a kind of pipeline from Luigi's issue tracker.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.rpc import RemoteScheduler
from luigi.scheduler import Scheduler
from luigi.worker import TaskStatusReporter

import asyncbatch_luigi
from asyncbatch_luigi import BatchTask
from asyncbatch_luigi.worker._local_scheduler import LocalScheduler
from tests.luigi.support import Aws, make
from tests.luigi.workers import ONE_PROCESS, ORDINARY, Marked, Threaded, Workers, configured, notes

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

HAS_STATISTICS = hasattr(TaskStatusReporter, "report_task_statistics")  # since Luigi 3.7
FORKED = {"force_multiprocessing": "true"}


class Recorded:
    """A scheduler that records the ordinary tasks that it hands out.

    Attributes:
        handed_out: Their names, in order.
        most: How many of them were RUNNING at most.
        statistics: What tasks have reported.
    """

    def __init__(self, scheduler: Any) -> None:  # noqa: ANN401 - local and remote share no type
        self.scheduler = scheduler
        self.handed_out: list[str] = []
        self.most = 0
        self.statistics: list[object] = []
        self._running: set[str] = set()

    def __getattr__(self, name: str) -> object:
        return getattr(self.scheduler, name)

    def get_work(self, **values: Any) -> dict[str, Any]:  # noqa: ANN401 - as Luigi's
        response: dict[str, Any] = self.scheduler.get_work(**values)
        if response["task_id"] is not None and response["task_family"] in ("Plain", "Limited"):
            self._running.add(response["task_id"])
            self.handed_out.append(response["task_params"]["name"])
            self.most = max(self.most, len(self._running))
        return response

    def add_task(self, **values: Any) -> None:  # noqa: ANN401 - as above
        if values.get("status") == "DONE":
            self._running.discard(values["task_id"])
        self.scheduler.add_task(**values)

    def report_task_statistics(self, task_id: str, statistics: object) -> None:
        self.statistics.append(statistics)
        self.scheduler.report_task_statistics(task_id, statistics)


def new_scheduler(kind: str, luigid: str | None) -> Recorded:
    """Return a client of `luigid`, or the local scheduler that belongs to a kind of worker."""
    if luigid is not None:
        return Recorded(make(RemoteScheduler, luigid))
    if kind == ONE_PROCESS:
        return Recorded(make(LocalScheduler))
    return Recorded(make(Scheduler, prune_on_get_work=True))


@pytest.fixture(params=["local", "luigid"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Return the URL of a `luigid`; None for a scheduler in this process."""
    return str(request.getfixturevalue("luigid")) if request.param == "luigid" else None


# For tests of what happens between two calls of the scheduler.
with_local_scheduler = pytest.mark.parametrize("url", ["local"], indirect=True)


@pytest.fixture(params=[ORDINARY, ONE_PROCESS])
def workers(request: pytest.FixtureRequest, aws: Aws, url: str | None) -> Workers:
    notes.clear()
    return Workers(kind=request.param, scheduler=new_scheduler(request.param, url))


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Return a name that no task in `luigid` has yet."""
    return str(request.node.name)


class Plain(luigi.Task):
    """An ordinary task."""

    name: Any = luigi.Parameter()
    rank = luigi.IntParameter(default=0)
    needs: Any = luigi.OptionalParameter(default=None)
    phases_out = luigi.BoolParameter(default=False)

    @property
    def priority(self) -> int:  # type: ignore[override] # as Luigi's users do
        return int(self.rank)

    def requires(self) -> list[luigi.Task]:
        return [make(Plain, name=self.needs, rank=100)] if self.needs else []

    def run(self) -> None:
        if self.phases_out:
            os.kill(os.getppid(), signal.SIGUSR1)
        self.mark.touch()

    def complete(self) -> bool:
        return self.mark.exists()

    @property
    def mark(self) -> Path:
        return Path(f"{self.task_id}.done")


class Limited(Plain):
    """An ordinary task with a timeout, for which Luigi always forks."""

    worker_timeout = 600


@pytest.mark.parametrize("processes", [1, 2])
def test_no_more_tasks_are_taken_than_run(workers: Workers, name: str, processes: int) -> None:
    """Other hosts can take the rest; also while thousands of jobs are followed."""
    workers.settings = FORKED
    plain = [make(Plain, name=f"{name}-{number}") for number in range(6)]
    jobs = [make(Marked, name=f"{name}-{number}") for number in range(4)]
    assert workers.run(*plain, *jobs, workers=processes).scheduling_succeeded
    assert [workers.status(task) for task in [*plain, *jobs]] == ["DONE"] * 10
    assert len(workers.scheduler.handed_out) == 6
    assert workers.scheduler.most <= processes


def test_one_worker_runs_one_task_even_if_another_has_a_timeout(
    workers: Workers, name: str
) -> None:
    limited = [make(Limited, name=f"{name}-{number}") for number in range(2)]
    plain = make(Plain, name=name)
    assert workers.run(*limited, plain).scheduling_succeeded
    assert len(workers.scheduler.handed_out) == 3
    assert workers.scheduler.most == 1


def test_urgent_task_starts_next(workers: Workers, name: str) -> None:
    workers.settings = FORKED
    later = [make(Plain, name=f"{name}-{number}") for number in range(5)]
    urgent = make(Plain, name=f"{name}-urgent", rank=50, needs=f"{name}-first")
    workers.run(*later, urgent)
    assert workers.scheduler.handed_out[:2] == [f"{name}-first", f"{name}-urgent"]


def test_sigusr1_lets_running_tasks_end_and_takes_no_more(workers: Workers, name: str) -> None:
    workers.settings = FORKED
    handler = signal.getsignal(signal.SIGUSR1)
    tasks = [make(Plain, name=f"{name}-{number}", phases_out=True) for number in range(6)]
    try:
        workers.run(*tasks, workers=2)
    finally:
        signal.signal(signal.SIGUSR1, handler)
    done = [task for task in tasks if workers.status(task) == "DONE"]
    assert 1 <= len(done) <= 2
    assert len(done) == len(workers.scheduler.handed_out)


def test_external_batch_task_is_checked_and_not_run(workers: Workers, name: str, aws: Aws) -> None:
    workers.settings = {"retry_external_tasks": "true"}
    external: Any = make(luigi.task.externalize, Marked)
    missing, present = make(external, name=f"{name}-missing"), make(external, name=f"{name}-there")
    present.mark.touch()
    workers.run(missing, present)
    assert workers.status(missing) == "FAILED"
    error = workers.scheduler.fetch_error(missing.task_id)["error"]
    assert "external data dependency and data does not exist" in error
    assert workers.status(present) == "DONE"
    assert aws.statuses() == []


# -- builds in threads and in tasks ---------------------------------------------------------------


class Meeting(Threaded):
    """A task that waits for another one, and for the end of a build."""

    first = threading.Barrier(2)
    ended: "dict[str, threading.Event]" = {}  # noqa: RUF012 - of the test
    waits_for: Any = luigi.OptionalParameter(default=None)

    def run(self) -> None:
        self.first.wait(30)
        if self.waits_for:
            assert self.ended[self.waits_for].wait(30)
        super().run()


def test_builds_may_overlap_in_threads_and_a_run_may_follow(
    workers: Workers, name: str, url: str | None, aws: Aws
) -> None:
    """The one that started first ends first."""
    early, late = f"{name}-early", f"{name}-late"
    Meeting.ended = {early: threading.Event()}
    Meeting.first = threading.Barrier(2)

    def build(task: Meeting) -> None:
        try:
            Workers(kind=workers.kind, scheduler=new_scheduler(workers.kind, url)).build(task)
        finally:
            Meeting.ended.get(str(task.name), threading.Event()).set()

    tasks = [make(Meeting, name=early), make(Meeting, name=late, waits_for=early)]
    settings = {"no_install_shutdown_handler": "true"}  # Luigi's own workers need it in threads
    with configured("asyncbatch", {"poll_time": 0}), configured("worker", settings):
        threads = [threading.Thread(target=build, args=(task,)) for task in tasks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        make(Marked, name=f"{name}-run").run()
    assert aws.statuses() == ["SUCCEEDED"] * 3


class Nesting(Threaded):
    """A task that starts a build."""

    builder: Any = luigi.Parameter(significant=False)

    def run(self) -> None:
        build: Any = getattr(luigi if self.builder == "luigi" else asyncbatch_luigi, "build")  # noqa: B009 - it has no types
        assert build([make(Marked, name=f"{self.name}-inner")], local_scheduler=True)
        super().run()


@with_local_scheduler
@pytest.mark.parametrize("builder", ["luigi", "asyncbatch_luigi"])
def test_task_may_start_a_build(workers: Workers, name: str, builder: str, aws: Aws) -> None:
    task = make(Nesting, name=name, builder=builder)
    workers.run(task)
    assert workers.status(task) == "DONE"
    assert aws.statuses() == ["SUCCEEDED"] * 2


# -- event loops ----------------------------------------------------------------------------------


@pytest.fixture
def loop_of_main_thread() -> Iterator[None]:
    """Set the event loop that a script's main thread has, where Luigi's own workers run tasks."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


class WithOwnLoop(Threaded):
    """A task that runs a coroutine of its own."""

    def run(self) -> None:
        loop = asyncio.get_event_loop()
        notes.append(loop.run_until_complete(asyncio.sleep(0, "from the loop")))
        super().run()


@with_local_scheduler
@pytest.mark.usefixtures("loop_of_main_thread")
def test_task_may_use_the_event_loop_of_its_thread(workers: Workers, name: str) -> None:
    tasks = [make(WithOwnLoop, name=f"{name}-{number}") for number in range(2)]
    workers.run(*tasks)
    assert [workers.status(task) for task in tasks] == ["DONE"] * 2
    assert notes.count("from the loop") == 2


def test_async_run_is_refused_before_anything_runs() -> None:
    class Etl(BatchTask):
        job_definition = "succeeds"

        async def run(self) -> None:  # type: ignore[override]
            raise AssertionError

    with pytest.raises(TypeError, match=r"Etl\.run is `async def`.*Write `def run\(self\)`"):
        make(Etl)


# -- the context of a run -------------------------------------------------------------------------


class Statistics:
    """A context that reports statistics of a run, and compares the process with Luigi's own."""

    members: "dict[str, list[list[str]]]" = {}  # noqa: RUF012 - of the test
    kind = ""

    def __init__(self, process: Any) -> None:  # noqa: ANN401 - Luigi's
        self._process = process
        self.members[self.kind] = [dir(process), dir(process.status_reporter)]

    def __enter__(self) -> None:
        notes.append(f"{self._process.task.name} by {self._process.worker_id}")

    def __exit__(self, *_: object) -> None:
        if HAS_STATISTICS:
            self._process.status_reporter.report_task_statistics({"rows": 7})


@pytest.mark.skipif(not HAS_STATISTICS, reason="this Luigi has no statistics")
def test_context_of_a_run_may_report_statistics(
    workers: Workers, kind: type[Marked], name: str
) -> None:
    workers.settings = {"task_process_context": f"{Statistics.__module__}.{Statistics.__name__}"}
    Statistics.kind = workers.kind
    task = make(kind, name=name)
    workers.run(task)
    assert workers.status(task) == "DONE"
    assert any(note.startswith(f"{name} by Worker(") for note in notes)
    assert workers.scheduler.statistics == [{"rows": 7}]


def test_context_of_a_run_gets_all_members_of_luigis_process(aws: Aws) -> None:
    settings = {"task_process_context": f"{Statistics.__module__}.{Statistics.__name__}"}
    for Statistics.kind in (ORDINARY, ONE_PROCESS):
        Workers(kind=Statistics.kind, settings=settings).run(make(Marked, name=Statistics.kind))
    assert Statistics.members[ONE_PROCESS] == Statistics.members[ORDINARY]
