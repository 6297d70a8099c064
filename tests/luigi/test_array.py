"""`BatchArrayTask`: one task, one array job."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import luigi
import pytest

from asyncbatch import InvalidRequest, JobStatus
from asyncbatch.local import Fault
from asyncbatch_luigi import BatchArrayTask, BatchJobException, build
from tests.luigi.support import Aws, Run, make

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]


class Counted(BatchArrayTask):
    job_definition: Any = luigi.Parameter(default="succeeds")
    job_array_size = 3
    poll_time = 0


class Days(BatchArrayTask):
    job_definition = "succeeds"
    job_command = ("load",)
    poll_time = 0
    days = luigi.ListParameter()

    @property  # type: ignore[misc] # mypy treats Luigi's tasks as dataclasses
    def children(self) -> Sequence[dict[str, Any]]:
        return [{"DAY": day} for day in self.days]


def statuses(task: BatchArrayTask) -> dict[int, str]:
    return {index: str(result.status) for index, result in task.child_results.items()}


def test_array_task_is_one_submission(aws: Aws) -> None:
    task = make(Counted)
    task.run()
    assert [job.array_size for job in aws.local.ledger.submissions] == [3]
    assert [job.array_index for job in aws.started] == [0, 1, 2]
    assert task.child_results == {}
    assert task.job_result is not None
    assert task.job_result.status is JobStatus.SUCCEEDED


def test_wants_results_all_fetches_the_results_of_all_children(aws: Aws) -> None:
    class AllOfThem(Counted):
        wants_results = "all"

    task = make(AllOfThem)
    task.run()
    assert statuses(task) == dict.fromkeys(range(3), "SUCCEEDED")


def test_failed_array_task_has_the_results_of_its_failed_children(aws: Aws) -> None:
    task = make(Counted, job_definition="fails")
    with pytest.raises(BatchJobException, match="3 of 3 children failed"):
        task.run()
    assert statuses(task) == dict.fromkeys(range(3), "FAILED")
    assert {result.exit_code for result in task.child_results.values()} == {3}


def test_wants_results_none_fetches_no_results(aws: Aws) -> None:
    class NoneOfThem(Counted):
        wants_results = "none"

    task = make(NoneOfThem, job_definition="fails")
    aws.local.faults.add("ListJobs", Fault.error("AccessDeniedException", status=403))
    with pytest.raises(BatchJobException):
        task.run()
    assert task.child_results == {}


def test_children_differ_in_their_environment_variables(aws: Aws) -> None:
    make(Days, days=["mon", "tue", "wed"]).run()
    assert [job.array_size for job in aws.local.ledger.submissions] == [3]
    [command] = {job.command for job in aws.started}
    assert command[-1] == "load"
    assert aws.started[0].environment["DAY"] == "mon,tue,wed,"


def test_single_child_is_submitted_as_a_plain_job(aws: Aws) -> None:
    class OneResult(Days):
        wants_results = "all"

    task = make(OneResult, days=["mon"])
    task.run()
    [job] = aws.started
    assert (job.array_index, job.environment["DAY"], job.command) == (None, "mon", ("load",))
    assert statuses(task) == {0: "SUCCEEDED"}


@pytest.mark.parametrize(
    ("attributes", "field"),
    [
        ({}, "children"),
        ({"children": [{"A": "1"}], "job_array_size": 2}, "job_array_size"),
        (
            {"children": [{"A": "1"}, {"A": "2"}]},
            "children",
        ),  # no command to precede with a line of shell
        ({"children": [{"A": "1"}, {"A": None}]}, "children[1]['A']"),
        ({"children": ["mon"]}, "children[0]"),
        ({"job_array_size": 2, "wants_results": "some"}, "wants_results"),
    ],
)
def test_attributes_that_make_no_array_are_rejected(attributes: dict[str, Any], field: str) -> None:
    wrong: type[BatchArrayTask] = type("Wrong", (BatchArrayTask,), attributes)
    with pytest.raises(InvalidRequest) as caught:
        make(wrong, "etl").run()
    assert caught.value.field == field


# -- Luigi's batching ------------------------------------------------------------------------------


class Batched(BatchArrayTask):
    """Luigi runs several of these as one, with their days joined."""

    job_definition: Any = luigi.Parameter(default="succeeds")
    job_command = ("load",)
    poll_time = 0
    day: Any = luigi.Parameter(batch_method=",".join)
    max_batch_size = 100

    @property  # type: ignore[misc] # mypy treats Luigi's tasks as dataclasses
    def children(self) -> Sequence[dict[str, Any]]:
        return [{"DAY": day} for day in self.day.split(",")]

    def run(self) -> None:
        super().run()
        for target in self.output():
            target.open("w").close()

    def output(self) -> Any:  # noqa: ANN401 - Luigi declares a list, and accepts anything
        return [make(luigi.LocalTarget, f"{day}.done") for day in self.day.split(",")]


@pytest.mark.parametrize("workers", [1, 2])
def test_tasks_batched_by_luigi_are_one_array(aws: Aws, run: Run, workers: int) -> None:
    assert run(*[make(Batched, day=f"day{number}") for number in range(5)], workers=workers)
    assert [job.array_size for job in aws.local.ledger.submissions] == [5]
    assert sorted(path.name for path in Path().glob("*.done")) == [
        f"day{number}.done" for number in range(5)
    ]


def test_tasks_batched_by_luigi_are_one_array_with_the_one_process_worker(aws: Aws) -> None:
    assert make(
        build, [make(Batched, day=f"day{number}") for number in range(5)], local_scheduler=True
    )
    assert [job.array_size for job in aws.local.ledger.submissions] == [5]


def test_completed_tasks_are_not_part_of_the_batch(aws: Aws, run: Run) -> None:
    Path("day0.done").touch()
    assert run(*[make(Batched, day=f"day{number}") for number in range(3)])
    assert [job.array_size for job in aws.local.ledger.submissions] == [2]
