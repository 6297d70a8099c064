"""Array jobs: children, the parent's summary, and how the end of one ends the other."""

import pytest

from asyncbatch.local import Launch, Script
from tests.local.harness import LocalEngine, open_engine, pass_time

pytestmark = pytest.mark.virtual_time


async def _array(engine: LocalEngine, size: int, **extra: object) -> str:
    return await engine.submit("array", arrayProperties={"size": size}, **extra)


async def test_the_parent_is_pending_while_its_children_run() -> None:
    async with open_engine(Script(startup=1, duration=10), vcpus=2) as engine:
        parent_id = await _array(engine, 5)
        assert await engine.status(parent_id) == "SUBMITTED"
        await pass_time(5)
        parent = await engine.job(parent_id)
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
        parent = await engine.ended(parent_id)
    assert parent["status"] == "SUCCEEDED"
    assert parent["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 5
    assert parent["attempts"] == []
    assert "logStreamName" not in parent["container"]


async def test_a_failed_child_fails_the_parent_after_the_others_have_ended() -> None:
    def script(launch: Launch) -> Script:
        return Script(
            duration=1 if launch.array_index == 2 else 50, exit_code=launch.array_index == 2
        )

    async with open_engine(script) as engine:
        parent_id = await _array(engine, 4)
        await pass_time(20)
        assert await engine.status(parent_id) == "PENDING"
        parent = await engine.ended(parent_id)
        child = await engine.job(f"{parent_id}:2")
    assert (parent["status"], parent["statusReason"]) == ("FAILED", "Array Child Job failed")
    assert (child["status"], child["container"]["exitCode"]) == ("FAILED", 1)


async def test_a_child_is_described_by_its_own_id_and_arn() -> None:
    async with open_engine() as engine:
        parent_id = await _array(engine, 3)
        await pass_time(10)
        child = await engine.job(f"{parent_id}:1")
        same = await engine.job(child["jobArn"])
        assert child == same
        response = await engine.batch.describe_jobs(jobs=[f"{parent_id}:3", f"{parent_id}:x"])
        assert response["jobs"] == []
    assert child["jobId"] == f"{parent_id}:1"
    assert child["jobArn"].endswith(f":job/{parent_id}:1")
    assert child["arrayProperties"] == {"index": 1}
    assert child["jobName"] == "array"


async def test_a_child_gets_its_index_and_the_array_size_as_variables() -> None:
    variables: list[tuple[str, str]] = []

    def script(launch: Launch) -> Script:
        environment = launch.environment
        variables.append(
            (environment["AWS_BATCH_JOB_ARRAY_INDEX"], environment["AWS_BATCH_JOB_ARRAY_SIZE"])
        )
        return Script()

    async with open_engine(script) as engine:
        await engine.ended(await _array(engine, 3))
    assert variables == [("0", "3"), ("1", "3"), ("2", "3")]


async def test_terminating_the_parent_ends_all_children_with_the_given_reason() -> None:
    async with open_engine(Script(duration=None), vcpus=2) as engine:
        parent_id = await _array(engine, 5)
        await pass_time(10)
        await engine.batch.terminate_job(jobId=parent_id, reason="enough")
        parent = await engine.ended(parent_id)
        children = [await engine.job(f"{parent_id}:{index}") for index in range(5)]
    assert (parent["status"], parent["statusReason"]) == ("FAILED", "enough")
    assert parent["isTerminated"]
    assert {child["statusReason"] for child in children} == {"enough"}
    assert parent["arrayProperties"]["statusSummary"]["FAILED"] == 5


async def test_terminating_one_child_does_not_affect_the_others() -> None:
    async with open_engine(Script(duration=30)) as engine:
        parent_id = await _array(engine, 3)
        await pass_time(5)
        await engine.batch.terminate_job(jobId=f"{parent_id}:1", reason="this one")
        parent = await engine.ended(parent_id)
    assert parent["statusReason"] == "Array Child Job failed"
    assert parent["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 2


async def test_cancelling_the_parent_ends_only_the_waiting_children() -> None:
    async with open_engine(Script(duration=30), vcpus=2) as engine:
        parent_id = await _array(engine, 5)
        await pass_time(5)
        await engine.batch.cancel_job(jobId=parent_id, reason="fewer")
        parent = await engine.ended(parent_id)
    summary = parent["arrayProperties"]["statusSummary"]
    assert (summary["SUCCEEDED"], summary["FAILED"]) == (2, 3)
    assert (parent["statusReason"], parent["isCancelled"]) == ("fewer", True)


async def test_children_are_retried_one_by_one() -> None:
    def script(launch: Launch) -> Script:
        return Script(exit_code=launch.array_index == 1 and launch.attempt == 1)

    async with open_engine(script) as engine:
        parent_id = await _array(engine, 3, retryStrategy={"attempts": 2})
        assert (await engine.ended(parent_id))["status"] == "SUCCEEDED"
        counts = [len((await engine.job(f"{parent_id}:{i}"))["attempts"]) for i in range(3)]
    assert counts == [1, 2, 1]


async def test_an_array_of_10000_children_ends() -> None:
    async with open_engine(Script(duration=5), vcpus=10_000) as engine:
        parent = await engine.ended(await _array(engine, 10_000))
    assert parent["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 10_000
