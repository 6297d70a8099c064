"""`JobRun`, without Luigi's worker; in virtual time where it waits."""

import asyncio
import logging
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from luigi.rpc import RPCError

from asyncbatch import AccessDenied, AsyncBatchClient, JobRequest
from asyncbatch.local import Fault, LocalBatch, Script, ScriptedExecutor
from asyncbatch_luigi import BatchJobException
from asyncbatch_luigi._job_run import JobRun
from asyncbatch_luigi._request import RunPlan
from asyncbatch_luigi._scheduler_reports import SchedulerReports
from tests.luigi.support import EAGER, InstantReporter, make, register_definitions

NO_REPORTS = SchedulerReports()
AT_ONCE = Script(startup=0, duration=0)


@asynccontextmanager
async def open_local(script: Script) -> AsyncIterator[LocalBatch]:
    """Start a local AWS Batch that runs the same script for each job."""
    async with LocalBatch(executor=ScriptedExecutor(script)) as local:
        await register_definitions(local)
        yield local


async def run_job(local: LocalBatch, reports: SchedulerReports = NO_REPORTS) -> None:
    """Run a job, in a Region that has a page in the AWS console."""
    client = AsyncBatchClient(session=local.session, region_name="eu-west-1", poll=EAGER)
    async with client:
        plan = RunPlan(request=JobRequest("succeeds", queue="default"))
        await JobRun(client, plan, reports).run()


async def run_until_submitted(local: LocalBatch) -> None:
    """Cancel as the bridge does, with Task.cancel, as soon as AWS has accepted the job."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_job(local))
        while not local.ledger.submissions:
            await anyio.lowlevel.checkpoint()
        task.cancel()
        await task


@pytest.mark.virtual_time
async def test_interrupt_while_submitting_waits_until_the_job_id_is_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_local(Script(duration=None)) as local:
        local.faults.add("SubmitJob", Fault.latency(5))
        with pytest.raises(asyncio.CancelledError):
            await run_until_submitted(local)
        [job] = local.ledger.submissions
    assert f"Interrupted: AWS Batch job {job.job_id} ({job.name}) continues in AWS" in caplog.text
    assert f"eu-west-1#jobs/detail/{job.job_id}" in caplog.text


@pytest.mark.virtual_time
async def test_interrupt_before_the_submission_leaves_no_job(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_local(Script()) as local:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await run_job(local)
        assert local.ledger.submissions == []
    assert "Interrupted" not in caplog.text


@pytest.mark.virtual_time
async def test_api_error_has_a_note_that_the_job_continues() -> None:
    async with open_local(Script(duration=None)) as local:
        local.faults.add("DescribeJobs", Fault.error("AccessDeniedException", status=403))
        with pytest.raises(AccessDenied) as caught:
            await run_job(local)
        [job] = local.ledger.submissions
    assert [job.job_id in note for note in caught.value.__notes__] == [True]


async def test_console_link_and_each_state_are_reported() -> None:
    links: list[str] = []
    messages: list[str] = []
    reports = SchedulerReports(tracking_url=links.append, status_message=messages.append)
    async with open_local(AT_ONCE) as local:
        await run_job(local, reports)
        [job] = local.ledger.submissions
    assert [link.endswith(f"#jobs/detail/{job.job_id}") for link in links] == [True]
    assert messages[-1] == f"AWS Batch job {job.job_id}: SUCCEEDED"
    assert len(set(messages)) == len(messages)


@pytest.mark.virtual_time
async def test_job_that_cannot_start_reports_why_and_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="luigi-interface")
    blocked = anyio.Event()

    def report(message: str) -> None:
        if "RUNNABLE (MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT" in message:
            assert "request less, or use another queue" in message
            blocked.set()

    reports = SchedulerReports(status_message=InstantReporter(report).report)
    async with open_local(AT_ONCE) as local, AsyncBatchClient(session=local.session) as client:
        plan = RunPlan(request=JobRequest("succeeds", queue="default", vcpus=10_000))
        async with anyio.create_task_group() as group:
            group.start_soon(JobRun(client, plan, reports).run)
            await blocked.wait()
            group.cancel_scope.cancel()
    assert "request less, or use another queue" in caplog.text


async def test_unreachable_scheduler_does_not_end_the_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def unreachable(_text: str) -> None:
        raise make(RPCError, "Errors (3 attempts) when connecting to remote scheduler")

    async with open_local(AT_ONCE) as local:
        caplog.set_level(logging.INFO, logger="luigi-interface")
        await run_job(local, SchedulerReports(tracking_url=unreachable, status_message=unreachable))
    assert "Report to Luigi's scheduler failed" in caplog.text
    assert "is SUCCEEDED" in caplog.text


@pytest.mark.virtual_time
async def test_batch_job_exception_can_be_pickled() -> None:
    async with open_local(Script(exit_code=3, lines=[(0, "no such table")])) as local:
        with pytest.raises(BatchJobException) as caught:
            await run_job(local)
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - from this test
    assert str(copy) == str(caught.value)
    assert copy.exit_code == 3


@pytest.mark.virtual_time
async def test_job_with_fifty_tags_gets_none_of_luigis() -> None:
    tags = {f"tag-{n}": "x" for n in range(50)}
    plan = RunPlan(
        request=JobRequest("succeeds", queue="default", tags=tags),
        identity={"luigi:task-family": "Daily"},
    )
    async with open_local(AT_ONCE) as local, AsyncBatchClient(session=local.session) as client:
        run = JobRun(client, plan, NO_REPORTS)
        await run.run()
        assert run.result is not None
        assert run.result.description.tags == tags


async def test_report_may_be_a_method_of_an_object_without_a_hash() -> None:
    class Reports:
        __hash__ = None  # type: ignore[assignment] # as of a dataclass

        def __init__(self) -> None:
            self.messages: list[str] = []

        def add(self, message: str) -> None:
            self.messages.append(message)

    reports = Reports()
    async with open_local(AT_ONCE) as local:
        await run_job(local, SchedulerReports(status_message=reports.add))
    assert reports.messages[-1].endswith("SUCCEEDED")
