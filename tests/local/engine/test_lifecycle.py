"""A job from SUBMITTED to its end: statuses, times, attempts, retries, timeouts."""

from typing import Any

import pytest

from asyncbatch.local import Launch, Script
from tests.local.harness import open_engine, pass_time

pytestmark = pytest.mark.virtual_time

START = 1_705_312_800_000
NORMAL_END = "Essential container in task exited"


async def test_a_job_passes_through_all_statuses_with_the_expected_times() -> None:
    async with open_engine(Script(startup=10, duration=20)) as engine:
        job_id = await engine.submit()
        assert await engine.status(job_id) == "SUBMITTED"
        await pass_time(5)
        assert await engine.status(job_id) == "STARTING"
        await pass_time(10)
        assert await engine.status(job_id) == "RUNNING"
        await pass_time(20)
        job = await engine.job(job_id)
    assert job["status"] == "SUCCEEDED"
    assert job["statusReason"] == NORMAL_END
    assert [job[key] - START for key in ("createdAt", "startedAt", "stoppedAt")] == [
        0,
        10_000,
        30_000,
    ]


async def test_the_log_stream_is_named_when_the_job_runs() -> None:
    async with open_engine(
        Script(startup=10, duration=20, lines=[(0, "first"), (5, "second")])
    ) as engine:
        job_id = await engine.submit()
        await pass_time(5)
        container = (await engine.job(job_id))["container"]
        assert "logStreamName" not in container
        assert container["taskArn"].startswith("arn:aws:ecs:local:000000000000:task/")
        await pass_time(6)
        stream = (await engine.job(job_id))["container"]["logStreamName"]
        assert stream.startswith("task/default/")
        assert await engine.messages(stream) == ["first"]
        await pass_time(5)
        assert await engine.messages(stream) == ["first", "second"]


async def test_a_failed_job_reports_exit_code_reason_and_log_stream() -> None:
    script = Script(exit_code=137, reason="OutOfMemoryError: Container killed due to memory usage")
    async with open_engine(script) as engine:
        job = await engine.ended(await engine.submit())
    [attempt] = job["attempts"]
    assert job["status"] == "FAILED"
    assert job["statusReason"] == attempt["statusReason"] == NORMAL_END
    assert job["container"]["exitCode"] == attempt["container"]["exitCode"] == 137
    assert attempt["container"]["reason"].startswith("OutOfMemoryError")
    assert attempt["container"]["logStreamName"] == job["container"]["logStreamName"]


async def test_a_lost_host_leaves_no_exit_code() -> None:
    lost = Script(exit_code=None, status_reason="Host EC2 (instance i-0abc) terminated.")
    async with open_engine(lost) as engine:
        job = await engine.ended(await engine.submit())
    assert job["statusReason"] == "Host EC2 (instance i-0abc) terminated."
    assert "exitCode" not in job["container"]
    assert "exitCode" not in job["attempts"][0]["container"]


async def test_an_attempt_that_cannot_start_has_no_start_time_and_no_log_stream() -> None:
    script = Script(
        fails_to_start=True,
        exit_code=None,
        reason="CannotPullContainerError: pull access denied",
        status_reason="Task failed to start",
    )
    async with open_engine(script) as engine:
        job = await engine.ended(await engine.submit())
    assert "startedAt" not in job
    assert "startedAt" not in job["attempts"][0]
    assert "logStreamName" not in job["container"]


async def test_a_retry_goes_back_to_runnable_and_keeps_each_attempt() -> None:
    def script(launch: Launch) -> Script:
        return Script(exit_code=0 if launch.attempt == 3 else 1)

    async with open_engine(script) as engine:
        job_id = await engine.submit(retryStrategy={"attempts": 5})
        job = await engine.ended(job_id)
        streams = {attempt["container"]["logStreamName"] for attempt in job["attempts"]}
        listed = [event for event in engine.local.ledger.submissions if event.job_id == job_id]
    assert job["status"] == "SUCCEEDED"
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [1, 1, 0]
    assert len(streams) == 3
    assert len(listed) == 1


async def test_a_job_that_waits_for_its_retry_is_runnable() -> None:
    """RUNNING -> RUNNABLE: with one vCPU, the retry waits behind another job."""
    async with open_engine(Script(duration=10, exit_code=1), vcpus=1) as engine:
        first = await engine.submit(retryStrategy={"attempts": 2})
        await engine.submit("other")
        await pass_time(12)
        job = await engine.job(first)
    assert job["status"] == "RUNNABLE"
    assert len(job["attempts"]) == 1
    assert "statusReason" not in job
    assert "stoppedAt" not in job


@pytest.mark.parametrize(
    ("rule", "attempts"),
    [
        ({"onExitCode": "7", "action": "EXIT"}, 1),
        ({"onExitCode": "7", "action": "exit"}, 1),
        ({"onExitCode": "1*", "action": "EXIT"}, 3),
        ({"onStatusReason": "Essential*", "action": "EXIT"}, 1),
        ({"onReason": "*", "action": "EXIT"}, 1),
        ({"onStatusReason": "Host EC2*", "action": "RETRY"}, 3),
    ],
)
async def test_the_first_matching_rule_of_evaluate_on_exit_decides(
    rule: dict[str, str], attempts: int
) -> None:
    strategy: dict[str, Any] = {"attempts": 3, "evaluateOnExit": [rule]}
    async with open_engine(Script(exit_code=7)) as engine:
        job = await engine.ended(await engine.submit(retryStrategy=strategy))
    assert len(job["attempts"]) == attempts
    assert job["retryStrategy"] == strategy


async def test_a_timeout_ends_the_job_without_a_retry() -> None:
    async with open_engine(Script(startup=5, duration=None)) as engine:
        job = await engine.ended(
            await engine.submit(
                timeout={"attemptDurationSeconds": 60}, retryStrategy={"attempts": 3}
            )
        )
    assert job["status"] == "FAILED"
    assert job["statusReason"] == "Job attempt duration exceeded timeout"
    assert job["attempts"][0]["statusReason"] == "Job attempt duration exceeded timeout"
    assert job["container"]["exitCode"] == 143
    assert job["stoppedAt"] - job["startedAt"] == 60_000
    assert job["timeout"] == {"attemptDurationSeconds": 60}


async def test_a_timed_out_job_that_ignores_sigterm_is_killed_after_30_seconds() -> None:
    async with open_engine(Script(duration=None, stops_after=None)) as engine:
        job = await engine.ended(await engine.submit(timeout={"attemptDurationSeconds": 60}))
    assert job["container"]["exitCode"] == 137
    assert job["stoppedAt"] - job["startedAt"] == 90_000


async def test_an_exception_of_the_executor_fails_only_its_own_attempt() -> None:
    def script(launch: Launch) -> Script:
        if launch.name == "bad":
            raise LookupError("no script")
        return Script()

    async with open_engine(script) as engine:
        bad, good = await engine.submit("bad"), await engine.submit("good")
        assert (await engine.ended(bad))["container"]["reason"] == "LookupError('no script')"
        assert (await engine.ended(good))["status"] == "SUCCEEDED"


async def test_runs_with_the_same_seed_are_identical() -> None:
    def script(launch: Launch) -> Script:
        return Script(
            duration=launch.random.uniform(1, 100), exit_code=launch.random.choice([0, 1])
        )

    async def run() -> list[tuple[Any, ...]]:
        async with open_engine(script, seed=11) as engine:
            ids = [await engine.submit(f"job-{i}") for i in range(20)]
            jobs = [await engine.ended(job_id) for job_id in ids]
        return [
            (job["jobId"], job["stoppedAt"] - job["createdAt"], job["container"]) for job in jobs
        ]

    assert await run() == await run()
