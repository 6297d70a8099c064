"""Helpers for tests of groups: scripted jobs, and blocks that end with an error."""

import asyncio
from collections.abc import Awaitable, Callable

from asyncbatch import (
    JobGroup,
    JobRequest,
)
from asyncbatch.local import Launch, Script
from tests.fixtures.bench import Bench

Body = Callable[[JobGroup], Awaitable[None]]


def by_environment(job: Launch) -> Script:
    """Return the script that a job's environment describes: seconds in FOR, exit code in EXIT."""
    given = job.environment
    return Script(
        startup=0, duration=float(given.get("FOR", 1)), exit_code=int(given.get("EXIT", 0))
    )


def runs(seconds: float, *, exit_code: int = 0) -> JobRequest:
    return JobRequest("hello", environment={"FOR": str(seconds), "EXIT": str(exit_code)})


LONG = runs(90_000)


class BodyError(Exception):
    """An error of the body."""


async def alive(b: Bench) -> set[str]:
    """Return the ids of the jobs that have not ended, according to the engine."""
    described = await b.batch.describe([job.job_id for job in b.local.ledger.submissions])
    return {job_id for job_id, job in described.items() if not job.status.is_terminal}


async def error_of(group: JobGroup, body: Body) -> BaseException:
    """Run the body in the group's block and return the error that ends it."""
    try:
        async with group:
            await body(group)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - returned to the test
        return error
    raise AssertionError("the block ended without an error")


async def long_then_error(group: JobGroup) -> None:
    await group.submit(LONG)
    raise BodyError
