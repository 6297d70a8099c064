"""TerminateJob and CancelJob in each status of a job."""

import pytest

from asyncbatch import ClientClosed
from asyncbatch.local import Fault, Script
from tests.local.harness import LocalEngine, open_engine, pass_time

pytestmark = pytest.mark.virtual_time

ENDLESS = Script(startup=10, duration=None)


async def _terminate(engine: LocalEngine, job_id: str) -> None:
    await engine.batch.terminate_job(jobId=job_id, reason="no longer needed")


async def _cancel(engine: LocalEngine, job_id: str) -> None:
    await engine.batch.cancel_job(jobId=job_id, reason="changed my mind")


@pytest.mark.parametrize("age", [5, 20], ids=["STARTING", "RUNNING"])
async def test_terminate_ends_an_attempt_with_the_users_reason(age: float) -> None:
    async with open_engine(ENDLESS) as engine:
        job_id = await engine.submit(retryStrategy={"attempts": 3})
        await pass_time(age)
        await _terminate(engine, job_id)
        job = await engine.ended(job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "no longer needed")
    assert (job["isTerminated"], job["isCancelled"]) == (True, False)
    assert len(job["attempts"]) == 1
    assert job["container"]["exitCode"] == 143


async def test_terminate_kills_an_attempt_that_ignores_sigterm_after_the_grace_period() -> None:
    async with open_engine(Script(duration=None, stops_after=None), stop_grace=30) as engine:
        job_id = await engine.submit()
        await pass_time(10)
        await _terminate(engine, job_id)
        await pass_time(29)
        assert await engine.status(job_id) == "RUNNING"
        job = await engine.ended(job_id)
    assert job["container"]["exitCode"] == 137


async def test_a_job_that_succeeds_while_being_terminated_is_failed() -> None:
    async with open_engine(Script(duration=15, stops_after=20)) as engine:
        job_id = await engine.submit()
        await pass_time(10)
        await _terminate(engine, job_id)
        assert (await engine.ended(job_id))["status"] == "FAILED"


async def test_terminate_ends_a_runnable_job_immediately() -> None:
    async with open_engine(ENDLESS, vcpus=1) as engine:
        await engine.submit()
        waiting = await engine.submit()
        await pass_time(5)
        assert await engine.status(waiting) == "RUNNABLE"
        await _terminate(engine, waiting)
        job = await engine.job(waiting)
    assert (job["status"], job["statusReason"]) == ("FAILED", "no longer needed")
    assert job["attempts"] == []
    assert "startedAt" not in job


async def test_cancel_ends_a_runnable_job_immediately() -> None:
    async with open_engine(ENDLESS, vcpus=1) as engine:
        await engine.submit()
        waiting = await engine.submit()
        await pass_time(5)
        await _cancel(engine, waiting)
        job = await engine.job(waiting)
    assert (job["status"], job["statusReason"]) == ("FAILED", "changed my mind")
    assert (job["isTerminated"], job["isCancelled"]) == (False, True)


async def test_cancel_of_a_submitted_job_prevents_its_start() -> None:
    async with open_engine() as engine:
        job_id = await engine.submit()
        await _cancel(engine, job_id)
        await pass_time(60)
        assert await engine.status(job_id) == "FAILED"


async def test_cancel_does_not_affect_a_running_job() -> None:
    async with open_engine(Script(duration=20)) as engine:
        job_id = await engine.submit()
        await pass_time(5)
        await _cancel(engine, job_id)
        job = await engine.ended(job_id)
    assert job["status"] == "SUCCEEDED"
    assert job["isCancelled"] is False


async def test_cancel_of_a_pending_job_waits_for_its_dependencies() -> None:
    async with open_engine(Script(startup=0, duration=100)) as engine:
        first = await engine.submit()
        second = await engine.submit(dependsOn=[{"jobId": first}])
        await pass_time(1)
        await _cancel(engine, second)
        await pass_time(50)
        assert await engine.status(second) == "PENDING"
        await pass_time(60)
        job = await engine.job(second)
    assert (job["status"], job["statusReason"]) == ("FAILED", "changed my mind")


@pytest.mark.parametrize("end", ["terminate_job", "cancel_job"])
async def test_ending_an_unknown_or_finished_job_is_not_an_error(end: str) -> None:
    async with open_engine() as engine:
        done = (await engine.ended(await engine.submit()))["jobId"]
        for job_id in (done, "00000000-0000-4000-8000-000000000000"):
            await getattr(engine.batch, end)(jobId=job_id, reason="whatever")
        job = await engine.job(done)
    assert job["status"] == "SUCCEEDED"
    assert (job["isTerminated"], job["isCancelled"]) == (False, False)


async def test_an_empty_or_too_long_reason_is_rejected() -> None:
    async with open_engine() as engine:
        for reason in ("", "x" * 1025):
            with pytest.raises(engine.batch.exceptions.ClientException):
                await engine.batch.terminate_job(jobId="any", reason=reason)


async def test_bulk_terminate_reports_each_job() -> None:
    async with open_engine(ENDLESS) as engine:
        if not hasattr(engine.batch, "terminate_jobs"):
            pytest.skip("the installed botocore does not have TerminateJobs")
        ids = [await engine.submit() for _ in range(3)]
        await pass_time(20)
        response = await engine.batch.terminate_jobs(jobs=[*ids, "unknown"], reason="stop")
        assert response["successful"] == [*ids, "unknown"]
        assert response["errors"] == []
        assert [(await engine.ended(job_id))["statusReason"] for job_id in ids] == ["stop"] * 3
        with pytest.raises(engine.batch.exceptions.ClientException, match="50"):
            await engine.batch.terminate_jobs(jobs=ids * 17, reason="stop")


async def test_fault_partial_leaves_out_every_second_job_of_a_bulk_request() -> None:
    async with open_engine(ENDLESS) as engine:
        if not hasattr(engine.batch, "terminate_jobs"):
            pytest.skip("the installed botocore does not have TerminateJobs")
        ids = [await engine.submit() for _ in range(3)]
        await pass_time(20)
        with engine.local.faults.add("TerminateJobs", Fault.partial("ServerException", "later")):
            response = await engine.batch.terminate_jobs(jobs=ids, reason="stop")
        assert response["successful"] == [ids[1]]
        assert [(error["job"], error["code"]) for error in response["errors"]] == [
            (ids[0], "ServerException"),
            (ids[2], "ServerException"),
        ]
        assert (await engine.ended(ids[1]))["statusReason"] == "stop"
        assert await engine.status(ids[0]) == "RUNNING"


async def test_closing_the_engine_ends_running_jobs() -> None:
    async with open_engine(ENDLESS) as engine:
        await engine.submit()
        await pass_time(20)
        local = engine.local
    await local.aclose()  # a second call does nothing


async def test_requests_are_refused_after_the_engine_is_closed() -> None:
    async with open_engine() as engine:
        await engine.local.aclose()
        with pytest.raises(ClientClosed, match="the local AWS Batch is closed"):
            await engine.submit()
