"""The same laws with a real `luigid`, in a process of its own: what its web page shows is right."""

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import luigi
import pytest
from luigi.rpc import RemoteScheduler

from tests.luigi.support import Aws, make
from tests.luigi.workers import (
    ONE_PROCESS,
    ORDINARY,
    Endless,
    EndlessThread,
    Listening,
    Marked,
    Threaded,
    Workers,
    forget,
    notes,
    noting,
)

START_LUIGID = "from luigi.cmdline import luigid; luigid()"
numbers = itertools.count()


@pytest.fixture(scope="module")
def luigid() -> Iterator[str]:
    """Start `luigid` on the loopback address; its state is kept from test to test."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "LUIGI_CONFIG_PATH": os.devnull, "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(
        [sys.executable, "-c", START_LUIGID, "--address", "127.0.0.1", "--port", str(port)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    reader = threading.Thread(target=process.stderr.read)
    try:
        for line in process.stderr:
            if "Scheduler starting up" in line:
                break
        # It writes a line for each request, and stops when nobody reads them.
        reader.start()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stderr.close()


@dataclass(frozen=True)
class Page:
    """What the web page of `luigid` shows."""

    url: str

    def shows(self, task: luigi.Task) -> dict[str, Any]:
        """Return what it knows of a task."""
        query = json.dumps({"status": "", "upstream_status": ""})
        address = f"{self.url}/api/task_list?data={quote(query)}"
        with urllib.request.urlopen(address) as answer:  # noqa: S310 - our own luigid
            found: dict[str, Any] = json.load(answer)["response"][task.task_id]
        return found


@pytest.fixture
def page(luigid: str) -> Page:
    return Page(luigid)


@pytest.fixture(params=[ORDINARY, ONE_PROCESS])
def workers(request: pytest.FixtureRequest, aws: Aws, luigid: str) -> Workers:
    notes.clear()
    return Workers(kind=request.param, scheduler=make(RemoteScheduler, luigid))


@pytest.fixture
def name() -> str:
    """Give a name that no task in `luigid` has yet."""
    return f"name-{next(numbers)}"


def test_the_page_shows_what_became_of_a_task(
    workers: Workers, kind: type[Marked], page: Page, name: str
) -> None:
    good = make(kind, name=f"good-{name}")
    bad = make(kind, name=f"bad-{name}", job_definition="fails")
    workers.run(good, bad)
    assert page.shows(good)["status"] == "DONE"
    assert page.shows(good)["status_message"].endswith("SUCCEEDED")
    assert page.shows(bad)["status"] == "FAILED"


class Reporting(Threaded):
    """A task that tells where it is to be watched, and how far it is."""

    def run(self) -> None:
        worker: Any = self  # Luigi lets a task have these while it runs
        worker.set_tracking_url("http://example.org/watch")
        worker.set_progress_percentage(25)
        worker.set_progress_percentage(50)
        super().run()


def test_the_page_shows_where_to_watch_a_task(workers: Workers, page: Page, name: str) -> None:
    """Also when it has ended; and a late report makes no task RUNNING again."""
    task = make(Reporting, name=name)
    workers.run(task)
    shown = page.shows(task)
    assert shown["tracking_url"] == "http://example.org/watch"
    assert shown["progress_percentage"] == 50
    assert shown["status"] == "DONE"


@pytest.mark.parametrize("endless", [Endless, EndlessThread])
def test_a_task_that_takes_too_long_is_cancelled(
    workers: Workers, endless: type[Endless], page: Page, name: str, aws: Aws
) -> None:
    task = make(endless, name=name)
    with noting(endless, luigi.Event.TIMEOUT, luigi.Event.FAILURE) as seen:
        result = workers.run(task)
    assert set(seen) == {f"timeout {name}"}
    if workers.kind == ONE_PROCESS:  # Luigi's own may say it again until it has read the result
        assert len(seen) == 1
    assert page.shows(task)["status"] == "FAILED"
    assert "timed out after 0.5 seconds" in workers.scheduler.fetch_error(task.task_id)["error"]
    assert result.status == luigi.LuigiStatusCode.FAILED


def test_a_thread_that_takes_too_long_is_cancelled_with_what_it_waits_for(
    workers: Workers, name: str
) -> None:
    workers.run(make(EndlessThread, name=name))
    if workers.kind == ONE_PROCESS:
        assert notes == ["cleaned up"]


def test_a_task_is_sent_messages(workers: Workers, page: Page, name: str) -> None:
    workers.settings = {"ping_interval": 0.05}
    task = make(Listening, name=name)
    sent: list[str] = []

    def send(started: luigi.Task) -> None:
        worker = page.shows(started)["worker_running"]
        answer = workers.scheduler.send_scheduler_message(worker, started.task_id, "hello")
        sent.append(answer["message_id"])

    make(make(Listening.event_handler, luigi.Event.START), send)
    try:
        assert workers.run(task).scheduling_succeeded
    finally:
        forget(Listening, luigi.Event.START, send)
    answer = workers.scheduler.get_scheduler_message_response(task.task_id, sent[0])
    assert answer["response"] == "heard hello"


class Growing(Threaded):
    """A task that finds out while it runs what it needs."""

    def run(self) -> Iterator[Any]:  # type: ignore[override] # as Luigi's users do
        yield make(Marked, name=f"{self.name}-needs")
        super().run()


def test_requirements_that_are_yielded_run_first(workers: Workers, name: str) -> None:
    with noting(Marked, luigi.Event.SUCCESS) as seen:
        workers.run(make(Growing, name=name))
    assert seen == [f"success {name}-needs", f"success {name}"]


class Other(luigi.Task):
    """A task that has nothing to do with AWS; it says in which process it ran."""

    name: Any = luigi.Parameter()

    def run(self) -> None:
        Path(f"{self.name}.pid").write_text(str(os.getpid()), encoding="utf-8")

    def output(self) -> list[Any]:
        return [make(luigi.LocalTarget, f"{self.name}.pid")]


class After(Marked):
    """A task that needs some of those."""

    def requires(self) -> list[luigi.Task]:
        return [make(Other, name=f"{self.name}-{number}") for number in range(5)]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_other_tasks_run_in_luigis_way(workers: Workers, name: str, processes: int) -> None:
    """Also while jobs are followed in the process that forks."""
    task = make(After, name=name)
    beside = [make(Marked, name=f"{name}-{number}") for number in range(3)]
    assert workers.run(task, *beside, workers=processes).scheduling_succeeded
    pids = {mark.read_text("utf-8") for mark in Path.cwd().glob(f"{name}-*.pid")}
    assert (pids == {str(os.getpid())}) == (processes == 1)
    assert workers.status(task) == "DONE"
