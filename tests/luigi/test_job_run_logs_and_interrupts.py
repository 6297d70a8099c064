"""`JobRun`: the job's log, an array's progress, and interrupts."""

import asyncio
import logging
import re

import anyio
import pytest

from asyncbatch import AsyncBatchClient, JobRequest, RateLimits
from asyncbatch.local import Fault, Launch, LocalBatch, Script, ScriptedExecutor
from asyncbatch_luigi import BatchJobException
from asyncbatch_luigi._job_run import JobRun
from asyncbatch_luigi._request import RunPlan
from asyncbatch_luigi._scheduler_reports import SchedulerReports
from tests.luigi.support import register_definitions

pytestmark = pytest.mark.virtual_time

WITH_LOG = Script(startup=0, duration=20, lines=[(1, "reading"), (10, "writing"), (21, "late")])


async def run(local: LocalBatch, plan: RunPlan, reports: SchedulerReports | None = None) -> None:
    await register_definitions(local)
    async with AsyncBatchClient(session=local.session) as batch:
        await JobRun(batch, plan, reports or SchedulerReports()).run()


def plan_with(
    *, stream_logs: bool = False, terminate: bool = False, size: int | None = None
) -> RunPlan:
    return RunPlan(
        request=JobRequest("succeeds", queue="default", array_size=size),
        stream_logs=stream_logs,
        terminate_on_interrupt=terminate,
    )


async def test_stream_logs_copies_the_lines_in_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="luigi-interface")
    async with LocalBatch(executor=ScriptedExecutor(WITH_LOG)) as local:
        await run(local, plan_with(stream_logs=True))
        [job] = local.ledger.submissions
    lines = [message for message in caplog.messages if message.startswith(f"[{job.job_id}] ")]
    assert [line.rpartition(" ")[2] for line in lines] == ["reading", "writing", "late"]
    assert caplog.messages.index(lines[0]) < caplog.messages.index(
        f"AWS Batch job {job.job_id} is SUCCEEDED"
    )


async def test_log_is_not_read_without_stream_logs() -> None:
    async with LocalBatch(executor=ScriptedExecutor(WITH_LOG)) as local:
        await run(local, plan_with())
        assert local.calls["GetLogEvents"] == 0


async def test_job_failure_is_raised_if_the_log_cannot_be_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    denied = Fault.error("AccessDeniedException", status=403)
    async with LocalBatch(executor=ScriptedExecutor(Script(exit_code=3))) as local:
        local.faults.add("GetLogEvents", denied)
        local.faults.add("FilterLogEvents", denied)
        with pytest.raises(BatchJobException, match="exit code 3"):
            await run(local, plan_with(stream_logs=True))
    assert "Reading the log of AWS Batch job" in caplog.text


FAILS = Script(exit_code=3, lines=[(0, "reading"), (0, "no such table: users")])


@pytest.mark.parametrize("stream_logs", [True, False])
async def test_error_has_the_last_lines_unless_they_were_copied(stream_logs: bool) -> None:  # noqa: FBT001 - as parametrized
    async with LocalBatch(executor=ScriptedExecutor(FAILS)) as local:
        with pytest.raises(BatchJobException, match="exit code 3") as caught:
            await run(local, plan_with(stream_logs=stream_logs))
    assert ("no such table: users" in str(caught.value)) is not stream_logs
    assert [event.message for event in caught.value.log_tail] == ["reading", "no such table: users"]


async def test_error_has_the_last_lines_if_copying_them_failed() -> None:
    async with LocalBatch(executor=ScriptedExecutor(FAILS)) as local:
        local.faults.add("FilterLogEvents", Fault.error("AccessDeniedException", status=403))
        local.faults.add("GetLogEvents", Fault.error("AccessDeniedException", status=403, times=1))
        with pytest.raises(BatchJobException, match="no such table: users"):
            await run(local, plan_with(stream_logs=True))


async def test_api_error_ends_the_log_stream_as_well() -> None:
    async with LocalBatch(executor=ScriptedExecutor(Script(duration=None))) as local:
        local.faults.add("DescribeJobs", Fault.error("AccessDeniedException", status=403))
        from asyncbatch import AccessDenied

        with pytest.raises(AccessDenied):
            await run(local, plan_with(stream_logs=True))


def odd_children_fail(launch: Launch) -> Script:
    index = launch.array_index or 0
    return Script(startup=0, duration=10 * (index + 1), exit_code=index % 2)


async def test_array_job_reports_counts_and_progress() -> None:
    messages: list[str] = []
    percents: list[int] = []
    reports = SchedulerReports(status_message=messages.append, progress=percents.append)
    async with LocalBatch(executor=ScriptedExecutor(odd_children_fail), vcpus=8) as local:
        with pytest.raises(BatchJobException, match="2 of 4 children failed"):
            await run(local, plan_with(size=4), reports)
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert 50 in percents
    assert "children: 2 SUCCEEDED, 2 FAILED" in messages[-1]


# -- interrupts ------------------------------------------------------------------------------------


async def interrupt(local: LocalBatch, plan: RunPlan) -> str:
    """Interrupt a run while its job is RUNNING; return the job's status a minute later."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run(local, plan))
        await anyio.sleep(60)
        task.cancel()
    await anyio.sleep(60)
    [job] = local.ledger.submissions
    async with AsyncBatchClient(session=local.session) as batch:
        return str((await batch.describe([job.job_id]))[job.job_id].status)


async def test_interrupt_submits_nothing_that_waits_for_the_rate_limit() -> None:
    async with LocalBatch(executor=ScriptedExecutor(Script(duration=None))) as local:
        await register_definitions(local)
        slow = RateLimits(submit_per_second=1)
        async with AsyncBatchClient(session=local.session, limits=slow) as batch:
            runs = [JobRun(batch, plan_with(), SchedulerReports()) for _ in range(30)]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(each.run()) for each in runs]
                await anyio.sleep(5.5)
                before = len(local.ledger.submissions)
                for task in tasks:
                    task.cancel()
            await anyio.sleep(60)
        assert 5 <= len(local.ledger.submissions) == before <= 7


@pytest.mark.parametrize("operation", ["ListJobs", "DescribeJobQueues"])
async def test_interrupt_during_a_search_submits_nothing(operation: str) -> None:
    request = JobRequest("succeeds", name="generated")
    plan = RunPlan(request=request, follow_live_job=True, has_own_name=False)
    async with LocalBatch(executor=ScriptedExecutor(Script(duration=None))) as local:
        local.faults.add(operation, Fault.latency(5))
        await register_definitions(local)
        async with AsyncBatchClient(session=local.session) as batch:
            with anyio.move_on_after(2):
                await JobRun(batch, plan, SchedulerReports()).run()
            await anyio.sleep(60)
        assert local.ledger.submissions == []


@pytest.mark.parametrize(("terminate", "status"), [(False, "RUNNING"), (True, "FAILED")])
async def test_interrupt_waits_for_the_outcome_of_a_request_on_its_way(
    terminate: bool,  # noqa: FBT001 - a row of the table
    status: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with LocalBatch(executor=ScriptedExecutor(Script(duration=None))) as local:
        local.faults.add("SubmitJob", Fault.latency(70, times=1))
        assert await interrupt(local, plan_with(terminate=terminate)) == status
        [job] = local.ledger.submissions
    assert f"Interrupted: AWS Batch job {job.job_id} " in caplog.text


async def test_interrupt_logs_the_error_of_a_request_on_its_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with LocalBatch(executor=ScriptedExecutor(Script(duration=None))) as local:
        local.faults.add("SubmitJob", Fault.latency(5))
        local.faults.add("SubmitJob", Fault.error("ClientException", "no such thing"))
        await register_definitions(local)
        async with AsyncBatchClient(session=local.session) as batch:
            with anyio.move_on_after(1):
                await JobRun(batch, plan_with(), SchedulerReports()).run()
        assert local.ledger.submissions == []
    assert "Interrupted: submission of AWS Batch job succeeds failed:" in caplog.text


@pytest.mark.parametrize(("terminate", "status"), [(False, "RUNNING"), (True, "FAILED")])
async def test_interrupt_leaves_or_terminates_the_job(
    terminate: bool,  # noqa: FBT001 - a row of the table
    status: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with LocalBatch(executor=ScriptedExecutor(Script(duration=None))) as local:
        assert await interrupt(local, plan_with(terminate=terminate)) == status
        [job] = local.ledger.submissions
    assert f"Interrupted: AWS Batch job {job.job_id} " in caplog.text
    assert (f"AWS Batch job {job.job_id} terminated" in caplog.text) is terminate
    command = f"aws batch describe-jobs --region local --jobs {job.job_id}"
    assert (f"continues in AWS; find it with: {command}" in caplog.text) is not terminate


async def test_interrupt_logs_a_job_that_cannot_be_terminated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with LocalBatch(executor=ScriptedExecutor(Script(duration=None))) as local:
        for operation in ("TerminateJob", "TerminateJobs"):
            local.faults.add(operation, Fault.error("AccessDeniedException", status=403))
        assert await interrupt(local, plan_with(terminate=True)) == "RUNNING"
    assert "Termination of AWS Batch job" in caplog.text
    assert "continues in AWS; find it with" in caplog.text


async def test_text_of_a_job_in_luigis_log_has_no_control_characters(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="luigi-interface")
    hostile = "\x1b]0;title\x07\x1b[31mred\x9b2J\u202e"
    reason = f"{hostile}\nINFO: all is well"
    script = Script(exit_code=3, lines=[(1, hostile)], status_reason=reason, duration=5)
    async with LocalBatch(executor=ScriptedExecutor(script)) as local:
        with pytest.raises(BatchJobException):
            await run(local, plan_with(stream_logs=True))
    text = "\n".join(caplog.messages)
    assert "red" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "\nINFO: all is well" not in text
