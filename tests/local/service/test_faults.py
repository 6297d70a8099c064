"""Faults: the error of the caller, and whether the request was carried out, through both doors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from asyncbatch.local import Fault, LocalBatch, Quotas, Rate, ScriptedExecutor
from tests.local.harness import CONTAINER, LocalEngine, open_engine, pass_time

SUBMIT = {"jobName": "job", "jobQueue": "default", "jobDefinition": "task"}
DOORS = ["in-process", "http"]


@asynccontextmanager
async def _through(
    door: str, session: AioSession, *, read_timeout: float = 30
) -> AsyncIterator[tuple[LocalBatch, Any]]:
    """Open a local engine and a client that uses one of its doors, in real time."""
    async with LocalBatch(executor=ScriptedExecutor()) as local, local.serve() as http:
        async with local.session.create_client("batch") as setup_client:
            await setup_client.register_job_definition(
                jobDefinitionName="task", type="container", containerProperties=CONTAINER
            )
        config = AioConfig(retries={"total_max_attempts": 1}, read_timeout=read_timeout)
        if door == "in-process":
            client = local.session.create_client("batch", config=config)
        else:
            client = session.create_client(
                "batch",
                config=config,
                endpoint_url=http.url,
                region_name="local",
                aws_access_key_id=http.access_key_id,
                aws_secret_access_key=http.secret_access_key,
            )
        async with client as opened:
            yield local, opened


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("fault", "raised", "cause", "carried_out"),
    [
        (Fault.refuse(times=1), EndpointConnectionError, aiohttp.ClientOSError, False),
        (Fault.drop_before(times=1), ConnectionClosedError, aiohttp.ServerDisconnectedError, False),
        (Fault.drop_after(times=1), ConnectionClosedError, aiohttp.ServerDisconnectedError, True),
        (Fault.reset_before(times=1), EndpointConnectionError, aiohttp.ClientOSError, False),
        (Fault.reset_after(times=1), EndpointConnectionError, aiohttp.ClientOSError, True),
        (Fault.truncated(times=1), ConnectionClosedError, aiohttp.ClientPayloadError, True),
    ],
    ids=lambda value: value.kind.name if isinstance(value, Fault) else None,
)
async def test_a_lost_response_raises_the_same_error_through_both_doors(
    aio_session: AioSession,
    door: str,
    fault: Fault,
    raised: type[BotoCoreError],
    cause: type[Exception],
    *,
    carried_out: bool,
) -> None:
    """A reset raises the error of a connection that was never made, although the job may exist."""
    async with _through(door, aio_session) as (local, client):
        local.faults.add("SubmitJob", fault)
        with pytest.raises(raised) as lost:
            await client.submit_job(**SUBMIT)
        submitted = len(local.ledger.submissions)
        await client.submit_job(**SUBMIT)
    assert isinstance(lost.value.kwargs["error"], cause)
    assert submitted == int(carried_out)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("fault", "carried_out"),
    [
        (Fault.latency(3600), True),
        (Fault.latency_before(3600), False),
        (Fault.slow_body(3600), True),
    ],
    ids=lambda value: value.kind.name if isinstance(value, Fault) else None,
)
async def test_a_response_slower_than_the_read_timeout_is_a_read_timeout_error(
    aio_session: AioSession, door: str, fault: Fault, *, carried_out: bool
) -> None:
    async with _through(door, aio_session, read_timeout=0.05) as (local, client):
        local.faults.add("SubmitJob", fault)
        with pytest.raises(ReadTimeoutError) as timeout:
            await client.submit_job(**SUBMIT)
        assert len(local.ledger.submissions) == int(carried_out)
    assert isinstance(timeout.value.kwargs["error"], TimeoutError)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (
            Fault.throttle(),
            429,
            {"Code": "TooManyRequestsException", "Message": "Too Many Requests"},
        ),
        (Fault.server_error(), 500, {"Code": "ServerException", "Message": "Internal error"}),
        (
            Fault.error("AccessDenied", "no", status=403),
            403,
            {"Code": "AccessDenied", "Message": "no"},
        ),
    ],
    ids=["throttle", "server", "error"],
)
async def test_an_injected_error_is_returned_and_the_request_is_not_carried_out(
    aio_session: AioSession, door: str, fault: Fault, status: int, error: dict[str, str]
) -> None:
    async with _through(door, aio_session) as (local, client):
        with local.faults.add("SubmitJob", fault), pytest.raises(ClientError) as rejected:
            await client.submit_job(**SUBMIT)
        assert local.ledger.submissions == []
    response = rejected.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert response["Error"] == error


@pytest.mark.parametrize("door", DOORS)
async def test_a_slow_response_within_the_read_timeout_succeeds(
    aio_session: AioSession, door: str
) -> None:
    async with _through(door, aio_session) as (local, client):
        local.faults.add("SubmitJob", Fault.slow_body(0.01))
        assert (await client.submit_job(**SUBMIT))["jobName"] == "job"


@pytest.mark.virtual_time
async def test_throttled_cloudwatch_logs_requests_fail_with_throttling_exception() -> None:
    async with open_engine() as engine:
        engine.local.faults.add("GetLogEvents", Fault.throttle())
        with pytest.raises(ClientError) as rejected:
            await engine.logs.get_log_events(logGroupName="g", logStreamName="s")
    assert rejected.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert rejected.value.response["Error"] == {
        "Code": "ThrottlingException",
        "Message": "Rate exceeded",
    }


async def _outcomes(engine: LocalEngine, number: int) -> list[bool]:
    """Submit jobs one after the other; return which submissions succeeded."""
    outcomes = []
    for _ in range(number):
        try:
            await engine.submit()
        except ClientError:
            outcomes.append(False)
        else:
            outcomes.append(True)
    return outcomes


@pytest.mark.virtual_time
async def test_a_fault_hits_exactly_the_given_number_of_requests() -> None:
    async with open_engine() as engine:
        injected = engine.local.faults.add("SubmitJob", Fault.throttle(times=2))
        assert await _outcomes(engine, 4) == [False, False, True, True]
        assert injected.hits == 2
        assert engine.local.ledger.throttled == {"SubmitJob": 2}
        assert engine.local.calls["SubmitJob"] == 4


@pytest.mark.virtual_time
async def test_a_fault_ends_with_its_block_or_with_remove_or_clear() -> None:
    async with open_engine() as engine:
        with engine.local.faults.add("*", Fault.server_error()) as injected:
            assert await _outcomes(engine, 1) == [False]
        injected.remove()
        assert await _outcomes(engine, 1) == [True]
        engine.local.faults.add("SubmitJob", Fault.server_error())
        engine.local.faults.clear()
        assert await _outcomes(engine, 1) == [True]
        assert engine.local.ledger.failed == {"SubmitJob": 1}


@pytest.mark.virtual_time
async def test_a_fault_with_a_probability_hits_the_same_requests_with_the_same_seed() -> None:
    async def run() -> list[bool]:
        async with open_engine(seed=3) as engine:
            engine.local.faults.add("SubmitJob", Fault.throttle(probability=0.5))
            return await _outcomes(engine, 40)

    first = await run()
    assert first == await run()
    assert 5 < sum(first) < 35


@pytest.mark.virtual_time
async def test_a_fault_does_not_affect_other_operations() -> None:
    async with open_engine() as engine:
        engine.local.faults.add("DescribeJobs", Fault.throttle())
        assert await _outcomes(engine, 1) == [True]


@pytest.mark.virtual_time
async def test_a_limit_allows_its_burst_and_then_its_rate() -> None:
    async with open_engine() as engine:
        engine.local.faults.add("SubmitJob", Fault.limit(2, burst=3))
        assert await _outcomes(engine, 5) == [True, True, True, False, False]
        await pass_time(1)
        assert await _outcomes(engine, 3) == [True, True, False]


@pytest.mark.virtual_time
async def test_quotas_apply_to_each_operation_separately() -> None:
    quotas = Quotas(rates={"SubmitJob": Rate(1)}, default=None)
    async with open_engine(quotas=quotas) as engine:
        assert await _outcomes(engine, 3) == [True, False, False]
        await engine.batch.describe_job_queues()
        await pass_time(1)
        assert await _outcomes(engine, 2) == [True, False]


@pytest.mark.virtual_time
async def test_quotas_of_aws_allow_50_submissions_per_second() -> None:
    async with open_engine(quotas=Quotas.aws()) as engine:
        assert sum(await _outcomes(engine, 60)) == 50
        await pass_time(10)
        assert sum(await _outcomes(engine, 60)) == 50


@pytest.mark.virtual_time
async def test_fault_lag_hides_a_new_job() -> None:
    async with open_engine() as engine:
        engine.local.faults.add("*", Fault.lag(3))
        job_id = await engine.submit()
        by_name = [{"name": "JOB_NAME", "values": ["job"]}]
        for wait, visible in ((2.9, 0), (0.2, 1)):
            await pass_time(wait)
            described = await engine.batch.describe_jobs(jobs=[job_id])
            listed = await engine.batch.list_jobs(jobQueue="default", filters=by_name)
            assert len(described["jobs"]) == len(listed["jobSummaryList"]) == visible


@pytest.mark.virtual_time
async def test_fault_forget_hides_a_job_some_time_after_its_end() -> None:
    async with open_engine() as engine:
        engine.local.faults.add("DescribeJobs", Fault.forget(5))
        job_id = (await engine.ended(await engine.submit()))["jobId"]
        await pass_time(6)
        assert (await engine.batch.describe_jobs(jobs=[job_id]))["jobs"] == []


@pytest.mark.virtual_time
async def test_a_read_timeout_happens_after_the_configured_time() -> None:
    async with open_engine() as engine:
        engine.local.faults.add("DescribeJobQueues", Fault.latency(60))
        with pytest.raises(ReadTimeoutError):
            await engine.batch.describe_job_queues()
        assert asyncio.get_running_loop().time() == 10


@pytest.mark.virtual_time
async def test_concurrent_requests_are_limited_to_the_pool_size() -> None:
    async with open_engine() as engine:
        engine.local.faults.add("DescribeJobQueues", Fault.latency(1))
        async with asyncio.TaskGroup() as group:
            for _ in range(25):
                group.create_task(engine.batch.describe_job_queues())
        assert asyncio.get_running_loop().time() == pytest.approx(3)
