"""Which job starts next: vCPUs, order of submission, priority of queues."""

import pytest

from asyncbatch.local import Launch, Script
from tests.local.harness import LocalEngine, open_engine, pass_time

pytestmark = pytest.mark.virtual_time


def needs(vcpus: str) -> dict[str, object]:
    """Return an override of the required vCPUs."""
    return {"containerOverrides": {"resourceRequirements": [{"type": "VCPU", "value": vcpus}]}}


async def _statuses(engine: LocalEngine, ids: list[str]) -> list[str]:
    return [await engine.status(job_id) for job_id in ids]


async def test_concurrent_jobs_share_the_available_vcpus() -> None:
    async with open_engine(Script(duration=10), vcpus=4) as engine:
        ids = [await engine.submit(**needs(vcpus)) for vcpus in ("2", "1.5", "0.5", "0.25")]
        await pass_time(5)
        assert await _statuses(engine, ids) == ["RUNNING"] * 3 + ["RUNNABLE"]
        await pass_time(10)
        assert await engine.status(ids[3]) == "RUNNING"


async def test_small_jobs_do_not_overtake_a_waiting_large_job() -> None:
    async with open_engine(Script(duration=10), vcpus=4) as engine:
        ids = [await engine.submit(**needs(vcpus)) for vcpus in ("3", "4", "1")]
        await pass_time(5)
        assert await _statuses(engine, ids) == ["RUNNING", "RUNNABLE", "RUNNABLE"]
        await pass_time(10)
        assert await _statuses(engine, ids) == ["SUCCEEDED", "RUNNING", "RUNNABLE"]


async def test_a_job_that_needs_too_many_vcpus_stays_runnable_and_blocks_no_other() -> None:
    async with open_engine(Script(duration=10), vcpus=4) as engine:
        huge, small = await engine.submit(**needs("5")), await engine.submit()
        await pass_time(5)
        job = await engine.job(huge)
        assert await engine.status(small) == "RUNNING"
        await engine.batch.terminate_job(jobId=huge, reason="never")
        assert await engine.status(huge) == "FAILED"
    assert job["status"] == "RUNNABLE"
    assert job["statusReason"].startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - ")


async def test_a_queue_with_a_higher_priority_is_served_first() -> None:
    started: list[str] = []

    def script(launch: Launch) -> Script:
        started.append(launch.queue)
        return Script(duration=10)

    order = [{"order": 1, "computeEnvironment": "local"}]
    async with open_engine(script, vcpus=1) as engine:
        await engine.batch.create_job_queue(
            jobQueueName="urgent", state="ENABLED", priority=10, computeEnvironmentOrder=order
        )
        ids = [await engine.submit(jobQueue=queue) for queue in ("default", "default", "urgent")]
        await engine.ended(ids[1])
    assert started == ["urgent", "default", "default"]


async def test_a_queue_snapshot_lists_the_waiting_jobs_in_order() -> None:
    async with open_engine(Script(duration=10), vcpus=1) as engine:
        ids = [await engine.submit() for _ in range(4)]
        await pass_time(1)
        await engine.batch.cancel_job(jobId=ids[2], reason="gone")
        front = (await engine.batch.get_job_queue_snapshot(jobQueue="default"))["frontOfQueue"]
    waiting = [entry["jobArn"].rpartition("/")[2] for entry in front["jobs"]]
    assert waiting == [ids[1], ids[3]]
