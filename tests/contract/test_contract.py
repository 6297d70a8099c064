"""The contract of the client with any endpoint that implements AWS Batch."""

import time

import pytest

from asyncbatch import (
    AsyncBatchClient,
    InvalidRequest,
    JobDefinitionNotFound,
    JobQueueNotFound,
    JobRequest,
    JobStatus,
    JobVanished,
)
from tests.contract.conftest import Endpoint

# Opening a client for a URL reads certificates and models; moto's responses take a while.
pytestmark = [pytest.mark.may_block, pytest.mark.timeout(60)]


async def test_job_is_submitted_and_followed_to_its_end(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    job = await batch.submit(endpoint.job_definition)
    result = await job
    assert result.succeeded
    assert result.status is JobStatus.SUCCEEDED
    assert result.job_id == job.id
    assert result.name == job.name
    assert result.description.queue is not None
    assert result.description.queue.endswith(f"job-queue/{endpoint.queue}")
    assert result.description.job_definition is not None
    assert result.description.job_definition.endswith(f"{endpoint.job_definition}:1")
    assert result.description.created_at is not None


async def test_fields_of_a_request_appear_in_the_description(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    job = await batch.submit(
        endpoint.job_definition,
        name="mine",
        queue=endpoint.queue,
        parameters={"date": "2024-01-15", "n": 3},
        environment={"COLOUR": "green"},
        tags={"team": "etl"},
    )
    description = (await job).description
    assert description.name == "mine"
    assert description.parameters == {"date": "2024-01-15", "n": "3"}
    assert description.containers[0].environment["COLOUR"] == "green"


async def test_job_that_has_ended_is_explained(batch: AsyncBatchClient, endpoint: Endpoint) -> None:
    job = await batch.submit(endpoint.job_definition, queue=endpoint.queue)
    await job.result(check=False)
    explanation = await batch.explain(job)
    assert explanation.verdict == "The job succeeded."
    assert (explanation.missing_permissions, explanation.not_read) == ({}, {})


async def test_run_returns_results_in_the_order_of_the_requests(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    names = [f"job-{number}" for number in range(25)]
    requests = [JobRequest(endpoint.job_definition, name=name) for name in names]
    assert [result.name for result in await batch.run(requests)] == names


async def test_as_completed_yields_each_job_once(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    jobs = await batch.submit_many([JobRequest(endpoint.job_definition)] * 5)
    assert {job async for job in batch.as_completed(jobs)} == set(jobs)


async def test_children_of_an_ended_array_have_ended(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    parent = await batch.submit(endpoint.job_definition, array_size=3)
    assert (await parent).succeeded
    children = await batch.describe(f"{parent.id}:{index}" for index in range(3))
    assert [child.status for child in children.values()] == [JobStatus.SUCCEEDED] * 3
    assert parent.description is not None
    assert parent.description.is_array_parent


async def test_dependent_job_runs_after_its_dependency(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    first = await batch.submit(endpoint.job_definition)
    second = await batch.submit(endpoint.job_definition, depends_on=[first])
    assert (await second).succeeded
    assert (await first).succeeded


async def test_unknown_id_is_not_described_and_raises_job_vanished(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    job = await batch.submit(endpoint.job_definition)
    assert set(await batch.describe([job.id, "no-such-job"])) == {job.id}
    [unknown] = await batch.attach(["no-such-job"])
    with pytest.raises(JobVanished):
        await unknown


async def test_jobs_are_found_by_name(batch: AsyncBatchClient, endpoint: Endpoint) -> None:
    for name in ("etl-1", "etl-2", "report"):
        await (await batch.submit(endpoint.job_definition, name=name))
    assert {job.name for job in await batch.find(name="etl-*")} == {"etl-1", "etl-2"}
    [report] = await batch.find(name="report", status=JobStatus.SUCCEEDED)
    assert (await report).succeeded


async def test_jobs_are_found_by_state(batch: AsyncBatchClient, endpoint: Endpoint) -> None:
    job = await batch.submit(endpoint.job_definition)
    await job
    assert await batch.find(status=JobStatus.SUCCEEDED) == [job]
    assert await batch.find(status=JobStatus.RUNNING) == []


async def test_unknown_queue_raises_job_queue_not_found(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    with pytest.raises(JobQueueNotFound, match="nowhere"):
        await batch.submit(endpoint.job_definition, queue="nowhere")


async def test_unknown_job_definition_raises_job_definition_not_found(
    batch: AsyncBatchClient,
) -> None:
    with pytest.raises(JobDefinitionNotFound, match="nothing"):
        await batch.submit("nothing")


async def test_only_queue_is_the_default_queue(batch: AsyncBatchClient, endpoint: Endpoint) -> None:
    assert await batch.default_queue() == endpoint.queue
    [queue] = await batch.job_queues()
    assert queue.takes_jobs


async def test_equal_definition_is_registered_once(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    definition = {
        "jobDefinitionName": "etl",
        "type": "container",
        "containerProperties": {"image": "busybox", "vcpus": 1, "memory": 64, "command": ["true"]},
    }
    first = await batch.register_job_definition(definition)
    assert await batch.register_job_definition(definition) == first
    changed = {**definition, "parameters": {"x": "1"}}
    assert (await batch.register_job_definition(changed)).revision == first.revision + 1
    assert (await (await batch.submit(first))).succeeded


async def test_terminate_does_not_change_an_ended_job(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    job = await batch.submit(endpoint.job_definition)
    await job
    await job.terminate("too late")
    assert (await batch.describe([job]))[job.id].status is JobStatus.SUCCEEDED


async def test_second_client_follows_jobs_of_the_first(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    job = await batch.submit(endpoint.job_definition)
    async with endpoint.client() as other:
        [same] = await other.attach([job.id])
        assert (await same).succeeded


async def test_invalid_request_is_rejected_before_it_is_sent(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    with pytest.raises(InvalidRequest, match="memory_mib=1"):
        await batch.submit(endpoint.job_definition, memory_mib=1)


@pytest.mark.engine_doors
async def test_terminated_job_fails_with_the_reason(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    job = await batch.submit(endpoint.job_definition, name="long-1")
    await job.wait(until=JobStatus.RUNNING)
    await job.terminate("enough of it")
    result = await job.result(check=False)
    assert result.description.is_terminated
    assert result.failure is not None
    assert "enough of it" in result.failure.message


async def test_look_up_lists_jobs_by_name_and_by_time(
    batch: AsyncBatchClient, endpoint: Endpoint
) -> None:
    """An endpoint may ignore the filter by time, but must not hide a job because of it."""
    job = await batch.submit(endpoint.job_definition, name="mine")
    await job
    api = batch._require_open().api
    a_minute_ago = time.time() - 60
    for listing in (
        api.list_for_look_up(endpoint.queue, name="mine"),
        api.list_for_look_up(endpoint.queue, created_after=a_minute_ago),
    ):
        pages = [page async for page in listing]
        (found,) = [each for page in pages for each in page if each.job_id == job.id]
        assert found.name == "mine"
        assert found.created_at == pytest.approx(time.time(), abs=60)
