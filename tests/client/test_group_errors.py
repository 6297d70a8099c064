"""How a group ends after an error: which error is raised, its notes, and a bounded clean-up."""

import asyncio
import logging
import math

import anyio
import pytest

from asyncbatch import (
    AccessDenied,
    ArrayJob,
    ClientClosed,
    JobFailed,
    JobGroup,
    JobRequest,
    JobVanished,
    PollPolicy,
    RateLimits,
)
from asyncbatch._aws.api import API
from asyncbatch._group import _CLEAN_UP_SECONDS
from asyncbatch.local import Fault
from tests.client.groups import (
    LONG,
    BodyError,
    alive,
    by_environment,
    error_of,
    long_then_error,
    runs,
)
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


async def test_first_failure_is_raised_with_a_note_on_the_others(bench: MakeBench) -> None:
    async def submit(group: JobGroup) -> None:
        await group.submit_many([runs(1, exit_code=7), runs(2, exit_code=8), LONG])

    async with bench(by_environment, poll=PollPolicy(min_interval=15)) as b:
        error = await error_of(b.batch.job_group(), submit)
    assert isinstance(error, JobFailed)
    assert error.exit_code == 7
    assert error.__notes__ == [
        "2 of 3 jobs of the group failed.",
        "Jobs of the group that were terminated: 1.",
    ]


async def test_error_of_the_body_is_raised_with_notes_on_the_clean_up(bench: MakeBench) -> None:
    async with bench(by_environment) as b:
        group = b.batch.job_group(reason="no longer wanted")
        error = await error_of(group, long_then_error)
        assert isinstance(error, BodyError)
        assert error.__notes__ == ["Jobs of the group that were terminated: 1."]
        [job] = group.jobs
        assert (await job.result(check=False)).description.status_reason == "no longer wanted"


async def test_remaining_jobs_are_logged_once(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(by_environment) as b:
        group = b.batch.job_group(on_error="leave")
        error = await error_of(group, long_then_error)
        await b.batch.__aexit__(BodyError, error, None)
    [note] = error.__notes__
    assert note.startswith("1 job continues in AWS Batch (local). Follow again: await")
    assert f"batch.attach(['{group.jobs[0].id}'])" in note
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warnings == [note]


async def test_vanished_job_ends_the_group(bench: MakeBench) -> None:
    async with bench(by_environment, poll=PollPolicy(missing_grace=5)) as b:

        async def forgotten(group: JobGroup) -> None:
            await group.submit(LONG)
            b.local.faults.add("DescribeJobs", Fault.lag(math.inf))

        assert isinstance(await error_of(b.batch.job_group(), forgotten), JobVanished)


async def test_denied_describe_jobs_is_raised_and_the_jobs_are_terminated(bench: MakeBench) -> None:
    async with bench(by_environment) as b:

        async def denied(group: JobGroup) -> None:
            await group.submit(LONG)
            refusal = Fault.error("AccessDeniedException", status=403)
            b.local.faults.add("DescribeJobs", refusal)

        error = await error_of(b.batch.job_group(), denied)
        assert isinstance(error, AccessDenied)
        assert error.operation == "DescribeJobs"
        b.local.faults.clear()
        await anyio.sleep(60)
        assert await alive(b) == set()


async def test_job_that_cannot_be_terminated_is_noted(bench: MakeBench) -> None:
    async with bench(by_environment) as b:
        for operation in ("TerminateJob", "TerminateJobs"):
            b.local.faults.add(operation, Fault.error("AccessDeniedException", status=403))
        group = b.batch.job_group()
        notes = "\n".join((await error_of(group, long_then_error)).__notes__)
        assert "1 of 1 jobs could not be terminated and continue: TerminateJob" in notes
        assert f"batch.attach(['{group.jobs[0].id}'])" in notes


async def test_clean_up_is_bounded(bench: MakeBench) -> None:
    async with bench(by_environment) as b:
        begun = 0.0

        async def nobody_answers(group: JobGroup) -> None:
            nonlocal begun
            await group.submit(LONG)
            b.local.faults.add("*", Fault.refuse())
            begun = anyio.current_time()
            raise BodyError

        group = b.batch.job_group()
        error = await error_of(group, nobody_answers)
        assert anyio.current_time() - begun == pytest.approx(_CLEAN_UP_SECONDS, abs=0.2)
        assert f"batch.attach(['{group.jobs[0].id}'])" in error.__notes__[0]


async def test_clean_up_is_longer_for_many_jobs_terminated_one_by_one(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> bool:
        return False

    async def many(group: JobGroup) -> None:
        await group.submit_many(LONG for _ in range(10))
        raise BodyError

    monkeypatch.setattr(API, "offers", never)
    async with bench(by_environment, limits=RateLimits(terminate_per_second=0.1)) as b:
        await error_of(b.batch.job_group(), many)
        assert b.local.calls["TerminateJob"] == 10
        await anyio.sleep(60)
        assert await alive(b) == set()


async def test_second_cancellation_ends_the_wait_but_not_the_clean_up(
    bench: MakeBench,
) -> None:
    async with bench(by_environment) as b:
        b.local.faults.add("*", Fault.latency_before(10))

        async def work() -> None:
            async with b.batch.job_group() as group:
                await group.submit(LONG)
                await anyio.sleep_forever()

        task = asyncio.get_running_loop().create_task(work())
        await anyio.sleep(60)
        for _ in range(2):
            task.cancel()
            await anyio.sleep(1)
        assert task.cancelled()
        await anyio.sleep(120)
        assert len(b.local.ledger.submissions) == 1
        assert await alive(b) == set()


async def test_group_of_a_closed_client_raises_a_new_error_to_each_caller(
    bench: MakeBench,
) -> None:
    """Each error has the handles and the notes of its own call."""
    async with bench() as b, b.batch.job_group() as group:
        await b.batch.aclose()
        errors = []
        for _ in range(2):
            with pytest.raises(ClientClosed) as caught:
                await group.submit_many([JobRequest("hello")])
            errors.append(caught.value)
            caught.value.add_note("by its caller")
        assert errors[0] is not errors[1]
        assert all(error.__notes__ == ["by its caller"] for error in errors)


async def test_closed_client_leaves_the_jobs_and_logs_them(bench: MakeBench) -> None:
    async with bench(by_environment) as b:

        async def close(group: JobGroup) -> None:
            await group.submit(LONG)
            await b.batch.aclose()

        group = b.batch.job_group()
        error = await error_of(group, close)
        assert isinstance(error, ClientClosed)
        assert f"batch.attach(['{group.jobs[0].id}'])" in error.__notes__[0]


async def test_client_that_ends_with_an_error_does_not_log_terminated_jobs(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(by_environment) as b:
        jobs = [await b.batch.submit(LONG) for _ in range(3)]
        array = await b.batch.submit(LONG, array_size=2)
        assert isinstance(array, ArrayJob)
        b.record(array[0]).add_done_callback(lambda _job, _error: None)
        await jobs[0].terminate()
        await b.batch.terminate([jobs[1], array])
        await b.batch.__aexit__(BodyError, BodyError(), None)
    [warning] = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warning.startswith("1 job continues in AWS Batch (local).")
    assert f"batch.attach(['{jobs[2].id}'])" in warning
