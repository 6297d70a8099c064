"""Cancelling jobs: those that have not started end, the others continue."""

import pytest

from asyncbatch import AccessDenied, InvalidRequest, JobFailed, JobRequest, JobStatus
from asyncbatch._aws.api import API
from asyncbatch.local import Fault, Script
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time

LONG = Script(startup=0, duration=300)


async def _never(*_: object) -> bool:
    return False


async def test_job_that_has_not_started_is_cancelled_and_one_that_runs_continues(
    bench: MakeBench,
) -> None:
    async with bench(LONG, vcpus=1) as b:
        running, waiting = await b.batch.submit_many([JobRequest("hello"), JobRequest("hello")])
        await running.wait(JobStatus.RUNNING)
        await running.cancel("enough")
        await waiting.cancel("enough")
        with pytest.raises(JobFailed, match="enough") as raised:
            await waiting
        assert raised.value.result.description.is_cancelled
        assert (await running).succeeded
        assert b.local.calls["TerminateJob"] == 0


async def test_one_call_cancels_fifty_jobs(bench: MakeBench) -> None:
    async with bench(LONG, vcpus=1) as b:
        if not await b.session.api.offers("CancelJobs"):
            pytest.skip("this botocore does not know CancelJobs")
        jobs = await b.batch.submit_many(JobRequest("hello") for _ in range(101))
        await jobs[0].wait(JobStatus.RUNNING)
        await b.batch.cancel(jobs)
        assert (b.local.calls["CancelJobs"], b.local.calls["CancelJob"]) == (3, 0)
        results = [await job.result(check=False) for job in jobs]
        assert [result.succeeded for result in results] == [True] + 100 * [False]
        assert all(r.description.status_reason == "cancelled by asyncbatch" for r in results[1:])


async def test_sdk_without_cancel_jobs_cancels_one_by_one(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(API, "offers", _never)
    async with bench(LONG, vcpus=1) as b:
        jobs = await b.batch.submit_many(JobRequest("hello", vcpus=2) for _ in range(3))
        await b.batch.cancel([job.id for job in jobs])
        assert b.local.calls["CancelJob"] == 3
        assert [(await job.result(check=False)).succeeded for job in jobs] == [False] * 3


async def test_children_of_an_array_that_have_not_started_are_cancelled(bench: MakeBench) -> None:
    async with bench(LONG, vcpus=2) as b:
        array = await b.batch.submit_array("hello", size=5)
        await array[1].wait(JobStatus.RUNNING)
        await array.cancel()
        assert not (await array.result(check=False)).succeeded
        assert len(await array.failed_children()) == 3


async def test_jobs_that_aws_refuses_to_cancel_are_counted_in_the_error(bench: MakeBench) -> None:
    async with bench(LONG, vcpus=1) as b:
        jobs = await b.batch.submit_many(JobRequest("hello") for _ in range(2))
        for operation in ("CancelJobs", "CancelJob"):
            b.local.faults.add(operation, Fault.error("AccessDeniedException", status=403))
        with pytest.raises(AccessDenied) as raised:
            await b.batch.cancel(jobs)
        assert raised.value.__notes__ == ["2 of 2 jobs could not be cancelled."]


async def test_empty_reason_is_refused(bench: MakeBench) -> None:
    async with bench() as b:
        job = await b.batch.submit("hello")
        with pytest.raises(InvalidRequest, match="reason"):
            await job.cancel("")
