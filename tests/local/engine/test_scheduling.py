"""Who starts next: vCPUs, order, priority."""

import pytest

from asyncbatch.local import Launch, Script
from tests.local.harness import Bench, bench, pass_time

pytestmark = pytest.mark.virtual_time


def needs(vcpus: str) -> dict[str, object]:
    """Return an override that asks for vCPUs."""
    return {"containerOverrides": {"resourceRequirements": [{"type": "VCPU", "value": vcpus}]}}


async def _statuses(at: Bench, ids: list[str]) -> list[str]:
    return [await at.status(job_id) for job_id in ids]


async def test_vcpus_bound_what_runs_at_once() -> None:
    async with bench(Script(duration=10), vcpus=4) as at:
        ids = [await at.submit(**needs(vcpus)) for vcpus in ("2", "1.5", "0.5", "0.25")]
        await pass_time(5)
        assert await _statuses(at, ids) == ["RUNNING"] * 3 + ["RUNNABLE"]
        await pass_time(10)
        assert await at.status(ids[3]) == "RUNNING"


async def test_small_jobs_do_not_overtake_a_large_one_that_waits() -> None:
    async with bench(Script(duration=10), vcpus=4) as at:
        ids = [await at.submit(**needs(vcpus)) for vcpus in ("3", "4", "1")]
        await pass_time(5)
        assert await _statuses(at, ids) == ["RUNNING", "RUNNABLE", "RUNNABLE"]
        await pass_time(10)
        assert await _statuses(at, ids) == ["SUCCEEDED", "RUNNING", "RUNNABLE"]


async def test_a_job_that_never_fits_says_so_and_blocks_nobody() -> None:
    async with bench(Script(duration=10), vcpus=4) as at:
        huge, small = await at.submit(**needs("5")), await at.submit()
        await pass_time(5)
        job = await at.job(huge)
        assert await at.status(small) == "RUNNING"
        await at.batch.terminate_job(jobId=huge, reason="never")
        assert await at.status(huge) == "FAILED"
    assert job["status"] == "RUNNABLE"
    assert job["statusReason"].startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - ")


async def test_a_queue_with_a_higher_priority_is_served_first() -> None:
    started: list[str] = []

    def script(launch: Launch) -> Script:
        started.append(launch.queue)
        return Script(duration=10)

    order = [{"order": 1, "computeEnvironment": "local"}]
    async with bench(script, vcpus=1) as at:
        await at.batch.create_job_queue(
            jobQueueName="urgent", state="ENABLED", priority=10, computeEnvironmentOrder=order
        )
        ids = [await at.submit(jobQueue=queue) for queue in ("default", "default", "urgent")]
        await at.ended(ids[1])
    assert started == ["urgent", "default", "default"]


async def test_the_front_of_a_queue_can_be_looked_at() -> None:
    async with bench(Script(duration=10), vcpus=1) as at:
        ids = [await at.submit() for _ in range(4)]
        await pass_time(1)
        await at.batch.cancel_job(jobId=ids[2], reason="gone")
        front = (await at.batch.get_job_queue_snapshot(jobQueue="default"))["frontOfQueue"]
    waiting = [entry["jobArn"].rpartition("/")[2] for entry in front["jobs"]]
    assert waiting == [ids[1], ids[3]]
