"""Terminate and cancel: what they do in each state."""

import pytest
from botocore.exceptions import EndpointConnectionError

from asyncbatch.local import Fault, Script
from tests.local.harness import Bench, bench, pass_time

pytestmark = pytest.mark.virtual_time

FOREVER = Script(startup=10, duration=None)


async def _terminated(at: Bench, job_id: str) -> None:
    await at.batch.terminate_job(jobId=job_id, reason="no longer needed")


async def _cancelled(at: Bench, job_id: str) -> None:
    await at.batch.cancel_job(jobId=job_id, reason="changed my mind")


@pytest.mark.parametrize("age", [5, 20], ids=["STARTING", "RUNNING"])
async def test_terminate_ends_an_attempt_with_the_users_reason(age: float) -> None:
    async with bench(FOREVER) as at:
        job_id = await at.submit(retryStrategy={"attempts": 3})
        await pass_time(age)
        await _terminated(at, job_id)
        job = await at.ended(job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "no longer needed")
    assert (job["isTerminated"], job["isCancelled"]) == (True, False)
    assert len(job["attempts"]) == 1
    assert job["container"]["exitCode"] == 143


async def test_terminate_kills_what_ignores_sigterm() -> None:
    async with bench(Script(duration=None, stops_after=None), stop_grace=30) as at:
        job_id = await at.submit()
        await pass_time(10)
        await _terminated(at, job_id)
        await pass_time(29)
        assert await at.status(job_id) == "RUNNING"
        job = await at.ended(job_id)
    assert job["container"]["exitCode"] == 137


async def test_a_job_that_ends_well_while_it_is_terminated_has_failed() -> None:
    async with bench(Script(duration=15, stops_after=20)) as at:
        job_id = await at.submit()
        await pass_time(10)
        await _terminated(at, job_id)
        assert (await at.ended(job_id))["status"] == "FAILED"


async def test_terminate_ends_a_waiting_job_at_once() -> None:
    async with bench(FOREVER, vcpus=1) as at:
        await at.submit()
        waiting = await at.submit()
        await pass_time(5)
        assert await at.status(waiting) == "RUNNABLE"
        await _terminated(at, waiting)
        job = await at.job(waiting)
    assert (job["status"], job["statusReason"]) == ("FAILED", "no longer needed")
    assert job["attempts"] == []
    assert "startedAt" not in job


async def test_cancel_ends_a_waiting_job_at_once() -> None:
    async with bench(FOREVER, vcpus=1) as at:
        await at.submit()
        waiting = await at.submit()
        await pass_time(5)
        await _cancelled(at, waiting)
        job = await at.job(waiting)
    assert (job["status"], job["statusReason"]) == ("FAILED", "changed my mind")
    assert (job["isTerminated"], job["isCancelled"]) == (False, True)


async def test_cancel_of_a_job_that_was_just_submitted_keeps_it_from_starting() -> None:
    async with bench() as at:
        job_id = await at.submit()
        await _cancelled(at, job_id)
        await pass_time(60)
        assert await at.status(job_id) == "FAILED"


async def test_cancel_leaves_a_running_job_alone_and_says_nothing() -> None:
    async with bench(Script(duration=20)) as at:
        job_id = await at.submit()
        await pass_time(5)
        await _cancelled(at, job_id)
        job = await at.ended(job_id)
    assert job["status"] == "SUCCEEDED"
    assert job["isCancelled"] is False


async def test_cancel_of_a_pending_job_waits_for_its_dependencies() -> None:
    async with bench(Script(startup=0, duration=100)) as at:
        first = await at.submit()
        second = await at.submit(dependsOn=[{"jobId": first}])
        await pass_time(1)
        await _cancelled(at, second)
        await pass_time(50)
        assert await at.status(second) == "PENDING"
        await pass_time(60)
        job = await at.job(second)
    assert (job["status"], job["statusReason"]) == ("FAILED", "changed my mind")


@pytest.mark.parametrize("end", ["terminate_job", "cancel_job"])
async def test_an_unknown_job_and_one_that_has_ended_are_no_errors(end: str) -> None:
    async with bench() as at:
        done = (await at.ended(await at.submit()))["jobId"]
        for job_id in (done, "00000000-0000-4000-8000-000000000000"):
            await getattr(at.batch, end)(jobId=job_id, reason="whatever")
        job = await at.job(done)
    assert job["status"] == "SUCCEEDED"
    assert (job["isTerminated"], job["isCancelled"]) == (False, False)


async def test_the_reason_is_required_and_bounded() -> None:
    async with bench() as at:
        for reason in ("", "x" * 1025):
            with pytest.raises(at.batch.exceptions.ClientException):
                await at.batch.terminate_job(jobId="any", reason=reason)


async def test_bulk_terminate_reports_each_job() -> None:
    async with bench(FOREVER) as at:
        if not hasattr(at.batch, "terminate_jobs"):
            pytest.skip("this botocore does not know TerminateJobs")
        ids = [await at.submit() for _ in range(3)]
        await pass_time(20)
        answer = await at.batch.terminate_jobs(jobs=[*ids, "unknown"], reason="stop")
        assert answer["successful"] == [*ids, "unknown"]
        assert answer["errors"] == []
        assert [(await at.ended(job_id))["statusReason"] for job_id in ids] == ["stop"] * 3
        with pytest.raises(at.batch.exceptions.ClientException, match="50"):
            await at.batch.terminate_jobs(jobs=ids * 17, reason="stop")


async def test_a_bulk_request_can_be_carried_out_in_part() -> None:
    async with bench(FOREVER) as at:
        if not hasattr(at.batch, "terminate_jobs"):
            pytest.skip("this botocore does not know TerminateJobs")
        ids = [await at.submit() for _ in range(3)]
        await pass_time(20)
        with at.local.faults.add("TerminateJobs", Fault.partial("ServerException", "later")):
            answer = await at.batch.terminate_jobs(jobs=ids, reason="stop")
        assert answer["successful"] == [ids[1]]
        assert [(error["job"], error["code"]) for error in answer["errors"]] == [
            (ids[0], "ServerException"),
            (ids[2], "ServerException"),
        ]
        assert (await at.ended(ids[1]))["statusReason"] == "stop"
        assert await at.status(ids[0]) == "RUNNING"


async def test_closing_the_engine_ends_what_runs() -> None:
    async with bench(FOREVER) as at:
        await at.submit()
        await pass_time(20)
        local = at.local
    await local.aclose()  # twice is harmless


async def test_nobody_listens_once_the_engine_is_closed() -> None:
    async with bench() as at:
        await at.local.aclose()
        with pytest.raises(EndpointConnectionError):
            await at.submit()
