"""A rerun follows the live job of the same task instead of submitting a second."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import luigi
import pytest

from asyncbatch import AsyncBatchClient, JobQueue, JobStatus
from asyncbatch.local import Fault, Launch, LocalBatch, Script, ScriptedExecutor
from asyncbatch_luigi import BatchJobException, BatchTask
from asyncbatch_luigi._job_run import _INTERRUPTED, _TIMED_OUT
from asyncbatch_luigi._job_totals import totals_of
from asyncbatch_luigi._request import build_request, plan_run
from asyncbatch_luigi.config import asyncbatch
from tests.luigi.support import make, register_definitions
from tests.luigi.workers import configured

pytestmark = pytest.mark.virtual_time

LONG = Script(startup=0, duration=60)


class Daily(BatchTask):
    job_definition = "succeeds"
    job_queue = "default"
    day = luigi.IntParameter(default=1)
    note: Any = luigi.Parameter(default="", significant=False)

    @property
    def parameters(self) -> dict[str, str]:
        return {"note": self.note}


class Named(Daily):
    job_name = "nightly"


each_task = pytest.mark.parametrize("task_class", [Daily, Named])


@asynccontextmanager
async def open_local() -> AsyncIterator[LocalBatch]:
    async with LocalBatch(executor=ScriptedExecutor(LONG), vcpus=1000) as local:
        await register_definitions(local)
        yield local


def new_client(local: LocalBatch) -> AsyncBatchClient:
    return AsyncBatchClient(session=local.session)


async def interrupted(local: LocalBatch, *tasks: BatchTask) -> None:
    """Run tasks until their jobs are submitted, like a driver that is killed then."""
    known = len(local.ledger.submissions)
    async with new_client(local) as batch, asyncio.TaskGroup() as group:
        running = [group.create_task(task._asyncbatch_start(batch)) for task in tasks]
        while len(local.ledger.submissions) < known + len(tasks):  # noqa: ASYNC110 - no event
            await anyio.sleep(0.01)
        for one in running:
            one.cancel()


async def run(local: LocalBatch, *tasks: BatchTask) -> None:
    async with new_client(local) as batch, asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(task._asyncbatch_start(batch))


@each_task
async def test_rerun_follows_the_live_job(
    task_class: type[Daily], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="luigi-interface")
    async with open_local() as local:
        await interrupted(local, make(task_class))
        await run(local, make(task_class))
        [job] = local.ledger.submissions
    assert f"Following AWS Batch job {job.job_id} ({job.name}) of an earlier run" in caplog.text
    assert f"AWS Batch job {job.job_id} is SUCCEEDED" in caplog.text


async def test_followed_jobs_are_counted() -> None:
    async with open_local() as local:
        await interrupted(local, make(Daily))
        async with new_client(local) as batch:
            await make(Daily)._asyncbatch_start(batch)
            totals = totals_of(batch)
    assert (totals.followed, totals.succeeded) == (1, 1)
    assert str(totals) == "1 followed from earlier runs; 1 SUCCEEDED"


class Sweep(Daily):
    job_command: Any = ("sweep",)
    job_array_size = 4
    job_recovery = "spot:2|memory:x2"


async def test_rerun_waits_for_the_parts_of_an_array_and_submits_all_children(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What became of the other children is not known, as the array itself has ended."""
    lost = Script(exit_code=None, status_reason="Host EC2 (instance i-1) terminated.")
    too_large = Script(exit_code=137, reason="OutOfMemoryError: Container killed")
    caplog.set_level(logging.INFO, logger="luigi-interface")

    def script(launch: Launch) -> Script:
        if len(submissions) == 1:
            return {1: lost, 2: too_large}.get(launch.array_index or 0, Script())
        return Script(duration=100)

    async with LocalBatch(executor=ScriptedExecutor(script), vcpus=1000) as local:
        submissions = local.ledger.submissions
        await register_definitions(local)
        async with new_client(local) as batch:
            running = asyncio.create_task(make(Sweep)._asyncbatch_start(batch))
            while len(submissions) < 3:  # noqa: ASYNC110 - no event
                await anyio.sleep(0.1)
            running.cancel()
        await run(local, make(Sweep))
        assert [each.array_size for each in submissions] == [4, None, None, 4]
        assert submissions[3].at - submissions[2].at > 100
    assert "in which children of an array run again, and 1 more" in caplog.text


@each_task
async def test_ended_job_is_run_again(task_class: type[Daily]) -> None:
    async with open_local() as local:
        await run(local, make(task_class))
        await run(local, make(task_class))
        assert len(local.ledger.submissions) == 2


@each_task
@pytest.mark.parametrize("reason", [_INTERRUPTED, _TIMED_OUT])
async def test_live_job_that_an_earlier_run_terminated_is_replaced(
    task_class: type[Daily], reason: str
) -> None:
    """AWS may take half a minute to end a job, and the rerun may start before."""
    async with open_local() as local:
        await interrupted(local, make(task_class))
        async with new_client(local) as batch:
            task = make(task_class)
            running = asyncio.create_task(task._asyncbatch_start(batch))
            while not totals_of(batch).followed:  # noqa: ASYNC110 - no event
                await anyio.sleep(0.01)
            [first] = local.ledger.submissions
            await (await batch.job(first.job_id)).terminate(reason)
            await running
        assert len(local.ledger.submissions) == 2
        assert task.job_result
        assert task.job_result.succeeded


async def test_live_job_that_somebody_terminated_fails_the_rerun() -> None:
    async with open_local() as local:
        await interrupted(local, make(Daily))
        async with new_client(local) as batch:
            running = asyncio.create_task(make(Daily)._asyncbatch_start(batch))
            while not totals_of(batch).followed:  # noqa: ASYNC110 - no event
                await anyio.sleep(0.01)
            [first] = local.ledger.submissions
            await (await batch.job(first.job_id)).terminate("by hand")
            with pytest.raises(BatchJobException, match="by hand"):
                await running
        assert len(local.ledger.submissions) == 1


@each_task
async def test_job_of_another_task_or_request_is_not_followed(task_class: type[Daily]) -> None:
    async with open_local() as local:
        await interrupted(local, make(task_class))
        await run(local, make(task_class, day=2), make(task_class, note="other"))
        assert len(local.ledger.submissions) == 3


async def test_follow_live_job_false_submits_without_a_search() -> None:
    class Always(Daily):
        follow_live_job = False

    async with open_local() as local:
        await interrupted(local, make(Always))
        await run(local, make(Always))
        assert len(local.ledger.submissions) == 2
        assert local.calls["ListJobs"] == 0


# -- tasks without a job queue, in an account with several -----------------------------------------


class Anywhere(Daily):
    job_queue: Any = None


class NamedAnywhere(Anywhere):
    job_name = "nightly"


async def create_second_queue(local: LocalBatch) -> None:
    """Create a queue, which the local AWS Batch then lists first."""
    async with local.session.create_client("batch") as batch:
        await batch.create_job_queue(
            jobQueueName="night",
            priority=1,
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "local"}],
        )


async def list_in_another_order(_: LocalBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS promises no order of the job queues."""
    original = AsyncBatchClient.job_queues

    async def job_queues(self: AsyncBatchClient) -> list[JobQueue]:
        return list(reversed(await original(self)))

    monkeypatch.setattr(AsyncBatchClient, "job_queues", job_queues)


async def disable_the_first_queue(local: LocalBatch, _: pytest.MonkeyPatch) -> None:
    """Disable the queue that the first run took; its jobs continue."""
    async with local.session.create_client("batch") as batch:
        await batch.update_job_queue(jobQueue="night", state="DISABLED")


each_change = pytest.mark.parametrize("change", [list_in_another_order, disable_the_first_queue])


@each_change
@pytest.mark.parametrize("task_class", [Anywhere, NamedAnywhere])
async def test_rerun_finds_its_job_in_every_queue(
    task_class: type[Daily],
    change: Callable[[LocalBatch, pytest.MonkeyPatch], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_local() as local:
        await create_second_queue(local)
        await interrupted(local, make(task_class))
        await change(local, monkeypatch)
        await run(local, make(task_class), make(task_class, day=2))
        queues = [job.queue for job in local.ledger.submissions]
    assert queues == ["night", "default"]  # the second task's job takes the other queue


@each_change
async def test_rerun_with_a_journal_finds_its_job_in_every_queue(
    change: Callable[[LocalBatch, pytest.MonkeyPatch], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "run.db")
    with configured("asyncbatch", {"journal": path}):
        async with open_local() as local:
            await create_second_queue(local)
            async with AsyncBatchClient(session=local.session, journal=path) as batch:
                running = asyncio.create_task(make(Anywhere)._asyncbatch_start(batch))
                while not local.ledger.submissions:  # noqa: ASYNC110 - no event
                    await anyio.sleep(0.01)
                running.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await running
            await change(local, monkeypatch)
            async with AsyncBatchClient(session=local.session, journal=path) as batch:
                await make(Anywhere)._asyncbatch_start(batch)
            assert len(local.ledger.submissions) == 1


async def test_tasks_without_a_queue_share_one_look_up_of_the_queues() -> None:
    async with open_local() as local:
        await run(local, *[make(Anywhere, day=day) for day in range(20)])
        assert local.calls["DescribeJobQueues"] == 1


async def test_queue_deleted_during_the_search_is_left_out() -> None:
    refusal = Fault.error("ClientException", "Job queue night does not exist", times=1)
    async with open_local() as local:
        await create_second_queue(local)
        local.faults.add("ListJobs", refusal)
        await run(local, make(Anywhere))
        assert len(local.ledger.submissions) == 1
        assert local.calls["ListJobs"] == 2


# -- thousands of tasks ----------------------------------------------------------------------------


async def test_many_tasks_share_one_search() -> None:
    """One ListJobs for each task would take minutes at the rate that AWS allows."""
    tasks = [make(Daily, day=day) for day in range(190)]  # from 200 on, ListJobs follows them too
    async with open_local() as local:
        await interrupted(local, *tasks[:100])
        before = local.calls["ListJobs"]
        await run(local, *tasks)
        assert len(local.ledger.submissions) == 190
        # The first task searches alone. One search for all others is a call for each live status.
        assert local.calls["ListJobs"] - before <= 1 + len(JobStatus)


async def test_task_that_starts_during_a_search_waits_for_the_next_one() -> None:
    async with open_local() as local:
        local.faults.add("ListJobs", Fault.latency(5))
        async with new_client(local) as batch, asyncio.TaskGroup() as group:
            group.create_task(make(Daily, day=1)._asyncbatch_start(batch))
            await anyio.sleep(
                1
            )  # the search is in progress; the next job is submitted after its start
            await submit_elsewhere(local, make(Daily, day=2))
            group.create_task(make(Daily, day=2)._asyncbatch_start(batch))
        names = [job.name for job in local.ledger.submissions]
        assert len(names) == len(set(names)) == 2


async def submit_elsewhere(local: LocalBatch, task: BatchTask) -> None:
    """Submit the job of a task, like another driver that did not search first."""
    settings = make(asyncbatch)
    request = plan_run(task, build_request(task, settings), settings).request
    async with new_client(local) as batch:
        await batch.submit(request)


async def test_denied_search_submits_the_job(caplog: pytest.LogCaptureFixture) -> None:
    async with open_local() as local:
        local.faults.add("ListJobs", Fault.error("AccessDeniedException", status=403))
        await run(local, make(Daily, day=1), make(Daily, day=2))
        assert len(local.ledger.submissions) == 2
        assert local.calls["ListJobs"] == 1
    assert caplog.text.count("Search for live jobs of earlier runs denied") == 1


async def test_denied_tagging_submits_without_tags_and_finds_the_job_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusal = Fault.error(
        "AccessDeniedException", "not authorized to perform: batch:TagResource", status=403, times=3
    )
    async with open_local() as local:
        local.faults.add("SubmitJob", refusal)
        await interrupted(local, make(Daily))
        await run(local, make(Daily))
        assert len(local.ledger.submissions) == 1
        assert await tags(local) == {}
    assert caplog.text.count("submitted without luigi:* tags") == 1


async def test_jobs_are_tagged_with_the_tasks_family_and_id() -> None:
    task = make(Daily)
    async with open_local() as local:
        await run(local, task)
        assert (await tags(local)).items() >= {
            ("luigi:task-family", "Daily"),
            ("luigi:task-id", task.task_id),
        }


async def tags(local: LocalBatch) -> Mapping[str, str]:
    """Return the tags of the only job."""
    [submitted] = local.ledger.submissions
    async with new_client(local) as batch:
        described = await batch.describe([submitted.job_id])
    return described[submitted.job_id].tags
