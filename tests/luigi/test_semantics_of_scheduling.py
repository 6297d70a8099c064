"""What Luigi's scheduler asks of a worker, as laws for the ordinary and the one-process one."""

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


def test_what_is_more_important_begins_first(workers: Workers) -> None:
    ranks = [3, 9, 1, 5]
    with noting(Important, luigi.Event.START) as seen:
        workers.run(*[make(Important, name=str(rank), rank=rank) for rank in ranks])
    assert seen == ["start 9", "start 5", "start 3", "start 1"]


class Scarce(Marked):
    """A task that takes one of a resource of which there is one."""

    resources = {"licence": 1}  # noqa: RUF012 - as Luigi's users write it


def test_resources_are_shared(workers: Workers) -> None:
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


def test_a_failed_task_is_tried_again(workers: Workers) -> None:
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


def test_a_task_that_fails_too_often_is_disabled(workers: Workers, aws: Aws) -> None:
    workers.settings = {"keep_alive": "true", "wait_jitter": 0}
    task = make(Hopeless, name="a")
    with configured("scheduler", {"retry_delay": 0}):
        workers.renew_scheduler()
        workers.run(task)
    assert workers.status(task) == "DISABLED"
    assert aws.statuses() == ["FAILED", "FAILED"]


class Growing(Threaded):
    """A task that finds out while it runs what it needs."""

    def run(self) -> Iterator[Any]:  # type: ignore[override] # as Luigi's users do
        yield [make(Marked, name="needed", job_definition="succeeds")]
        yield make(Marked, name="needed too")
        super().run()


def test_requirements_that_are_yielded_run_first(workers: Workers) -> None:
    with noting(Marked, luigi.Event.SUCCESS) as seen:
        assert workers.run(make(Growing, name="top")).scheduling_succeeded
    assert seen == ["success needed", "success needed too", "success top"]


class Forgetful(Marked):
    """A task whose requirement is not complete any more when it runs."""

    def requires(self) -> list[Any]:
        return [make(Vanishing, name="gone")]


class Vanishing(Marked):
    """A task that succeeds and leaves nothing behind."""

    def on_success(self) -> None:
        """Leave no mark."""


def test_a_requirement_must_be_complete_at_run_time(workers: Workers) -> None:
    task = make(Forgetful, name="a")
    workers.settings = {"max_reschedules": 0}
    workers.run(task)
    assert workers.status(task) == "FAILED"
    told = workers.scheduler.fetch_error(task.task_id)["error"]
    assert "Unfulfilled dependency at run time: Vanishing_" in told


def test_a_task_may_be_asked_whether_it_is_complete_after_its_run(workers: Workers) -> None:
    workers.settings = {"check_complete_on_run": "true"}
    task = make(Vanishing, name="a")
    workers.run(task)
    assert workers.status(task) == "FAILED"
    told = workers.scheduler.fetch_error(task.task_id)["error"]
    assert "complete() is still returning false" in told


def test_a_context_is_entered_for_each_run(workers: Workers, kind: type[Marked]) -> None:
    workers.settings = {"task_process_context": f"{Contexts.__module__}.{Contexts.__name__}"}
    workers.run(make(kind, name="good"), make(kind, name="bad", job_definition="fails"))
    assert sorted(note for note in notes if "context" in note) == [
        "enter context of bad",
        "enter context of good",
        "exit context of bad",
        "exit context of good",
    ]


class BatchedByName(Marked):
    """A task of which many can be run as one."""

    name: Any = luigi.Parameter(batch_method=",".join)
    max_batch_size = 10


def test_tasks_are_batched(workers: Workers, aws: Aws) -> None:
    tasks = [make(BatchedByName, name=name) for name in "abc"]
    workers.run(*tasks)
    assert aws.statuses() == ["SUCCEEDED"]
    assert [workers.status(task) for task in tasks] == ["DONE"] * 3


class Outside(luigi.ExternalTask):
    """What somebody else has to make."""

    def output(self) -> list[Any]:
        return [make(luigi.LocalTarget, "from-outside")]


class NeedsOutside(Marked):
    """A task that needs it."""

    def requires(self) -> list[Any]:
        return [make(Outside)]


def test_what_others_make_is_waited_for(workers: Workers, aws: Aws) -> None:
    result = workers.run(make(NeedsOutside, name="a"))
    assert result.status == luigi.LuigiStatusCode.MISSING_EXT
    assert aws.statuses() == []


def test_the_summary_is_the_same(aws: Aws) -> None:
    told = []
    for worker in (ORDINARY, ONE_PROCESS):
        result = Workers(kind=worker).run(
            make(Marked, name=f"good of {worker}"),
            make(Marked, name=f"bad of {worker}", job_definition="fails"),
        )
        told.append(result.summary_text.replace(worker, "some"))
    assert told[0].splitlines()[:-4] == told[1].splitlines()[:-4]
    assert "1 ran successfully" in told[1]
    assert "1 failed" in told[1]


def test_the_scheduler_hears_how_a_task_goes(workers: Workers, kind: type[Marked]) -> None:
    task = make(kind, name="a")
    workers.run(task)
    assert workers.facts(task)["status_message"].endswith("SUCCEEDED")
