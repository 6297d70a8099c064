"""`JobFailed` carries the last lines of the attempt that failed, read once, and reads well."""

import time
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from asyncbatch import Job, JobFailed, LogPolicy
from asyncbatch._logs.failure_log import seconds_until_complete
from asyncbatch.local import Fault, Launch, Script
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


async def failure(job: Job) -> JobFailed:
    with pytest.raises(JobFailed) as caught:
        await job
    return caught.value


def script(launch: Launch) -> Script:
    lines = [(n / 10, f"{launch.attempt}: {n}") for n in range(80)]
    return Script(duration=9, exit_code=1, lines=lines)


async def test_job_failed_carries_the_last_lines_of_the_last_attempt(bench: MakeBench) -> None:
    async with bench(script) as b:
        error = await failure(await b.batch.submit("hello", retry=2))
    assert [event.message for event in error.log_tail] == [f"2: {n}" for n in range(30, 80)]


async def test_job_failed_has_no_lines_if_the_last_attempt_has_no_log(bench: MakeBench) -> None:
    def loses_its_host(launch: Launch) -> Script:
        return (
            script(launch) if launch.attempt == 1 else Script(fails_to_start=True, exit_code=None)
        )

    async with bench(loses_its_host) as b:
        error = await failure(await b.batch.submit("hello", retry=2))
    assert error.log_tail == ()


async def test_failure_lines_of_log_policy_limits_the_lines_of_job_failed(bench: MakeBench) -> None:
    async with bench(script, logs=LogPolicy(failure_lines=3)) as b:
        error = await failure(await b.batch.submit("hello"))
        assert [event.message for event in error.log_tail] == ["1: 77", "1: 78", "1: 79"]
    async with bench(script, logs=LogPolicy(failure_lines=0)) as b:
        assert (await failure(await b.batch.submit("hello"))).log_tail == ()
        assert b.local.calls["GetLogEvents"] == 0


async def test_failure_lines_are_read_once_for_any_number_of_waiters(bench: MakeBench) -> None:
    async with bench(script) as b:
        job = await b.batch.submit("hello")
        errors: list[JobFailed] = []

        async def wait() -> None:
            errors.append(await failure(job))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(wait)
        errors.append(await failure(job))
        assert b.local.calls["GetLogEvents"] == 1
    assert len({id(error) for error in errors}) == 6
    assert {error.log_tail for error in errors} == {errors[0].log_tail}


async def test_unreadable_log_becomes_a_note_of_job_failed(bench: MakeBench) -> None:
    async with bench(script) as b:
        b.local.faults.add("GetLogEvents", Fault.error("AccessDeniedException", "not allowed"))
        error = await failure(await b.batch.submit("hello"))
    assert error.exit_code == 1
    assert any("not allowed" in note for note in error.__notes__)


async def test_job_failed_message_is_safe_for_a_terminal_and_short(bench: MakeBench) -> None:
    wild = ["\x1b[31mred\x1b[0m", "\x1b]0;title\x07two\nlines", "10%\r100%", "x" * 9_000]
    async with bench(
        Script(duration=5, exit_code=1, lines=[(float(n), text) for n, text in enumerate(wild)])
    ) as b:
        error = await failure(await b.batch.submit("hello"))
    assert [event.message for event in error.log_tail] == wild
    *_, red, two, lines, progress, long = str(error).splitlines()
    assert [red, two, lines, progress] == ["  | red", "  | two", "  | lines", "  | 100%"]
    assert long.endswith("x… (9,000 characters)")
    assert len(long) < 2_100


def test_failure_log_is_read_some_seconds_after_the_job_ended() -> None:
    now = datetime.fromtimestamp(time.time(), UTC)
    assert 3 < seconds_until_complete(now - timedelta(seconds=1)) <= 4
    assert seconds_until_complete(now - timedelta(seconds=30)) == 0
    assert seconds_until_complete(now + timedelta(seconds=30)) == 0
    assert seconds_until_complete(None) == 0
