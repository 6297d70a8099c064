"""Arguments that are not lists of jobs or requests raise before anything is sent."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from asyncbatch import AsyncBatchClient, InvalidRequest, JobRequest
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time

Use = Callable[[AsyncBatchClient, Any], Awaitable[object]]

JOBS: dict[str, Use] = {
    "logs": lambda batch, jobs: anext(batch.logs(jobs)),
    "as_completed": lambda batch, jobs: anext(batch.as_completed(jobs)),
    "attach": lambda batch, jobs: batch.attach(jobs),
    "describe": lambda batch, jobs: batch.describe(jobs),
    "terminate": lambda batch, jobs: batch.terminate(jobs),
}


async def many_of_a_group(batch: AsyncBatchClient, requests: Any) -> None:  # noqa: ANN401
    async with batch.job_group() as group:
        await group.submit_many(requests)


REQUESTS: dict[str, Use] = {
    "run": lambda batch, requests: batch.run(requests),
    "run coalesced": lambda batch, requests: batch.run(requests, coalesce=True),
    "submit_many": lambda batch, requests: batch.submit_many(requests),
    "submit_many of a group": many_of_a_group,
}


@pytest.mark.parametrize("use", JOBS)
@pytest.mark.parametrize("value", ["one", "abc", None, 5])
async def test_jobs_must_be_a_list(bench: MakeBench, use: str, value: object) -> None:
    async with bench() as b:
        jobs = await b.batch.submit("hello") if value == "one" else value
        with pytest.raises(InvalidRequest, match=r"jobs=.*: give a list of jobs, even for one"):
            await JOBS[use](b.batch, jobs)


@pytest.mark.parametrize("use", REQUESTS)
@pytest.mark.parametrize("value", ["one", JobRequest("hello"), "hello", None, 5], ids=str)
async def test_requests_must_be_a_list(bench: MakeBench, use: str, value: object) -> None:
    async with bench() as b:
        requests = await b.batch.submit("hello") if value == "one" else value
        before = b.local.calls["SubmitJob"]
        with pytest.raises(InvalidRequest, match=r"requests=.*: give a list of JobRequests"):
            await REQUESTS[use](b.batch, requests)
        assert b.local.calls["SubmitJob"] == before


async def test_as_completed_accepts_only_handles(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="jobs='abc': every item must be a Job"):
            await JOBS["as_completed"](b.batch, ["abc"])


async def test_waiting_for_an_unknown_state_raises_invalid_request(bench: MakeBench) -> None:
    """A misspelt state would otherwise never be reached, and the wait would last until the end."""
    async with bench() as b:
        job = await b.batch.submit("hello")
        with pytest.raises(
            InvalidRequest, match=r"until='RUNING': must be one of SUBMITTED, .*, FAILED"
        ):
            await job.wait(until="RUNING")  # type: ignore[arg-type]
