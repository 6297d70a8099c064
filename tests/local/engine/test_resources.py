"""GPUs are counted like vCPUs: jobs wait for free ones, and one that can never fit is blocked."""

from typing import Any

import pytest

from asyncbatch.local import Script
from tests.local.harness import open_engine, pass_time

pytestmark = pytest.mark.virtual_time

LONG = Script(startup=0, duration=100)


def gpus(number: int) -> dict[str, Any]:
    return {"containerOverrides": {"resourceRequirements": [{"type": "GPU", "value": f"{number}"}]}}


async def test_jobs_wait_for_free_gpus() -> None:
    async with open_engine(LONG, gpus=2) as engine:
        first = await engine.submit("first", **gpus(2))
        second = await engine.submit("second", **gpus(1))
        await pass_time(10)
        assert [await engine.status(job) for job in (first, second)] == ["RUNNING", "RUNNABLE"]
        await engine.ended(first)
        await pass_time(1)
        assert await engine.status(second) == "RUNNING"


async def test_job_with_more_gpus_than_there_are_is_blocked_and_blocks_no_other() -> None:
    async with open_engine(LONG) as engine:
        blocked = await engine.submit("blocked", **gpus(1))
        other = await engine.submit("other")
        await pass_time(10)
        assert await engine.status(other) == "RUNNING"
        job = await engine.job(blocked)
        assert job["status"] == "RUNNABLE"
        assert job["statusReason"].startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT")
