"""Array jobs: children, the parent's summary, and how one becomes the other's end."""

import pytest

from asyncbatch.local import Launch, Script
from tests.local.harness import Bench, bench, pass_time

pytestmark = pytest.mark.virtual_time


async def _array(at: Bench, size: int, **extra: object) -> str:
    return await at.submit("array", arrayProperties={"size": size}, **extra)


async def test_the_parent_is_pending_while_its_children_run() -> None:
    async with bench(Script(startup=1, duration=10), vcpus=2) as at:
        parent_id = await _array(at, 5)
        assert await at.status(parent_id) == "SUBMITTED"
        await pass_time(5)
        parent = await at.job(parent_id)
        assert parent["status"] == "PENDING"
        assert parent["arrayProperties"]["size"] == 5
        assert parent["arrayProperties"]["statusSummary"] == {
            "SUBMITTED": 0,
            "PENDING": 0,
            "RUNNABLE": 3,
            "STARTING": 0,
            "RUNNING": 2,
            "SUCCEEDED": 0,
            "FAILED": 0,
        }
        parent = await at.ended(parent_id)
    assert parent["status"] == "SUCCEEDED"
    assert parent["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 5
    assert parent["attempts"] == []
    assert "logStreamName" not in parent["container"]


async def test_a_failed_child_fails_the_parent_after_the_others_have_ended() -> None:
    def script(launch: Launch) -> Script:
        return Script(
            duration=1 if launch.array_index == 2 else 50, exit_code=launch.array_index == 2
        )

    async with bench(script) as at:
        parent_id = await _array(at, 4)
        await pass_time(20)
        assert await at.status(parent_id) == "PENDING"
        parent = await at.ended(parent_id)
        child = await at.job(f"{parent_id}:2")
    assert (parent["status"], parent["statusReason"]) == ("FAILED", "Array Child Job failed")
    assert (child["status"], child["container"]["exitCode"]) == ("FAILED", 1)


async def test_a_child_is_described_by_its_own_id_and_arn() -> None:
    async with bench() as at:
        parent_id = await _array(at, 3)
        await pass_time(10)
        child = await at.job(f"{parent_id}:1")
        same = await at.job(child["jobArn"])
        assert child == same
        answer = await at.batch.describe_jobs(jobs=[f"{parent_id}:3", f"{parent_id}:x"])
        assert answer["jobs"] == []
    assert child["jobId"] == f"{parent_id}:1"
    assert child["jobArn"].endswith(f":job/{parent_id}:1")
    assert child["arrayProperties"] == {"index": 1}
    assert child["jobName"] == "array"


async def test_a_child_knows_its_index() -> None:
    seen: list[tuple[str, str]] = []

    def script(launch: Launch) -> Script:
        environment = launch.environment
        seen.append(
            (environment["AWS_BATCH_JOB_ARRAY_INDEX"], environment["AWS_BATCH_JOB_ARRAY_SIZE"])
        )
        return Script()

    async with bench(script) as at:
        await at.ended(await _array(at, 3))
    assert seen == [("0", "3"), ("1", "3"), ("2", "3")]


async def test_terminating_the_parent_ends_all_children_with_its_reason() -> None:
    async with bench(Script(duration=None), vcpus=2) as at:
        parent_id = await _array(at, 5)
        await pass_time(10)
        await at.batch.terminate_job(jobId=parent_id, reason="enough")
        parent = await at.ended(parent_id)
        children = [await at.job(f"{parent_id}:{index}") for index in range(5)]
    assert (parent["status"], parent["statusReason"]) == ("FAILED", "enough")
    assert parent["isTerminated"]
    assert {child["statusReason"] for child in children} == {"enough"}
    assert parent["arrayProperties"]["statusSummary"]["FAILED"] == 5


async def test_terminating_one_child_leaves_the_others_alone() -> None:
    async with bench(Script(duration=30)) as at:
        parent_id = await _array(at, 3)
        await pass_time(5)
        await at.batch.terminate_job(jobId=f"{parent_id}:1", reason="this one")
        parent = await at.ended(parent_id)
    assert parent["statusReason"] == "Array Child Job failed"
    assert parent["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 2


async def test_cancelling_the_parent_ends_the_children_that_wait() -> None:
    async with bench(Script(duration=30), vcpus=2) as at:
        parent_id = await _array(at, 5)
        await pass_time(5)
        await at.batch.cancel_job(jobId=parent_id, reason="fewer")
        parent = await at.ended(parent_id)
    summary = parent["arrayProperties"]["statusSummary"]
    assert (summary["SUCCEEDED"], summary["FAILED"]) == (2, 3)
    assert (parent["statusReason"], parent["isCancelled"]) == ("fewer", True)


async def test_children_are_retried_one_by_one() -> None:
    def script(launch: Launch) -> Script:
        return Script(exit_code=launch.array_index == 1 and launch.attempt == 1)

    async with bench(script) as at:
        parent_id = await _array(at, 3, retryStrategy={"attempts": 2})
        assert (await at.ended(parent_id))["status"] == "SUCCEEDED"
        counts = [len((await at.job(f"{parent_id}:{i}"))["attempts"]) for i in range(3)]
    assert counts == [1, 2, 1]


async def test_the_largest_array_ends() -> None:
    async with bench(Script(duration=5), vcpus=10_000) as at:
        parent = await at.ended(await _array(at, 10_000))
    assert parent["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 10_000
