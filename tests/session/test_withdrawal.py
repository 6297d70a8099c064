"""Submissions whose caller is cancelled: withdrawn until they are sent, settled afterwards."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from asyncbatch import (
    APIError,
    ClientClosed,
    JobRequest,
    JobSubmitted,
    RateLimits,
)
from asyncbatch.local import Fault, Script
from tests.fixtures.bench import Bench, MakeBench
from tests.session.programs import client, submitted

pytestmark = pytest.mark.virtual_time

SLOW = RateLimits(submit_per_second=1)
REQUEST = JobRequest("hello", queue="default")


async def submit_many_times(b: Bench) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(30):
            group.start_soon(b.batch.submit, REQUEST)


async def submit_many(b: Bench) -> None:
    await b.batch.submit_many([REQUEST] * 30)


async def run(b: Bench) -> None:
    await b.batch.run([REQUEST] * 30)


async def submit_in_a_group(b: Bench) -> None:
    async with b.batch.job_group(on_error="leave") as group:
        await group.submit_many([REQUEST] * 30)


@pytest.mark.parametrize("submit", [submit_many_times, submit_many, run, submit_in_a_group])
async def test_cancelled_caller_submits_nothing_that_waits_for_the_rate_limit(
    bench: MakeBench, submit: Callable[[Bench], Awaitable[None]]
) -> None:
    async with bench(Script(duration=600), limits=SLOW) as b:
        with anyio.move_on_after(5.5) as scope:
            await submit(b)
        assert scope.cancelled_caught
        before = len(submitted(b))
        await anyio.sleep(60)
        assert 5 <= len(submitted(b)) == before <= 7


async def test_withdrawn_submissions_do_not_use_up_the_rate_limit(bench: MakeBench) -> None:
    async with bench(limits=SLOW) as b:
        with anyio.move_on_after(0.5):
            await submit_many_times(b)
        began_at = anyio.current_time()
        await b.batch.submit(REQUEST)
        assert anyio.current_time() - began_at < 2


@pytest.mark.parametrize("name", [None, "mine"])
async def test_cancelled_caller_submits_nothing_after_throttling(
    bench: MakeBench, name: str | None
) -> None:
    async with bench() as b:
        b.local.faults.add("SubmitJob", Fault.throttle())
        with anyio.move_on_after(10):
            await b.batch.submit(REQUEST, name=name)
        b.local.faults.clear()
        await anyio.sleep(60)
        assert submitted(b) == []


async def test_cancelled_caller_submits_nothing_while_the_queue_is_looked_up(
    bench: MakeBench,
) -> None:
    async with bench() as b:
        b.local.faults.add("DescribeJobQueues", Fault.latency(5, times=1))
        with anyio.move_on_after(1):
            await b.batch.submit("hello")
        await anyio.sleep(60)
        assert submitted(b) == []
        await b.batch.submit("hello")  # the look-up of the queue is not blocked


@pytest.mark.parametrize("lag", [0.0, 12.0])
async def test_lost_response_is_looked_up_for_a_cancelled_caller_and_nothing_is_sent_again(
    bench: MakeBench, lag: float
) -> None:
    async with bench(Script(duration=600)) as b:
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        b.local.faults.add("ListJobs", Fault.lag(lag))
        with anyio.move_on_after(0.5):
            await b.batch.submit(REQUEST)
        await anyio.sleep(60)
        assert [event.job_id for event in b.events_of(JobSubmitted)] == submitted(b)
        assert len(submitted(b)) == 1


async def test_undecided_submission_of_a_cancelled_caller_is_logged(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench() as b:
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        b.local.faults.add("ListJobs", Fault.server_error())
        with anyio.move_on_after(0.5):
            await b.batch.submit(REQUEST)
        await anyio.sleep(60)
    assert "a submission whose caller was cancelled is undecided" in caplog.text


# -- with a journal --------------------------------------------------------------------------------


async def test_withdrawn_submission_leaves_nothing_in_the_journal(
    bench: MakeBench, tmp_path: Path
) -> None:
    """The next program submits without looking anything up."""
    path = tmp_path / "run.db"
    async with bench() as b:
        async with client(b, path) as batch:
            b.local.faults.add("SubmitJob", Fault.throttle())  # so the intent is written
            with anyio.move_on_after(10):
                await batch.submit(REQUEST)
        b.local.faults.clear()
        async with client(b, path) as batch:
            assert await batch.resume() == []
            job = await batch.submit(REQUEST)
            assert submitted(b) == [job.id]
        assert b.local.calls["ListJobs"] == 0


async def test_equal_request_takes_the_place_of_a_withdrawn_one(
    bench: MakeBench, tmp_path: Path
) -> None:
    """A program that submits it again after a timeout, and is then started again, has one job."""
    path = tmp_path / "run.db"
    async with bench(Script(duration=600)) as b:
        async with client(b, path) as batch:
            b.local.faults.add("SubmitJob", Fault.throttle())
            with anyio.move_on_after(10):
                await batch.submit(REQUEST)
            b.local.faults.clear()
            job = await batch.submit(REQUEST)
        async with client(b, path) as batch:
            again = await batch.submit(REQUEST)
        assert submitted(b) == [job.id] == [again.id]


@pytest.mark.parametrize("key", [None, "today"])
async def test_waiting_equal_request_is_submitted_when_the_first_is_withdrawn(
    bench: MakeBench, tmp_path: Path, key: str | None
) -> None:
    async with bench(Script(duration=600)) as b, client(b, tmp_path / "run.db") as batch:
        b.local.faults.add("SubmitJob", Fault.throttle())
        first = batch.start_submit(REQUEST, key=key)
        second = batch.start_submit(REQUEST, key=key)
        await anyio.sleep(1)
        assert await first.withdraw() is None
        b.local.faults.clear()
        job = await second
        assert submitted(b) == [job.id]


# -- Submission ------------------------------------------------------------------------------------


async def test_withdraw_returns_none_while_the_request_waits(bench: MakeBench) -> None:
    async with bench(limits=SLOW) as b:
        submissions = [b.batch.start_submit(REQUEST) for _ in range(3)]
        await anyio.sleep(0.5)
        began_at = anyio.current_time()
        assert await submissions[2].withdraw() is None
        assert anyio.current_time() == began_at
        with pytest.raises(asyncio.CancelledError):
            await submissions[2]
        await anyio.sleep(60)
        assert len(submitted(b)) == 2


ON_ITS_WAY: dict[str, Callable[[], Fault]] = {
    "slow": lambda: Fault.latency(5, times=1),
    "lost": lambda: Fault.drop_after(times=1),
}


@pytest.mark.parametrize("fault", ON_ITS_WAY)
async def test_withdraw_returns_the_job_of_a_request_that_was_sent(
    bench: MakeBench, fault: str
) -> None:
    async with bench(Script(duration=600)) as b:
        b.local.faults.add("SubmitJob", ON_ITS_WAY[fault]())
        submission = b.batch.start_submit(REQUEST)
        await anyio.sleep(0.5)
        job = await submission.withdraw()
        assert job is not None
        assert [job.id] == submitted(b)
        assert await submission is job
        assert await submission.withdraw() is job


async def test_withdraw_raises_the_error_of_the_submission(bench: MakeBench) -> None:
    async with bench() as b:
        submission = b.batch.start_submit("unknown", queue="default")
        with pytest.raises(APIError):
            await submission
        with pytest.raises(APIError):
            await submission.withdraw()


async def test_cancelling_one_that_awaits_a_submission_leaves_it_to_the_others(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="asyncio")
    async with bench(Script(duration=600)) as b:
        b.local.faults.add("SubmitJob", Fault.latency(5, times=1))
        submission = b.batch.start_submit(REQUEST)
        with anyio.move_on_after(1) as scope:
            await submission
        assert scope.cancelled_caught
        job = await submission
        assert submitted(b) == [job.id]
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_closing_the_client_ends_a_submission_that_waits(bench: MakeBench) -> None:
    async with bench(limits=SLOW) as b:
        submissions = [b.batch.start_submit(REQUEST) for _ in range(3)]
        await anyio.sleep(0.5)
        await b.batch.aclose()
        with pytest.raises(ClientClosed, match="before the job was submitted"):
            await submissions[2]
        with pytest.raises(ClientClosed):
            await submissions[2].withdraw()
