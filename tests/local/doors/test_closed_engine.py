"""A client whose local engine is closed first: all calls fail at once."""

import asyncio

import pytest

from asyncbatch import AsyncBatchClient, ClientClosed, Job
from asyncbatch.local import LocalBatch, Script, ScriptedExecutor
from tests.fixtures.bench import DEFINITION

pytestmark = pytest.mark.virtual_time

REASON = "the local AWS Batch is closed.*Close clients before their LocalBatch"


async def _engine_with_job(batch: AsyncBatchClient) -> Job:
    await batch.register_job_definition(DEFINITION)
    return await batch.submit("hello", queue="default")


async def test_a_waiter_fails_at_once_when_the_engine_closes_first() -> None:
    async with LocalBatch(executor=ScriptedExecutor(Script(duration=3600))) as local:
        batch = AsyncBatchClient(session=local.session)
        await batch.open()
        job = await _engine_with_job(batch)
        waiter = asyncio.create_task(job.result())
        await asyncio.sleep(60)
    began = asyncio.get_running_loop().time()
    with pytest.raises(ClientClosed, match=REASON):
        await waiter
    # The client notices it with its next poll.
    assert asyncio.get_running_loop().time() - began < 60
    await batch.aclose()


async def test_a_log_consumer_fails_at_once_when_the_engine_closes_first() -> None:
    script = Script(duration=3600, lines=[(0, "line")])
    async with LocalBatch(executor=ScriptedExecutor(script)) as local:
        batch = AsyncBatchClient(session=local.session)
        await batch.open()
        job = await _engine_with_job(batch)
        lines = job.logs()
        assert (await anext(lines)).message == "line"
    with pytest.raises(ClientClosed, match=REASON):
        await anext(lines)
    await batch.aclose()


async def test_every_call_fails_at_once_after_the_engine_is_closed() -> None:
    async with LocalBatch(executor=ScriptedExecutor()) as local:
        batch = AsyncBatchClient(session=local.session)
        await batch.open()
        job = await _engine_with_job(batch)
        await job
    began = asyncio.get_running_loop().time()
    for call in (
        batch.submit("hello", queue="default"),
        batch.find(queue="default"),
        batch.job("0"),
        batch.register_job_definition(DEFINITION),
        batch.read_log_stream("any"),
    ):
        with pytest.raises(ClientClosed, match=REASON):
            await call
    await batch.aclose()
    # Only the rate limits take time, and no retries.
    assert asyncio.get_running_loop().time() - began < 1
