"""Semantics of Luigi's scheduling, which both the ordinary and the one-process worker have."""

from collections.abc import Iterator
from typing import Any

import luigi

from tests.luigi.support import Aws, make
from tests.luigi.workers import (
    ONE_PROCESS,
    ORDINARY,
    Contexts,
    Marked,
    Threaded,
    Workers,
    configured,
    notes,
    noting,
)


class Important(Marked):
    """A task with a priority."""

    rank = luigi.IntParameter()

    @property
    def priority(self) -> int:  # type: ignore[override] # as Luigi's users do
        return int(self.rank)


def test_tasks_start_in_order_of_priority(workers: Workers) -> None:
    ranks = [3, 9, 1, 5]
    with noting(Important, luigi.Event.START) as seen:
        workers.run(*[make(Important, name=str(rank), rank=rank) for rank in ranks])
    assert seen == ["start 9", "start 5", "start 3", "start 1"]


class Scarce(Marked):
    """A task that uses the only unit of a resource."""

    resources = {"licence": 1}  # noqa: RUF012 - as Luigi's users write it


def test_resources_limit_running_tasks(workers: Workers) -> None:
    with noting(Scarce, luigi.Event.START, luigi.Event.SUCCESS) as seen:
        workers.run(*[make(Scarce, name=name) for name in "abc"])
    assert [note.split()[0] for note in seen] == ["start", "success"] * 3


class Flaky(Marked):
    """A task whose first job fails."""

    @property
    def retry_count(self) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        return 3

    def on_failure(self, exception: BaseException) -> str:
        notes.append(f"failed {self.name}")
        return str(exception)

    @property  # type: ignore[misc] # as Luigi's users do
    def job_definition(self) -> str:
        return "succeeds" if notes else "fails"


def test_failed_task_is_retried(workers: Workers) -> None:
    workers.settings = {"keep_alive": "true", "wait_jitter": 0}
    with configured("scheduler", {"retry_delay": 0}):
        workers.renew_scheduler()
        result = workers.run(make(Flaky, name="a"))
    assert result.status == luigi.LuigiStatusCode.SUCCESS_WITH_RETRY


class Hopeless(Marked):
    """A task whose jobs all fail."""

    @property
    def retry_count(self) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        return 2

    job_definition = "fails"


def test_task_is_disabled_after_retry_count_failures(workers: Workers, aws: Aws) -> None:
    workers.settings = {"keep_alive": "true", "wait_jitter": 0}
    task = make(Hopeless, name="a")
    with configured("scheduler", {"retry_delay": 0}):
        workers.renew_scheduler()
        workers.run(task)
    assert workers.status(task) == "DISABLED"
    assert aws.statuses() == ["FAILED", "FAILED"]


class Growing(Threaded):
    """A task that yields requirements while it runs."""

    def run(self) -> Iterator[Any]:  # type: ignore[override] # as Luigi's users do
        yield [make(Marked, name="needed", job_definition="succeeds")]
        yield make(Marked, name="needed too")
        super().run()


def test_yielded_requirements_run_first(workers: Workers) -> None:
    with noting(Marked, luigi.Event.SUCCESS) as seen:
        assert workers.run(make(Growing, name="top")).scheduling_succeeded
    assert seen == ["success needed", "success needed too", "success top"]


class Forgetful(Marked):
    """A task whose requirement is no longer complete when it runs."""

    def requires(self) -> list[Any]:
        return [make(Vanishing, name="gone")]


class Vanishing(Marked):
    """A task that succeeds and is not complete afterwards."""

    def on_success(self) -> None:
        """Create no file."""


def test_incomplete_requirement_at_run_time_fails_the_task(workers: Workers) -> None:
    task = make(Forgetful, name="a")
    workers.settings = {"max_reschedules": 0}
    workers.run(task)
    assert workers.status(task) == "FAILED"
    explanation = workers.scheduler.fetch_error(task.task_id)["error"]
    assert "Unfulfilled dependency at run time: Vanishing_" in explanation


def test_check_complete_on_run_fails_an_incomplete_task(workers: Workers) -> None:
    workers.settings = {"check_complete_on_run": "true"}
    task = make(Vanishing, name="a")
    workers.run(task)
    assert workers.status(task) == "FAILED"
    explanation = workers.scheduler.fetch_error(task.task_id)["error"]
    assert "complete() is still returning false" in explanation


def test_task_process_context_is_entered_for_each_run(workers: Workers, kind: type[Marked]) -> None:
    workers.settings = {"task_process_context": f"{Contexts.__module__}.{Contexts.__name__}"}
    workers.run(make(kind, name="good"), make(kind, name="bad", job_definition="fails"))
    assert sorted(note for note in notes if "context" in note) == [
        "enter context of bad",
        "enter context of good",
        "exit context of bad",
        "exit context of good",
    ]


class BatchedByName(Marked):
    """A task of which Luigi runs several as one."""

    name: Any = luigi.Parameter(batch_method=",".join)
    max_batch_size = 10


def test_batch_method_runs_tasks_as_one(workers: Workers, aws: Aws) -> None:
    tasks = [make(BatchedByName, name=name) for name in "abc"]
    workers.run(*tasks)
    assert aws.statuses() == ["SUCCEEDED"]
    assert [workers.status(task) for task in tasks] == ["DONE"] * 3


class Outside(luigi.ExternalTask):
    """An external file."""

    def output(self) -> list[Any]:
        return [make(luigi.LocalTarget, "from-outside")]


class NeedsOutside(Marked):
    """A task that requires it."""

    def requires(self) -> list[Any]:
        return [make(Outside)]


def test_missing_external_task_is_reported(workers: Workers, aws: Aws) -> None:
    result = workers.run(make(NeedsOutside, name="a"))
    assert result.status == luigi.LuigiStatusCode.MISSING_EXT
    assert aws.statuses() == []


def test_execution_summary_is_the_same(aws: Aws) -> None:
    summaries = []
    for worker in (ORDINARY, ONE_PROCESS):
        result = Workers(kind=worker).run(
            make(Marked, name=f"good of {worker}"),
            make(Marked, name=f"bad of {worker}", job_definition="fails"),
        )
        summaries.append(result.summary_text.replace(worker, "some"))
    assert summaries[0].splitlines()[:-4] == summaries[1].splitlines()[:-4]
    assert "1 ran successfully" in summaries[1]
    assert "1 failed" in summaries[1]


def test_status_message_reaches_the_scheduler(workers: Workers, kind: type[Marked]) -> None:
    task = make(kind, name="a")
    workers.run(task)
    assert workers.facts(task)["status_message"].endswith("SUCCEEDED")
