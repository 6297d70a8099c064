"""What a task's job does beside running: its log, its progress, its end when interrupted."""

import asyncio
import logging

import anyio
import pytest

from asyncbatch import AsyncBatchClient, JobRequest
from asyncbatch.local import Fault, Launch, LocalBatch, Script, ScriptedExecutor
from asyncbatch_luigi import BatchJobException
from asyncbatch_luigi._job_run import JobRun
from asyncbatch_luigi._request import RunPlan
from asyncbatch_luigi._scheduler_reports import SchedulerReports
from tests.luigi.support import register_definitions

pytestmark = pytest.mark.virtual_time

SPEAKING = Script(startup=0, duration=20, lines=[(1, "reading"), (10, "writing"), (21, "late")])


async def run(local: LocalBatch, plan: RunPlan, reports: SchedulerReports | None = None) -> None:
    await register_definitions(local)
    async with AsyncBatchClient(session=local.session) as batch:
        await JobRun(batch, plan, reports or SchedulerReports()).run()


def asking(
    *, stream_logs: bool = False, terminate: bool = False, size: int | None = None
) -> RunPlan:
    return RunPlan(
        request=JobRequest("succeeds", queue="default", array_size=size),
        stream_logs=stream_logs,
        terminate_on_interrupt=terminate,
    )


async def test_the_lines_of_the_log_are_in_luigis_log_in_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="luigi-interface")
    async with LocalBatch(executor=ScriptedExecutor(SPEAKING)) as local:
        await run(local, asking(stream_logs=True))
        [job] = local.ledger.submissions
    lines = [message for message in caplog.messages if message.startswith(f"[{job.job_id}] ")]
    assert [line.rpartition(" ")[2] for line in lines] == ["reading", "writing", "late"]
    assert caplog.messages.index(lines[0]) < caplog.messages.index(
        f"AWS Batch job {job.job_id} is SUCCEEDED"
    )


async def test_nobody_asks_for_a_log_unless_it_is_wanted() -> None:
    async with LocalBatch(executor=ScriptedExecutor(SPEAKING)) as local:
        await run(local, asking())
        assert local.calls["GetLogEvents"] == 0


async def test_a_failure_is_told_although_its_log_cannot_be_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    denied = Fault.error("AccessDeniedException", status=403)
    async with LocalBatch(executor=ScriptedExecutor(Script(exit_code=3))) as local:
        local.faults.add("GetLogEvents", denied)
        local.faults.add("FilterLogEvents", denied)
        with pytest.raises(BatchJobException, match="exit code 3"):
            await run(local, asking(stream_logs=True))
    assert "cannot be followed" in caplog.text


async def test_trouble_with_the_job_ends_the_log_as_well() -> None:
    async with LocalBatch(executor=ScriptedExecutor(Script(duration=None))) as local:
        local.faults.add("DescribeJobs", Fault.error("AccessDeniedException", status=403))
        from asyncbatch import AccessDenied

        with pytest.raises(AccessDenied):
            await run(local, asking(stream_logs=True))


def odd_ones_fail(launch: Launch) -> Script:
    index = launch.array_index or 0
    return Script(startup=0, duration=10 * (index + 1), exit_code=index % 2)


async def test_an_array_tells_its_counts_and_its_progress() -> None:
    messages: list[str] = []
    percents: list[int] = []
    reports = SchedulerReports(status_message=messages.append, progress=percents.append)
    async with LocalBatch(executor=ScriptedExecutor(odd_ones_fail), vcpus=8) as local:
        with pytest.raises(BatchJobException, match="2 of 4 children failed"):
            await run(local, asking(size=4), reports)
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert 50 in percents
    assert "children: 2 SUCCEEDED, 2 FAILED" in messages[-1]


# -- interrupts ------------------------------------------------------------------------------------


async def interrupt(local: LocalBatch, plan: RunPlan) -> str:
    """Interrupt a run whose job is RUNNING, and return the job's status a minute later."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run(local, plan))
        await anyio.sleep(60)
        task.cancel()
    await anyio.sleep(60)
    [job] = local.ledger.submissions
    async with AsyncBatchClient(session=local.session) as batch:
        return str((await batch.describe([job.job_id]))[job.job_id].status)


@pytest.mark.parametrize(("terminate", "status"), [(False, "RUNNING"), (True, "FAILED")])
async def test_an_interrupt_leaves_the_job_or_terminates_it(
    terminate: bool,  # noqa: FBT001 - a row of the table
    status: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with LocalBatch(executor=ScriptedExecutor(Script(duration=None))) as local:
        assert await interrupt(local, asking(terminate=terminate)) == status
        [job] = local.ledger.submissions
    assert f"Interrupted. AWS Batch job {job.job_id} " in caplog.text
    assert ("is terminated" in caplog.text) is terminate
    command = f"aws batch describe-jobs --region local --jobs {job.job_id}"
    assert (f"goes on. Find it with: {command}" in caplog.text) is not terminate


async def test_a_job_that_cannot_be_terminated_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with LocalBatch(executor=ScriptedExecutor(Script(duration=None))) as local:
        for operation in ("TerminateJob", "TerminateJobs"):
            local.faults.add(operation, Fault.error("AccessDeniedException", status=403))
        assert await interrupt(local, asking(terminate=True)) == "RUNNING"
    assert "could not be terminated" in caplog.text
    assert "goes on. Find it with" in caplog.text
