"""Both workers with a real `luigid`, and what its web page shows."""

import itertools
import json
import os
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

numbers = itertools.count()


@dataclass(frozen=True)
class Page:
    """The web page of `luigid`."""

    url: str

    def shows(self, task: luigi.Task) -> dict[str, Any]:
        """Return what it shows of a task."""
        query = json.dumps({"status": "", "upstream_status": ""})
        address = f"{self.url}/api/task_list?data={quote(query)}"
        with urllib.request.urlopen(address) as response:  # noqa: S310 - the luigid of this test
            found: dict[str, Any] = json.load(response)["response"][task.task_id]
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
    """Return a name that no task in `luigid` has yet."""
    return f"name-{next(numbers)}"


def test_page_shows_the_status_of_ended_tasks(
    workers: Workers, kind: type[Marked], page: Page, name: str
) -> None:
    good = make(kind, name=f"good-{name}")
    bad = make(kind, name=f"bad-{name}", job_definition="fails")
    workers.run(good, bad)
    assert page.shows(good)["status"] == "DONE"
    assert page.shows(good)["status_message"].endswith("SUCCEEDED")
    assert page.shows(bad)["status"] == "FAILED"


class Reporting(Threaded):
    """A task that reports a tracking URL and its progress."""

    def run(self) -> None:
        worker: Any = self  # a running task has further attributes
        worker.set_tracking_url("http://example.org/watch")
        worker.set_progress_percentage(25)
        worker.set_progress_percentage(50)
        super().run()


def test_page_shows_tracking_url_and_progress_of_an_ended_task(
    workers: Workers, page: Page, name: str
) -> None:
    """A late report must not make the task RUNNING again."""
    task = make(Reporting, name=name)
    workers.run(task)
    shown = page.shows(task)
    assert shown["tracking_url"] == "http://example.org/watch"
    assert shown["progress_percentage"] == 50
    assert shown["status"] == "DONE"


@pytest.mark.parametrize("endless", [Endless, EndlessThread])
def test_worker_timeout_cancels_the_task(
    workers: Workers, endless: type[Endless], page: Page, name: str, aws: Aws
) -> None:
    task = make(endless, name=name)
    with noting(endless, luigi.Event.TIMEOUT, luigi.Event.FAILURE) as seen:
        result = workers.run(task)
    assert set(seen) == {f"timeout {name}"}
    if workers.kind == ONE_PROCESS:  # Luigi's may repeat it until it has read the result
        assert len(seen) == 1
    assert page.shows(task)["status"] == "FAILED"
    assert "timed out after 0.5 seconds" in workers.scheduler.fetch_error(task.task_id)["error"]
    assert result.status == luigi.LuigiStatusCode.FAILED


def test_worker_timeout_cancels_what_a_threaded_task_waits_for(workers: Workers, name: str) -> None:
    workers.run(make(EndlessThread, name=name))
    if workers.kind == ONE_PROCESS:
        assert notes == ["cleaned up"]


def test_task_receives_scheduler_messages(workers: Workers, page: Page, name: str) -> None:
    workers.settings = {"ping_interval": 0.05}
    task = make(Listening, name=name)
    sent: list[str] = []

    def send(started: luigi.Task) -> None:
        worker = page.shows(started)["worker_running"]
        response = workers.scheduler.send_scheduler_message(worker, started.task_id, "hello")
        sent.append(response["message_id"])

    make(make(Listening.event_handler, luigi.Event.START), send)
    try:
        assert workers.run(task).scheduling_succeeded
    finally:
        forget(Listening, luigi.Event.START, send)
    response = workers.scheduler.get_scheduler_message_response(task.task_id, sent[0])
    assert response["response"] == "received hello"


class Expanding(Threaded):
    """A task that yields a requirement while it runs."""

    def run(self) -> Iterator[Any]:  # type: ignore[override] # as Luigi's users do
        yield make(Marked, name=f"{self.name}-needs")
        super().run()


def test_yielded_requirements_run_first(workers: Workers, name: str) -> None:
    with noting(Marked, luigi.Event.SUCCESS) as seen:
        workers.run(make(Expanding, name=name))
    assert seen == [f"success {name}-needs", f"success {name}"]


class Other(luigi.Task):
    """A task without a job; it stores the id of the process in which it ran."""

    name: Any = luigi.Parameter()

    def run(self) -> None:
        Path(f"{self.name}.pid").write_text(str(os.getpid()), encoding="utf-8")

    def output(self) -> list[Any]:
        return [make(luigi.LocalTarget, f"{self.name}.pid")]


class After(Marked):
    """A task that requires some of those."""

    def requires(self) -> list[luigi.Task]:
        return [make(Other, name=f"{self.name}-{number}") for number in range(5)]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_tasks_of_other_kinds_run_as_in_luigi(workers: Workers, name: str, processes: int) -> None:
    """Also while the process that forks follows jobs."""
    task = make(After, name=name)
    beside = [make(Marked, name=f"{name}-{number}") for number in range(3)]
    assert workers.run(task, *beside, workers=processes).scheduling_succeeded
    pids = {mark.read_text("utf-8") for mark in Path.cwd().glob(f"{name}-*.pid")}
    assert (pids == {str(os.getpid())}) == (processes == 1)
    assert workers.status(task) == "DONE"
