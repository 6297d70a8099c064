"""Faults: what the caller sees, and whether the request was carried out, through either door."""

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
from tests.local.harness import CONTAINER, Bench, bench, pass_time

SUBMIT = {"jobName": "job", "jobQueue": "default", "jobDefinition": "task"}
DOORS = ["in-process", "http"]


@asynccontextmanager
async def _through(
    door: str, session: AioSession, *, read_timeout: float = 30
) -> AsyncIterator[tuple[LocalBatch, Any]]:
    """Open a local engine and a client that comes through one of its doors, in real time."""
    async with LocalBatch(executor=ScriptedExecutor()) as local, local.serve() as http:
        async with local.session.create_client("batch") as patient:
            await patient.register_job_definition(
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
    ("fault", "raised", "cause", "taken"),
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
async def test_a_lost_answer_looks_the_same_through_both_doors(
    aio_session: AioSession,
    door: str,
    fault: Fault,
    raised: type[BotoCoreError],
    cause: type[Exception],
    *,
    taken: bool,
) -> None:
    """A reset looks like a connection that was never made, although the job may be there."""
    async with _through(door, aio_session) as (local, client):
        local.faults.add("SubmitJob", fault)
        with pytest.raises(raised) as lost:
            await client.submit_job(**SUBMIT)
        submitted = len(local.ledger.submissions)
        await client.submit_job(**SUBMIT)
    assert isinstance(lost.value.kwargs["error"], cause)
    assert submitted == int(taken)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        (Fault.latency(3600), True),
        (Fault.latency_before(3600), False),
        (Fault.slow_body(3600), True),
    ],
    ids=lambda value: value.kind.name if isinstance(value, Fault) else None,
)
async def test_an_answer_that_takes_too_long_is_a_read_timeout(
    aio_session: AioSession, door: str, fault: Fault, *, taken: bool
) -> None:
    async with _through(door, aio_session, read_timeout=0.05) as (local, client):
        local.faults.add("SubmitJob", fault)
        with pytest.raises(ReadTimeoutError) as late:
            await client.submit_job(**SUBMIT)
        assert len(local.ledger.submissions) == int(taken)
    assert isinstance(late.value.kwargs["error"], TimeoutError)


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
async def test_an_error_is_answered_instead_of_carrying_the_request_out(
    aio_session: AioSession, door: str, fault: Fault, status: int, error: dict[str, str]
) -> None:
    async with _through(door, aio_session) as (local, client):
        with local.faults.add("SubmitJob", fault), pytest.raises(ClientError) as refused:
            await client.submit_job(**SUBMIT)
        assert local.ledger.submissions == []
    response = refused.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert response["Error"] == error


@pytest.mark.parametrize("door", DOORS)
async def test_a_slow_answer_that_comes_in_time_is_an_answer(
    aio_session: AioSession, door: str
) -> None:
    async with _through(door, aio_session) as (local, client):
        local.faults.add("SubmitJob", Fault.slow_body(0.01))
        assert (await client.submit_job(**SUBMIT))["jobName"] == "job"


@pytest.mark.virtual_time
async def test_logs_are_throttled_in_their_own_words() -> None:
    async with bench() as at:
        at.local.faults.add("GetLogEvents", Fault.throttle())
        with pytest.raises(ClientError) as refused:
            await at.logs.get_log_events(logGroupName="g", logStreamName="s")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert refused.value.response["Error"] == {
        "Code": "ThrottlingException",
        "Message": "Rate exceeded",
    }


async def _outcomes(at: Bench, number: int) -> list[bool]:
    """Submit one after the other; return which of them succeeded."""
    outcomes = []
    for _ in range(number):
        try:
            await at.submit()
        except ClientError:
            outcomes.append(False)
        else:
            outcomes.append(True)
    return outcomes


@pytest.mark.virtual_time
async def test_a_fault_strikes_as_often_as_it_was_told() -> None:
    async with bench() as at:
        injected = at.local.faults.add("SubmitJob", Fault.throttle(times=2))
        assert await _outcomes(at, 4) == [False, False, True, True]
        assert injected.hits == 2
        assert at.local.ledger.throttled == {"SubmitJob": 2}
        assert at.local.calls["SubmitJob"] == 4


@pytest.mark.virtual_time
async def test_a_fault_ends_with_its_block_or_when_it_is_removed() -> None:
    async with bench() as at:
        with at.local.faults.add("*", Fault.server_error()) as injected:
            assert await _outcomes(at, 1) == [False]
        injected.remove()
        assert await _outcomes(at, 1) == [True]
        at.local.faults.add("SubmitJob", Fault.server_error())
        at.local.faults.clear()
        assert await _outcomes(at, 1) == [True]
        assert at.local.ledger.failed == {"SubmitJob": 1}


@pytest.mark.virtual_time
async def test_chance_is_the_same_with_the_same_seed() -> None:
    async def run() -> list[bool]:
        async with bench(seed=3) as at:
            at.local.faults.add("SubmitJob", Fault.throttle(probability=0.5))
            return await _outcomes(at, 40)

    first = await run()
    assert first == await run()
    assert 5 < sum(first) < 35


@pytest.mark.virtual_time
async def test_other_operations_are_left_alone() -> None:
    async with bench() as at:
        at.local.faults.add("DescribeJobs", Fault.throttle())
        assert await _outcomes(at, 1) == [True]


@pytest.mark.virtual_time
async def test_a_limit_lets_through_its_burst_then_its_rate() -> None:
    async with bench() as at:
        at.local.faults.add("SubmitJob", Fault.limit(2, burst=3))
        assert await _outcomes(at, 5) == [True, True, True, False, False]
        await pass_time(1)
        assert await _outcomes(at, 3) == [True, True, False]


@pytest.mark.virtual_time
async def test_quotas_hold_for_each_operation_by_itself() -> None:
    quotas = Quotas(rates={"SubmitJob": Rate(1)}, default=None)
    async with bench(quotas=quotas) as at:
        assert await _outcomes(at, 3) == [True, False, False]
        await at.batch.describe_job_queues()
        await pass_time(1)
        assert await _outcomes(at, 2) == [True, False]


@pytest.mark.virtual_time
async def test_awss_quotas_take_fifty_submissions_a_second() -> None:
    async with bench(quotas=Quotas.aws()) as at:
        assert sum(await _outcomes(at, 60)) == 50
        await pass_time(10)
        assert sum(await _outcomes(at, 60)) == 50


@pytest.mark.virtual_time
async def test_a_lagging_service_does_not_know_a_new_job_yet() -> None:
    async with bench() as at:
        at.local.faults.add("*", Fault.lag(3))
        job_id = await at.submit()
        by_name = [{"name": "JOB_NAME", "values": ["job"]}]
        for wait, known in ((2.9, 0), (0.2, 1)):
            await pass_time(wait)
            described = await at.batch.describe_jobs(jobs=[job_id])
            listed = await at.batch.list_jobs(jobQueue="default", filters=by_name)
            assert len(described["jobs"]) == len(listed["jobSummaryList"]) == known


@pytest.mark.virtual_time
async def test_a_forgetful_service_loses_sight_of_what_has_ended() -> None:
    async with bench() as at:
        at.local.faults.add("DescribeJobs", Fault.forget(5))
        job_id = (await at.ended(await at.submit()))["jobId"]
        await pass_time(6)
        assert (await at.batch.describe_jobs(jobs=[job_id]))["jobs"] == []


@pytest.mark.virtual_time
async def test_a_read_timeout_happens_when_the_client_said_it_would() -> None:
    async with bench() as at:
        at.local.faults.add("DescribeJobQueues", Fault.latency(60))
        with pytest.raises(ReadTimeoutError):
            await at.batch.describe_job_queues()
        assert asyncio.get_running_loop().time() == 10


@pytest.mark.virtual_time
async def test_no_more_requests_are_under_way_than_the_pool_has_connections() -> None:
    async with bench() as at:
        at.local.faults.add("DescribeJobQueues", Fault.latency(1))
        async with asyncio.TaskGroup() as group:
            for _ in range(25):
                group.create_task(at.batch.describe_job_queues())
        assert asyncio.get_running_loop().time() == pytest.approx(3)
