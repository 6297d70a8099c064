"""Opening and closing a client: in any task, once; only the jobs outlive it."""

import asyncio
from typing import Any

import anyio
import pytest

from asyncbatch import (
    AsyncBatchClient,
    ClientClosed,
    InvalidRequest,
    NoCredentials,
    NoRegion,
    PollPolicy,
)
from asyncbatch.local import LocalBatch, Script, ScriptedExecutor
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


async def test_client_that_is_not_open_raises_client_closed_with_the_next_step() -> None:
    with pytest.raises(ClientClosed, match="not open yet: use `async with AsyncBatchClient"):
        await AsyncBatchClient().submit("hello")


async def test_closed_client_raises_client_closed(bench: MakeBench) -> None:
    async with bench() as b:
        job = await b.batch.submit("hello")
    assert not b.batch.is_open
    for use in (
        b.batch.submit("hello"),
        b.batch.describe([job]),
        job.result(),
        job.terminate(),
        anext(job.logs()),
    ):
        with pytest.raises(ClientClosed, match="this client was closed: use `async with"):
            await use


async def test_opening_twice_raises_and_closing_twice_does_not(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(ClientClosed, match="open already"):
            await b.batch.open()
        await b.batch.aclose()
        await b.batch.aclose()


async def test_closed_client_can_be_opened_again(bench: MakeBench) -> None:
    async with bench() as b:
        await b.batch.aclose()
        await b.batch.open()
        assert (await b.batch.run([])) == []
        await (await b.batch.submit("hello"))


async def test_client_can_be_opened_and_closed_in_different_tasks() -> None:
    """A notebook opens a client in one cell and closes it in another."""
    async with LocalBatch(executor=ScriptedExecutor()) as local:
        batch = AsyncBatchClient(session=local.session)
        await asyncio.create_task(batch.open())
        assert await asyncio.create_task(batch.default_queue()) == "default"
        await asyncio.create_task(batch.aclose())


async def test_closing_the_client_raises_client_closed_to_waiters(bench: MakeBench) -> None:
    async with bench(Script(duration=3600)) as b:
        job = await b.batch.submit("hello")
        async with anyio.create_task_group() as group:

            async def wait() -> None:
                with pytest.raises(ClientClosed, match="closed before the job's end was known"):
                    await job

            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await b.batch.aclose()


async def test_closing_the_client_terminates_no_jobs(bench: MakeBench) -> None:
    async with bench(Script(duration=3600)) as b:
        job = await b.batch.submit("hello")
        await job.wait(until=job.status.RUNNING)
        await b.batch.aclose()
        assert b.local.calls["TerminateJob"] == 0


async def test_no_task_outlives_the_client(bench: MakeBench) -> None:
    before = asyncio.all_tasks()
    async with bench(Script(duration=3600)) as b:
        await b.batch.submit("hello")
    assert asyncio.all_tasks() == before


async def test_cancelled_open_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    async with LocalBatch(executor=ScriptedExecutor()) as local:
        batch = AsyncBatchClient(session=local.session)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await batch.open()
        assert not batch.is_open
        assert asyncio.all_tasks() == before
        async with batch:  # it can be opened later
            assert batch.is_open


@pytest.mark.may_block
async def test_open_without_a_region_raises_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoRegion, match="region_name=, set AWS_REGION"):
        await AsyncBatchClient().open()


@pytest.mark.may_block
@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
async def test_region_is_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """The SDK ignores AWS_REGION, which every other AWS tool honours."""
    monkeypatch.setenv(variable, "eu-north-1")
    async with AsyncBatchClient() as batch:
        assert batch.region_name == "eu-north-1"


@pytest.mark.may_block
async def test_open_with_an_unknown_profile_raises_no_credentials() -> None:
    with pytest.raises(NoCredentials, match=r"config profile \(nobody\) could not be found"):
        await AsyncBatchClient(profile_name="nobody", region_name="eu-north-1").open()


async def test_session_and_profile_together_raise() -> None:
    async with LocalBatch(executor=ScriptedExecutor()) as local:
        with pytest.raises(InvalidRequest, match="profile_name"):
            AsyncBatchClient(session=local.session, profile_name="me")


def test_boto3_session_is_refused_because_it_blocks() -> None:
    import boto3

    with pytest.raises(InvalidRequest, match="boto3 sessions block"):
        AsyncBatchClient(session=boto3.Session())


def test_session_of_another_type_raises() -> None:
    with pytest.raises(InvalidRequest, match="aioboto3 or aiobotocore"):
        AsyncBatchClient(session="eu-north-1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limits": {"submit": 1}}, r"limits=\{'submit': 1\}: must be a RateLimits, or None"),
        ({"limits": 5}, "limits=5: must be a RateLimits"),
        ({"limits": PollPolicy()}, "limits=PollPolicy.*: must be a RateLimits"),
        ({"poll": {"max": 1}}, r"poll=\{'max': 1\}: must be a PollPolicy, or None"),
        ({"poll": {}}, r"poll=\{\}: must be a PollPolicy"),
        ({"logs": PollPolicy()}, "logs=PollPolicy.*: must be a LogPolicy"),
        ({"journal": 5}, "journal=5: must be the path of a file"),
        ({"journal": b"x.db"}, "journal=b'x.db': must be the path of a file"),
        ({"journal": "\0"}, r"journal='\\x00': must be the path of a file"),
        ({"journal": " "}, "journal=' ': must be the path of a file"),
        ({"observers": print}, "observers=.*: give a list of functions, even for one"),
        ({"observers": [5]}, "observers=5: every item must be a function"),
    ],
)
def test_arguments_of_a_wrong_type_raise_invalid_request(arguments: Any, message: str) -> None:  # noqa: ANN401
    with pytest.raises(InvalidRequest, match=message):
        AsyncBatchClient(**arguments)


def test_unknown_argument_raises_type_error_naming_the_client() -> None:
    with pytest.raises(TypeError, match=r"^AsyncBatchClient\.__init__\(\) got .* 'region'"):
        AsyncBatchClient(region="eu-north-1")  # type: ignore[call-arg]
