"""With a journal, a rerun finds the jobs of an earlier run, ended or not, without a search."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import luigi
import pytest

from asyncbatch import JournalError
from asyncbatch_luigi import BatchJobException, BatchTask, _bridge
from asyncbatch_luigi.config import new_client
from tests.luigi.support import Aws, Run, make
from tests.luigi.tasks import Quick


@pytest.fixture(autouse=True)
def journal(aws: Aws) -> Iterator[None]:
    """Configure a journal in the test's own directory."""
    parser = make(luigi.configuration.get_config)
    parser.add_section("asyncbatch")
    parser["asyncbatch"]["journal"] = "run.db"
    yield
    parser.remove_section("asyncbatch")


async def run_until_submitted(aws: Aws, task: BatchTask) -> None:
    """Run a task until its job is submitted, like a driver that is killed then."""
    async with new_client() as batch, asyncio.TaskGroup() as group:
        running = group.create_task(task._asyncbatch_start(batch))
        while not aws.local.ledger.submissions:  # noqa: ASYNC110 - set by another loop
            await asyncio.sleep(0.01)
        running.cancel()


def test_rerun_follows_the_live_job(aws: Aws) -> None:
    task = make(Quick, job_definition="endless")
    _bridge.run(lambda: run_until_submitted(aws, task))
    [job] = aws.local.ledger.submissions
    aws.call("terminate_job", jobId=job.job_id, reason="end of the test")
    with pytest.raises(BatchJobException, match=job.job_id):
        task.run()
    assert len(aws.local.ledger.submissions) == 1
    assert aws.local.calls["ListJobs"] == 0


def test_succeeded_job_is_not_run_again(aws: Aws, run: Run) -> None:
    task = make(Quick, job_definition="succeeds")
    assert run(task)
    task.mark.unlink()  # as if the driver had been killed before it created the file
    assert Run()(task)
    assert len(aws.local.ledger.submissions) == 1
    assert task.mark.exists()


def test_failed_job_is_run_again(aws: Aws) -> None:
    task = make(Quick, job_definition="fails")
    for _ in range(2):
        with pytest.raises(BatchJobException):
            task.run()
    assert len(aws.local.ledger.submissions) == 2


def test_second_client_cannot_open_the_same_journal(aws: Aws) -> None:
    async def open_twice() -> None:
        async with new_client():
            await new_client().open()

    with pytest.raises(JournalError, match=str(Path("run.db"))):
        _bridge.run(open_twice)


def test_forked_worker_without_the_journal_gives_advice(aws: Aws, run: Run) -> None:
    task = make(Quick, job_definition="succeeds")
    with aws.portal.wrap_async_context_manager(new_client()):
        assert not run(task, make(Quick, job_definition="fails"), workers=2)
    assert "Use workers=1, or asyncbatch_luigi.build" in run.error(task)
