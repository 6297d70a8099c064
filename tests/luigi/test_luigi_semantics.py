"""Luigi's semantics, which both the ordinary and the one-process worker must have."""

import sys
from typing import Any

import luigi
import pytest

from tests.luigi.support import Aws, make
from tests.luigi.workers import Marked, Threaded, Workers, forget, notes, noting

EVENTS = (
    luigi.Event.START,
    luigi.Event.PROCESSING_TIME,
    luigi.Event.SUCCESS,
    luigi.Event.FAILURE,
)


class Chain(Marked):
    """A chain of tasks, each of which requires the next one."""

    length = luigi.IntParameter()

    @property  # type: ignore[misc] # a property replaces the parameter
    def name(self) -> str:
        return str(self.length)

    def requires(self) -> list[Any]:
        return [] if self.length == 1 else [make(Chain, length=self.length - 1)]


def test_task_runs_as_a_job(workers: Workers, kind: type[Marked], aws: Aws) -> None:
    task = make(kind, name="a")
    assert workers.run(task).scheduling_succeeded
    assert workers.status(task) == "DONE"
    assert aws.statuses() == ["SUCCEEDED"]


def test_overridden_run_is_called(workers: Workers) -> None:
    workers.run(make(Threaded, name="a"))
    assert notes == ["ran a"]


def test_requirements_run_first(workers: Workers) -> None:
    with noting(Chain, luigi.Event.START, luigi.Event.SUCCESS) as seen:
        workers.run(make(Chain, length=3))
    assert seen == ["start 1", "success 1", "start 2", "success 2", "start 3", "success 3"]


def test_scheduler_has_the_reason_of_a_failure(workers: Workers, kind: type[Marked]) -> None:
    task = make(kind, name="a", job_definition="fails")
    result = workers.run(task)
    assert workers.status(task) == "FAILED"
    assert "no such table: users" in workers.scheduler.fetch_error(task.task_id)["error"]
    assert result.status == luigi.LuigiStatusCode.FAILED


class Exhausted(Marked):
    """A task whose `run` reads from an iterator that has ended."""

    def run(self) -> None:
        next(iter(()))


def test_stop_iteration_in_run_is_the_failure_of_the_task(workers: Workers) -> None:
    """No coroutine may change it into a RuntimeError: handlers of failures get the error itself."""
    errors: list[BaseException] = []

    def collect(_task: luigi.Task, error: BaseException) -> None:
        errors.append(error)

    task = make(Exhausted, name="a")
    make(make(Exhausted.event_handler, luigi.Event.FAILURE), collect)
    try:
        workers.run(task)
    finally:
        forget(Exhausted, luigi.Event.FAILURE, collect)
    assert workers.status(task) == "FAILED"
    assert [type(error) for error in errors] == [StopIteration]


class Needs(Marked):
    """A task whose requirement fails."""

    def requires(self) -> list[Any]:
        return [make(Marked, name="bad", job_definition="fails")]


class RaisesGeneratorExit(Marked):
    def run(self) -> None:
        raise GeneratorExit


class ExitsInRun(Marked):
    def run(self) -> None:
        sys.exit(3)


class ExitsInOnFailure(Marked):
    job_definition = "fails"

    def on_failure(self, exception: BaseException) -> str:
        sys.exit(4)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("task_class", [RaisesGeneratorExit, ExitsInRun, ExitsInOnFailure])
def test_exit_in_one_task_fails_that_task_only(workers: Workers, task_class: type[Marked]) -> None:
    failing, other = make(task_class), make(Marked, name="other")
    workers.run(failing, other, workers=2)
    assert (workers.status(failing), workers.status(other)) == ("FAILED", "DONE")


def test_task_with_a_failed_requirement_does_not_run(workers: Workers, aws: Aws) -> None:
    result = workers.run(make(Needs, name="above"))
    assert "had failed dependencies" in result.summary_text
    assert aws.statuses() == ["FAILED"]


def test_events_are_triggered_in_order_in_the_main_thread(
    workers: Workers, kind: type[Marked]
) -> None:
    with noting(kind, *EVENTS) as seen:
        workers.run(make(kind, name="good"))
        workers.run(make(kind, name="bad", job_definition="fails"))
    assert seen == [
        "start good",
        "processing_time good",
        "success good",
        "start bad",
        "failure bad",
    ]
