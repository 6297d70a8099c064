"""Submitting: each request makes exactly one job or raises one clear error."""

import anyio
import pytest

from asyncbatch import (
    APIError,
    AsyncBatchClient,
    ConnectionFailed,
    InvalidRequest,
    JobDefinitionNotFound,
    JobQueue,
    JobQueueNotFound,
    JobRequest,
    JobStatus,
    JobSubmitted,
    RateLimits,
    RequestThrottled,
)
from asyncbatch.local import Fault, Quotas, Rate, Script
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


async def test_generated_name_is_unique_and_shows_the_job_definition(bench: MakeBench) -> None:
    async with bench() as b:
        first = await b.batch.submit("hello")
        second = await b.batch.submit("hello")
    assert first.name.startswith("hello-")
    assert first.name != second.name


async def test_custom_name_is_kept(bench: MakeBench) -> None:
    async with bench() as b:
        assert (await b.batch.submit("hello", name="mine")).name == "mine"


async def test_fields_beside_a_request_replace_its_own(bench: MakeBench) -> None:
    async with bench() as b:
        job = await b.batch.submit(JobRequest("hello", name="old"), name="new")
        assert job.name == "new"


async def test_submission_is_reported_to_observers(bench: MakeBench) -> None:
    async with bench() as b:
        job = await b.batch.submit("hello", array_size=3)
    expected = JobSubmitted(job_id=job.id, name=job.name, queue="default", array_size=3)
    assert b.events_of(JobSubmitted) == [expected]


async def test_new_job_has_state_submitted_and_no_description(bench: MakeBench) -> None:
    async with bench() as b:
        job = await b.batch.submit("hello")
        assert (job.status, job.description) == (JobStatus.SUBMITTED, None)


# -- queues ----------------------------------------------------------------------------------------


async def test_only_enabled_queue_is_the_default(bench: MakeBench) -> None:
    """DISABLED queues do not count, and the default is looked up once."""
    async with bench() as b:
        await _add_queues(b.local.session, 3, state="DISABLED")
        job = await b.batch.submit("hello")
        assert (await job.wait()).queue is not None
        assert await b.batch.default_queue() == "default"
        await b.batch.submit("hello")
    assert b.local.calls["DescribeJobQueues"] == 1


async def test_several_queues_need_an_explicit_choice(bench: MakeBench) -> None:
    async with bench() as b:
        await _add_queues(b.local.session, 1, state="ENABLED")
        with pytest.raises(
            InvalidRequest, match="queue=None: name one of the job queues: default, q0"
        ):
            await b.batch.submit("hello")
        assert (await b.batch.submit("hello", queue="q0")).id
    assert b.local.calls["SubmitJob"] == 1


@pytest.mark.parametrize(
    ("extra", "takes_jobs"),
    [
        ({}, True),
        ({"jobQueueType": "ECS"}, True),
        ({"jobQueueType": "EKS", "serviceEnvironmentOrder": []}, True),
        ({"jobQueueType": "SAGEMAKER_TRAINING"}, False),
        ({"serviceEnvironmentOrder": [{"order": 1, "serviceEnvironment": "arn"}]}, False),
    ],
)
def test_queue_of_a_service_takes_no_container_jobs(
    extra: dict[str, object], *, takes_jobs: bool
) -> None:
    queue = JobQueue(name="q", arn="arn", state="ENABLED", status="VALID", extra=extra)
    assert queue.takes_jobs is takes_jobs


async def _add_queues(session: object, count: int, *, state: str) -> None:
    async with session.create_client("batch") as raw:  # type: ignore[attr-defined]
        environment = (await raw.describe_compute_environments())["computeEnvironments"][0]
        order = [{"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}]
        for number in range(count):
            await raw.create_job_queue(
                jobQueueName=f"q{number}", state=state, priority=1, computeEnvironmentOrder=order
            )


async def test_unknown_queue_raises_job_queue_not_found(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(JobQueueNotFound, match=r"nowhere.*describe-job-queues"):
            await b.batch.submit("hello", queue="nowhere")


async def test_unknown_job_definition_raises_job_definition_not_found(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(JobDefinitionNotFound, match=r"nothing.*register_job_definition"):
            await b.batch.submit("nothing")


async def test_invalid_request_raises_before_sending(bench: MakeBench) -> None:
    async with bench() as b:
        before = b.local.calls.total()
        with pytest.raises(
            InvalidRequest, match="array_size=1: array jobs need 2 to 10,000 children"
        ):
            await b.batch.submit("hello", array_size=1)
        with pytest.raises(InvalidRequest, match="30,720 bytes"):
            await b.batch.submit("hello", queue="default", parameters={"big": "x" * 31_000})
        with pytest.raises(InvalidRequest, match="noSuchMember"):
            await b.batch.submit("hello", queue="default", extra={"noSuchMember": 1})
        assert b.local.calls.total() == before


# -- faults ----------------------------------------------------------------------------------------


async def test_refused_job_is_not_sent_again(bench: MakeBench) -> None:
    async with bench() as b:
        refusal = Fault.error("ClientException", "Error executing request, Exception : no")
        with b.local.faults.add("SubmitJob", refusal), pytest.raises(APIError, match=": no"):
            await b.batch.submit("hello")
        assert b.local.calls["SubmitJob"] == 1


async def test_endpoint_that_never_responds_raises_soon(bench: MakeBench) -> None:
    async with bench() as b:
        b.local.faults.add("*", Fault.drop_before())
        await b.batch.aclose()
        await b.batch.open()
        with pytest.raises(ConnectionFailed, match="endpoint_url"), anyio.fail_after(10):
            await b.batch.submit("hello", name="mine")


async def test_burst_is_paced_to_the_quota(bench: MakeBench) -> None:
    quotas = Quotas(rates={"SubmitJob": Rate(50, 50)})
    async with bench(quotas=quotas) as b:
        jobs = await b.batch.submit_many(JobRequest("hello") for _ in range(300))
        assert len({job.id for job in jobs}) == 300
        assert b.local.ledger.throttled["SubmitJob"] == 0


async def test_two_clients_share_the_quota_without_losing_a_job(bench: MakeBench) -> None:
    quotas = Quotas(rates={"SubmitJob": Rate(50, 50)})
    async with bench(quotas=quotas) as b, AsyncBatchClient(session=b.local.session) as other:
        started = anyio.current_time()
        async with anyio.create_task_group() as group:
            for batch in (b.batch, other):
                group.start_soon(batch.submit_many, [JobRequest("hello")] * 500)
        lasted = anyio.current_time() - started
    assert len(b.local.ledger.submissions) == 1_000
    # The quota allows 20 s at best; two clients that throttle each other take longer.
    assert lasted < 2 * 20
    assert b.local.ledger.throttled["SubmitJob"] < 300


async def test_throttling_lowers_the_rate_and_raises_no_error(bench: MakeBench) -> None:
    """Another program uses most of the quota: 10/s are left, although 45/s are configured."""
    quotas = Quotas(rates={"SubmitJob": Rate(10, 10)})
    async with bench(quotas=quotas, limits=RateLimits(submit_per_second=45)) as b:
        jobs = await b.batch.submit_many(JobRequest("hello") for _ in range(300))
        assert len({job.id for job in jobs}) == len(b.local.ledger.submissions) == 300
        throttled = b.events_of(RequestThrottled)
        assert min(e.per_second for e in throttled) < 12
        assert b.local.calls["SubmitJob"] < 2 * 300


async def test_error_in_one_submission_does_not_affect_others(
    bench: MakeBench,
) -> None:
    """An unexpected error, here a value that JSON cannot express, reaches its own caller only."""
    endless: dict[str, object] = {}
    endless["again"] = endless
    async with bench(Script(duration=60)) as b:
        job = await b.batch.submit("hello")
        with pytest.raises(ValueError, match="Circular"):
            await b.batch.submit("hello", extra={"nodeOverrides": endless})
        assert (await job).succeeded


def test_invalid_endpoint_or_region_is_named_in_the_error() -> None:
    with pytest.raises(InvalidRequest, match="endpoint_url='localhost:4566': must be a URL"):
        AsyncBatchClient(endpoint_url="localhost:4566")
    with pytest.raises(InvalidRequest, match="region_name='us east'"):
        AsyncBatchClient(region_name="us east")
