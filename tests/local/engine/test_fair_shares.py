"""Fair-share queues: shares divide the vCPUs, and priorities order the jobs of a share."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from asyncbatch import AsyncBatchClient, JobRequest, JobStatus
from asyncbatch.local import Script
from tests.local.harness import LocalEngine, open_engine, pass_time

pytestmark = pytest.mark.virtual_time

LONG = Script(startup=0, duration=100)


@asynccontextmanager
async def fair_engine(
    weights: Mapping[str, float] | None = None, *, vcpus: int = 1
) -> AsyncIterator[LocalEngine]:
    """Open an engine with a queue, `fair`, that has a fair-share policy."""
    distribution = [
        {"shareIdentifier": share, "weightFactor": weight}
        for share, weight in (weights or {}).items()
    ]
    async with open_engine(LONG, vcpus=vcpus) as engine:
        policy = await engine.batch.create_scheduling_policy(
            name="shares", fairsharePolicy={"shareDistribution": distribution}
        )
        await engine.batch.create_job_queue(
            jobQueueName="fair", priority=1, schedulingPolicyArn=policy["arn"], state="ENABLED"
        )
        yield engine


async def running(engine: LocalEngine) -> list[str]:
    """Return the names of the running jobs of the queue."""
    listed = await engine.batch.list_jobs(jobQueue="fair", jobStatus="RUNNING")
    return sorted(job["jobName"] for job in listed["jobSummaryList"])


async def submit(engine: LocalEngine, name: str, share: str, priority: int | None = None) -> str:
    more: dict[str, Any] = {} if priority is None else {"schedulingPriorityOverride": priority}
    return await engine.submit(name, jobQueue="fair", shareIdentifier=share, **more)


async def test_share_that_uses_less_comes_first() -> None:
    async with fair_engine(vcpus=2) as engine:
        for name in ("a1", "a2", "a3", "b1"):
            await submit(engine, name, share=name[0])
        await pass_time(10)
        assert await running(engine) == ["a1", "b1"]


async def test_share_with_a_lower_weight_factor_gets_more() -> None:
    async with fair_engine({"a": 1.0, "b*": 0.25}, vcpus=5) as engine:
        for number in range(5):
            await submit(engine, f"a{number}", share="a")
            await submit(engine, f"b{number}", share="bulk")
        await pass_time(10)
        assert await running(engine) == ["a0", "b0", "b1", "b2", "b3"]


async def test_higher_priority_of_a_share_comes_first() -> None:
    async with fair_engine() as engine:
        first = await submit(engine, "first", share="a", priority=1)
        await pass_time(10)
        await submit(engine, "low", share="a", priority=1)
        await submit(engine, "high", share="a", priority=9)
        snapshot = await engine.batch.get_job_queue_snapshot(jobQueue="fair")
        assert len(snapshot["frontOfQueue"]["jobs"]) <= 2
        await engine.ended(first)
        await pass_time(1)
        assert await running(engine) == ["high"]


async def test_client_submits_to_a_share_and_finds_its_jobs() -> None:
    async with (
        fair_engine(vcpus=8) as engine,
        AsyncBatchClient(session=engine.local.session) as batch,
    ):
        request = JobRequest("task", queue="fair", share_identifier="red", scheduling_priority=7)
        job = await batch.submit(request)
        await batch.submit(request, share_identifier="blue")
        await job.wait(JobStatus.RUNNING)
        assert await batch.find(queue="fair", share_identifier="red") == [job]
        in_state = await batch.find(
            queue="fair", share_identifier="red", status=[JobStatus.RUNNING, JobStatus.FAILED]
        )
        assert in_state == [job]
        clone = job.clone()
        assert (clone.share_identifier, clone.scheduling_priority) == ("red", 7)


@pytest.mark.parametrize(
    ("queue", "members", "message"),
    [
        ("fair", {}, "needs a shareIdentifier"),
        ("default", {"shareIdentifier": "a"}, "does not accept a shareIdentifier"),
        ("fair", {"shareIdentifier": "a", "schedulingPriorityOverride": 10_000}, "0 and 9999"),
    ],
)
async def test_wrong_share_is_refused(queue: str, members: dict[str, Any], message: str) -> None:
    async with fair_engine() as engine:
        with pytest.raises(ClientError, match=message):
            await engine.submit("job", jobQueue=queue, **members)


async def test_policies_are_described_changed_and_deleted() -> None:
    async with fair_engine() as engine:
        other = (await engine.batch.create_scheduling_policy(name="other"))["arn"]
        shares = {"shareDistribution": [{"shareIdentifier": "a", "weightFactor": 0.5}]}
        await engine.batch.update_scheduling_policy(arn=other, fairsharePolicy=shares)
        [described] = (await engine.batch.describe_scheduling_policies(arns=[other]))[
            "schedulingPolicies"
        ]
        assert described["fairsharePolicy"] == shares
        await engine.batch.delete_scheduling_policy(arn=other)
        [left] = (await engine.batch.list_scheduling_policies())["schedulingPolicies"]
        with pytest.raises(ClientError, match="used by a job queue"):
            await engine.batch.delete_scheduling_policy(arn=left["arn"])
        with pytest.raises(ClientError, match="does not support shareDecaySeconds"):
            await engine.batch.create_scheduling_policy(
                name="decay", fairsharePolicy={"shareDecaySeconds": 60}
            )
