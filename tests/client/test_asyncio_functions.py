"""What asyncio's functions do with a handle, as the guide to asyncio patterns says."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from asyncbatch import Job
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


async def _first_completed(job: Job) -> object:
    return await next(iter(asyncio.as_completed([job])))


ACCEPTED: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "gather": lambda job: asyncio.gather(job, job),
    "wait_for": lambda job: asyncio.wait_for(job, 600),
    "shield": asyncio.shield,
    "ensure_future": asyncio.ensure_future,
    "wait": lambda job: asyncio.wait([asyncio.ensure_future(job)]),
    "as_completed": _first_completed,
}


@pytest.mark.parametrize("function", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_function_waits_for_the_job(
    bench: MakeBench, function: Callable[[Any], Awaitable[Any]]
) -> None:
    async with bench() as b:
        job = await b.batch.submit("hello")
        assert await function(job)
        assert job.is_finished


async def test_functions_that_take_coroutines_or_tasks_refuse_a_handle(bench: MakeBench) -> None:
    async with bench() as b:
        job: Any = await b.batch.submit("hello")
        with pytest.raises(TypeError, match="coroutine"):
            asyncio.create_task(job)  # noqa: RUF006 - it raises
        with pytest.raises(AttributeError, match="add_done_callback"):
            await asyncio.wait([job])
