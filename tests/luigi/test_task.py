"""`BatchTask` with Luigi's real scheduler and workers, and a local AWS Batch over HTTP."""

import asyncio
import logging

import pytest

from asyncbatch import JobFailed
from asyncbatch_luigi import BatchJobException, BatchTask
from tests.luigi.support import Aws, Run, make
from tests.luigi.tasks import Numbered, Quick

# Luigi forks its workers. Python 3.12 and later warn of that because these tests have threads.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]
each_number_of_workers = pytest.mark.parametrize("workers", [1, 2])


@each_number_of_workers
def test_task_is_done_when_its_job_has_succeeded(aws: Aws, run: Run, workers: int) -> None:
    tasks = [make(Numbered, number=number, job_definition="succeeds") for number in range(2)]
    assert run(*tasks, workers=workers)
    assert [run.facts(task)["status"] for task in tasks] == ["DONE", "DONE"]
    assert len(aws.started) == 2


@each_number_of_workers
def test_failure_contains_job_id_reason_and_last_log_lines(
    aws: Aws, run: Run, workers: int
) -> None:
    tasks = [make(Numbered, number=number, job_definition="fails") for number in range(2)]
    assert not run(*tasks, workers=workers)
    for task in tasks:
        assert run.facts(task)["status"] == "FAILED"
        error = run.error(task)
        assert any(f"BatchJobException: Job {job.id} failed: " in error for job in aws.started)
        assert "exit code 3" in error.casefold()
        assert "reading\nno such table: users" in error
        assert "ExceptionGroup" not in error


def test_batch_job_exception_is_a_job_failed(aws: Aws) -> None:
    with pytest.raises(BatchJobException) as caught:
        make(Quick, job_definition="fails").run()
    assert isinstance(caught.value, JobFailed)
    assert caught.value.exit_code == 3
    assert [event.message for event in caught.value.log_tail][-1] == "no such table: users"


def test_unknown_job_definition_fails_the_task(aws: Aws, run: Run) -> None:
    task = make(Quick, job_definition="nowhere")
    assert not run(task)
    assert "JobDefinitionNotFound" in run.error(task)


def test_job_queue_and_job_name_are_used(aws: Aws) -> None:
    aws.create_queue("night")
    make(Quick, job_definition="succeeds", job_queue="night", job_name="report").run()
    assert [(job.queue, job.name) for job in aws.started] == [("night", "report")]


def test_status_changes_are_logged_and_reported(
    aws: Aws, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="luigi-interface")
    task = make(Quick, job_definition="succeeds")
    assert run(task)
    [job] = aws.started
    lines = [record.message for record in caplog.records if job.id in record.message]
    assert lines[0] == f"Submitted AWS Batch job {job.id} ({job.name})"
    assert lines[-1] == f"AWS Batch job {job.id} is SUCCEEDED"
    assert run.facts(task)["status_message"] == f"AWS Batch job {job.id}: SUCCEEDED"


def test_task_runs_inside_a_running_loop(aws: Aws, run: Run) -> None:
    """A cell of a notebook has a running loop, which Luigi blocks."""
    task = make(Quick, job_definition="succeeds")

    async def cell() -> bool:
        return run(task)

    assert asyncio.run(cell())


def test_forked_worker_runs_tasks_after_its_parent_did(aws: Aws, run: Run) -> None:
    assert run(make(Quick, job_definition="succeeds"))
    assert run(*[make(Numbered, number=n, job_definition="succeeds") for n in range(2)], workers=2)
    assert len(aws.started) == 3


def test_luigi_parameters_have_the_same_names_order_and_defaults() -> None:
    task = make(BatchTask, "etl", "nightly", "default", 20)
    assert task.param_kwargs == {
        "job_definition": "etl",
        "job_name": "nightly",
        "job_queue": "default",
        "poll_time": 20,
    }
    assert make(BatchTask, "etl").param_kwargs == {
        "job_definition": "etl",
        "job_name": None,
        "job_queue": None,
        "poll_time": 10,
    }
    assert (
        str(make(BatchTask, "etl"))
        == "BatchTask(job_definition=etl, job_name=, job_queue=, poll_time=10)"
    )


def test_task_id_is_the_same_as_with_luigi_contrib_batch() -> None:
    from luigi.contrib import batch

    assert (
        make(BatchTask, "etl", poll_time=20).task_id
        == make(batch.BatchTask, "etl", poll_time=20).task_id
    )
