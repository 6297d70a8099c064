"""Terminating many jobs: few calls where TerminateJobs exists, one per job where it does not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from asyncbatch import AccessDenied, APIError, Job, JobRequest
from asyncbatch._aws.api import API
from asyncbatch.local import Fault, Script
from tests.fixtures.bench import Bench, MakeBench

pytestmark = pytest.mark.virtual_time

FOREVER = Script(startup=0, duration=None)


async def _never(*_: object) -> bool:
    return False


@asynccontextmanager
async def _running(bench: MakeBench, count: int) -> AsyncIterator[tuple[Bench, list[Job]]]:
    async with bench(FOREVER) as b:
        yield b, await b.batch.submit_many(JobRequest("hello") for _ in range(count))


async def _require_bulk(b: Bench) -> None:
    if not await b.session.api.offers("TerminateJobs"):
        pytest.skip("this botocore does not know TerminateJobs")


async def _all_ended(b: Bench, jobs: list[Job]) -> bool:
    reasons = [
        (await job.result(check=False)).description.status_reason async for job in _each(b, jobs)
    ]
    return reasons == ["enough"] * len(jobs)


def _each(b: Bench, jobs: list[Job]) -> AsyncIterator[Job]:
    return b.batch.as_completed(jobs)


def _calls(b: Bench) -> tuple[int, int]:
    return b.local.calls["TerminateJobs"], b.local.calls["TerminateJob"]


async def test_one_call_terminates_fifty_jobs(bench: MakeBench) -> None:
    async with _running(bench, 120) as (b, jobs):
        await _require_bulk(b)
        await b.batch.terminate(jobs, reason="enough")
        assert _calls(b) == (3, 0)
        assert await _all_ended(b, jobs)


async def test_sdk_without_terminate_jobs_terminates_one_by_one(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(API, "offers", _never)
    async with _running(bench, 60) as (b, jobs):
        await b.batch.terminate(jobs, reason="enough")
        assert _calls(b) == (0, 60)
        assert await _all_ended(b, jobs)


async def test_endpoint_without_terminate_jobs_is_called_once(bench: MakeBench) -> None:
    async with _running(bench, 6) as (b, jobs):
        await _require_bulk(b)
        b.local.faults.add("TerminateJobs", Fault.error("UnknownOperationException", status=404))
        await b.batch.terminate(jobs[:3], reason="enough")
        await b.batch.terminate(jobs[3:], reason="enough")
        assert _calls(b) == (1, 6)
        assert await _all_ended(b, jobs)


@pytest.mark.parametrize("code", ["ThrottlingException", "ServerException"])
async def test_throttled_terminations_are_sent_again_in_bulk(bench: MakeBench, code: str) -> None:
    async with _running(bench, 60) as (b, jobs):
        await _require_bulk(b)
        b.local.faults.add("TerminateJobs", Fault.partial(code, "later", times=2))
        await b.batch.terminate(jobs, reason="enough")
        assert _calls(b) == (3, 0)
        assert await _all_ended(b, jobs)


async def test_terminations_that_stay_throttled_in_bulk_are_sent_one_by_one(
    bench: MakeBench,
) -> None:
    async with _running(bench, 60) as (b, jobs):
        await _require_bulk(b)
        b.local.faults.add("TerminateJobs", Fault.partial("ThrottlingException"))
        await b.batch.terminate(jobs, reason="enough")
        assert await _all_ended(b, jobs)
        assert b.local.calls["TerminateJob"] <= 2


async def test_termination_refused_in_bulk_is_sent_alone(bench: MakeBench) -> None:
    async with _running(bench, 4) as (b, jobs):
        await _require_bulk(b)
        b.local.faults.add("TerminateJobs", Fault.partial("ValidationException", "malformed"))
        await b.batch.terminate(jobs, reason="enough")
        assert _calls(b) == (1, 2)
        assert await _all_ended(b, jobs)


async def test_denied_termination_notes_how_many_jobs_continue(bench: MakeBench) -> None:
    async with _running(bench, 4) as (b, jobs):
        for operation in ("TerminateJobs", "TerminateJob"):
            b.local.faults.add(operation, Fault.error("AccessDeniedException", status=403))
        with pytest.raises(AccessDenied, match="TerminateJob") as caught:
            await b.batch.terminate(jobs)
        assert caught.value.__notes__ == ["4 of 4 jobs could not be terminated."]


async def test_refused_termination_does_not_affect_other_jobs(bench: MakeBench) -> None:
    async with _running(bench, 3) as (b, jobs):
        b.local.faults.add("TerminateJobs", Fault.partial("ClientException"))
        b.local.faults.add("TerminateJob", Fault.error("ClientException", "not it", times=1))
        with pytest.raises(APIError, match="not it") as caught:
            await b.batch.terminate(jobs, reason="enough")
        assert caught.value.__notes__ == ["1 of 3 jobs could not be terminated."]
        assert await _all_ended(b, jobs[1:])


async def test_lost_responses_are_retried(bench: MakeBench) -> None:
    async with _running(bench, 120) as (b, jobs):
        for operation in ("TerminateJobs", "TerminateJob"):
            b.local.faults.add(operation, Fault.drop_after(probability=0.5))
        await b.batch.terminate(jobs, reason="enough")
        assert await _all_ended(b, jobs)


async def test_terminating_an_array_and_its_children_costs_one_call(bench: MakeBench) -> None:
    async with bench(FOREVER) as b:
        array = await b.batch.submit_array("hello", size=5)
        await b.batch.terminate([array, *array], reason="enough")
        assert sum(_calls(b)) == 1
        assert await _all_ended(b, [array])


async def test_terminating_no_jobs_makes_no_call(bench: MakeBench) -> None:
    async with bench() as b:
        await b.batch.terminate([])
        assert _calls(b) == (0, 0)
