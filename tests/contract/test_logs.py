"""The contract for logs. Jobs of moto write none, so the tests write the lines."""

from collections import defaultdict

import pytest

from asyncbatch import AsyncBatchClient, Job, JobRequest, JobResult, LogsUnavailable
from tests.contract.conftest import Endpoint

GROUP = "/aws/batch/job"


def stream_of(result: JobResult) -> str:
    """Return the only log stream of a job."""
    description = result.description
    [stream] = {
        container.log_stream_name
        for container in (*description.containers, *description.attempts[-1].containers)
        if container.log_stream_name
    }
    return stream


async def test_log_is_read_in_order_and_once(batch: AsyncBatchClient, endpoint: Endpoint) -> None:
    job = await batch.submit(endpoint.job_definition)
    lines = [f"line {number}" for number in range(250)]
    await endpoint.write_log(GROUP, stream_of(await job), lines)
    assert [event.message async for event in job.logs()] == lines
    assert [event.message async for event in job.logs(follow=False)] == lines
    assert [event.message async for event in job.logs(tail=2)] == lines[-2:]
    assert [event.message async for event in job.logs(tail=2, follow=False)] == lines[-2:]


@pytest.mark.parametrize("follow", [True, False])
async def test_logs_of_many_jobs_are_read_in_order_and_once(
    batch: AsyncBatchClient, endpoint: Endpoint, *, follow: bool
) -> None:
    jobs = await batch.submit_many([_request(endpoint)] * 5)
    expected = {}
    for job in jobs:
        lines = [f"{job.id} {number % 7}" for number in range(20)]  # some messages are equal
        await endpoint.write_log(GROUP, stream_of(await job), lines)
        expected[job.id] = lines
    found = defaultdict(list)
    async for event in batch.logs(jobs, follow=follow):
        found[event.job_id].append(event.message)
    assert found == expected


async def test_since_leaves_out_earlier_lines(batch: AsyncBatchClient, endpoint: Endpoint) -> None:
    job = await batch.submit(endpoint.job_definition)
    await endpoint.write_log(GROUP, stream_of(await job), [f"line {n}" for n in range(9)])
    events = [event async for event in job.logs(follow=False)]
    since = [event async for event in job.logs(follow=False, since=events[5].timestamp)]
    assert since == [event for event in events if event.timestamp >= events[5].timestamp]


async def test_missing_log_group_raises_logs_unavailable(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    """The engine creates the group with the first job; moto creates none."""
    job = await batch.submit(endpoint.job_definition)
    await job
    if endpoint.is_moto:
        with pytest.raises(LogsUnavailable, match=GROUP):
            await _messages(job)
    else:
        assert await _messages(job) == []


def _request(endpoint: Endpoint) -> JobRequest:
    return JobRequest(endpoint.job_definition)


async def _messages(job: Job) -> list[str]:
    return [event.message async for event in job.logs()]
