"""Groups: jobs that end together, whatever ends them, and whatever AWS does meanwhile."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from asyncbatch import (
    AccessDenied,
    ArrayJob,
    AsyncBatchClient,
    ClientClosed,
    GroupClosed,
    InvalidRequest,
    JobDefinitionNotFound,
    JobFailed,
    JobGroup,
    JobRequest,
    JobStatus,
    JobVanished,
    PollPolicy,
    RateLimits,
)
from asyncbatch._api import API
from asyncbatch._cleanup import CLEAN_UP_SECONDS
from asyncbatch._group import OnError
from asyncbatch.local import Fault, Launch, Script
from tests.client.conftest import Bench, MakeBench

pytestmark = pytest.mark.virtual_time


def _by_environment(job: Launch) -> Script:
    """Read from a job's environment how long it runs and how it exits."""
    given = job.environment
    return Script(
        startup=0, duration=float(given.get("FOR", 1)), exit_code=int(given.get("EXIT", 0))
    )


def _runs(seconds: float, *, exit_code: int = 0) -> JobRequest:
    return JobRequest("hello", environment={"FOR": str(seconds), "EXIT": str(exit_code)})


LONG = _runs(90_000)
WIRE = {
    "a quiet wire": None,
    "answers that are lost after acceptance": Fault.drop_after(probability=0.3),
    "requests that are lost": Fault.drop_before(probability=0.3),
    "throttling": Fault.throttle(probability=0.5),
    "slow answers": Fault.latency(20, probability=0.5),
}
Body = Callable[[JobGroup], Awaitable[None]]
ON_ERROR: tuple[OnError, ...] = ("terminate", "leave")


class _Mine(Exception):
    """An error of the body."""


async def _job_fails(group: JobGroup) -> None:
    await group.submit(_runs(5, exit_code=3))
    await anyio.sleep_forever()  # the failure of a job ends the body


async def _body_raises(group: JobGroup) -> None:
    await group.submit(_runs(1))
    raise _Mine


async def _submission_is_refused(group: JobGroup) -> None:
    await group.submit("no-such-definition")


async def _is_cancelled(_: JobGroup) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await anyio.sleep_forever()


async def _runs_out_of_time(_: JobGroup) -> None:
    async with asyncio.timeout(3):
        await anyio.sleep_forever()


ENDS: dict[str, tuple[Body, type[BaseException]]] = {
    "a job fails": (_job_fails, JobFailed),
    "the body raises": (_body_raises, _Mine),
    "a submission is refused": (_submission_is_refused, JobDefinitionNotFound),
    "a cancellation": (_is_cancelled, asyncio.CancelledError),
    "a timeout": (_runs_out_of_time, TimeoutError),
}


async def _alive(b: Bench) -> set[str]:
    """Return the ids of the jobs that have not ended, as the engine tells."""
    described = await b.batch.describe([job.job_id for job in b.local.ledger.submissions])
    return {job_id for job_id, job in described.items() if not job.status.is_terminal}


# -- the end of the block --------------------------------------------------------------------------


async def test_the_block_ends_when_all_jobs_have(bench: MakeBench) -> None:
    async with bench(_by_environment) as b:
        async with b.batch.job_group() as group:
            first = await group.submit(_runs(50))
            rest = await group.submit_many(_runs(9) for _ in range(3))
            assert not first.is_finished
        assert group.jobs == (first, *rest)
        assert {job.status for job in group.jobs} == {JobStatus.SUCCEEDED}


async def test_a_group_without_jobs_is_no_work(bench: MakeBench) -> None:
    async with bench() as b:
        async with b.batch.job_group() as group:
            pass
        assert group.jobs == ()


async def test_arrays_and_coalesced_requests_belong_to_it(bench: MakeBench) -> None:
    async with bench(_by_environment) as b:
        async with b.batch.job_group() as group:
            await group.submit(_runs(9), array_size=4)
            three = [JobRequest("hello", command=["x"], environment={"N": n}) for n in "135"]
            await group.submit_many(three, coalesce=True)
        sizes = [len(job) for job in group.jobs if isinstance(job, ArrayJob)]
        assert sizes == [4, 3]
        assert all(job.is_finished for job in group.jobs)


async def _error_of(group: JobGroup, body: Body) -> BaseException:
    """Run the body in the group's block and return the error that ends it."""
    try:
        async with group:
            await body(group)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - to be looked at
        return error
    raise AssertionError("the block ended without an error")


@pytest.mark.parametrize("on_error", ON_ERROR)
@pytest.mark.parametrize("wire", WIRE)
@pytest.mark.parametrize("end", ENDS)
async def test_no_job_is_forgotten(
    bench: MakeBench, end: str, wire: str, on_error: OnError
) -> None:
    """Whatever ends the block, the group knows of each of its jobs afterwards, and cares for it.

    Submissions are on the wire, and others wait for their turn, when the block ends.
    """
    body, error = ENDS[end]
    async with bench(_by_environment) as b:
        if (fault := WIRE[wire]) is not None:
            b.local.faults.add("SubmitJob", fault)
        group = b.batch.job_group(on_error=on_error)
        async with anyio.create_task_group() as others:

            async def busy(group: JobGroup) -> None:
                for _ in range(70):
                    others.start_soon(_submit, group)
                await anyio.sleep(0.7)
                await body(group)

            assert isinstance(await _error_of(group, busy), error)
            known = {job.id for job in group.jobs}
            assert {job.job_id for job in b.local.ledger.submissions} == known
            assert len(known) > 10
        await anyio.sleep(120)
        going_on = {job.id for job in group.jobs if not job.is_finished}
        assert await _alive(b) == going_on
        assert bool(going_on) == (on_error == "leave")


async def _submit(group: JobGroup) -> None:
    with contextlib.suppress(GroupClosed):
        await group.submit(LONG)


# -- which error, and how it reads -----------------------------------------------------------------


async def _long_then_mine(group: JobGroup) -> None:
    await group.submit(LONG)
    raise _Mine


async def test_the_first_failure_is_raised_with_a_note_on_the_others(bench: MakeBench) -> None:
    async def submit(group: JobGroup) -> None:
        await group.submit_many([_runs(1, exit_code=7), _runs(2, exit_code=8), LONG])

    async with bench(_by_environment, poll=PollPolicy(min_interval=15)) as b:
        error = await _error_of(b.batch.job_group(), submit)
    assert isinstance(error, JobFailed)
    assert error.exit_code == 7
    assert error.__notes__ == [
        "2 of 3 jobs of the group failed.",
        "Jobs of the group that were terminated: 1.",
    ]


async def test_the_bodys_own_error_wins_and_is_told_what_was_done(bench: MakeBench) -> None:
    async with bench(_by_environment) as b:
        group = b.batch.job_group(reason="no longer wanted")
        error = await _error_of(group, _long_then_mine)
        assert isinstance(error, _Mine)
        assert error.__notes__ == ["Jobs of the group that were terminated: 1."]
        [job] = group.jobs
        assert (await job.result(check=False)).description.status_reason == "no longer wanted"


async def test_jobs_that_are_left_are_told_of_once(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(_by_environment) as b:
        group = b.batch.job_group(on_error="leave")
        error = await _error_of(group, _long_then_mine)
        await b.batch.__aexit__(_Mine, error, None)
    [note] = error.__notes__
    assert note.startswith("1 job runs on in AWS Batch, local. Pick them up again: await")
    assert f"batch.attach(['{group.jobs[0].id}'])" in note
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warnings == [note]


async def test_a_job_that_vanishes_ends_the_group(bench: MakeBench) -> None:
    async with bench(_by_environment, poll=PollPolicy(missing_grace=5)) as b:

        async def forgotten(group: JobGroup) -> None:
            await group.submit(LONG)
            b.local.faults.add("DescribeJobs", Fault.lag(math.inf))

        assert isinstance(await _error_of(b.batch.job_group(), forgotten), JobVanished)


async def test_who_may_not_ask_is_told_and_the_jobs_are_terminated(bench: MakeBench) -> None:
    async with bench(_by_environment) as b:

        async def denied(group: JobGroup) -> None:
            await group.submit(LONG)
            refusal = Fault.error("AccessDeniedException", status=403)
            b.local.faults.add("DescribeJobs", refusal)

        error = await _error_of(b.batch.job_group(), denied)
        assert isinstance(error, AccessDenied)
        assert error.operation == "DescribeJobs"
        b.local.faults.clear()
        await anyio.sleep(60)
        assert await _alive(b) == set()


async def test_a_job_that_cannot_be_terminated_is_told_of(bench: MakeBench) -> None:
    async with bench(_by_environment) as b:
        for operation in ("TerminateJob", "TerminateJobs"):
            b.local.faults.add(operation, Fault.error("AccessDeniedException", status=403))
        group = b.batch.job_group()
        told = "\n".join((await _error_of(group, _long_then_mine)).__notes__)
        assert "1 of 1 could not be terminated, and run on: TerminateJob" in told
        assert f"batch.attach(['{group.jobs[0].id}'])" in told


async def test_the_clean_up_has_a_bound(bench: MakeBench) -> None:
    async with bench(_by_environment) as b:
        begun = 0.0

        async def nobody_answers(group: JobGroup) -> None:
            nonlocal begun
            await group.submit(LONG)
            b.local.faults.add("*", Fault.refuse())
            begun = anyio.current_time()
            raise _Mine

        group = b.batch.job_group()
        error = await _error_of(group, nobody_answers)
        assert anyio.current_time() - begun == pytest.approx(CLEAN_UP_SECONDS, abs=0.2)
        assert f"batch.attach(['{group.jobs[0].id}'])" in error.__notes__[0]


async def test_the_clean_up_has_time_for_many_jobs_one_by_one(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> bool:
        return False

    async def many(group: JobGroup) -> None:
        await group.submit_many(LONG for _ in range(10))
        raise _Mine

    monkeypatch.setattr(API, "offers", never)
    async with bench(_by_environment, limits=RateLimits(terminate_per_second=0.1)) as b:
        await _error_of(b.batch.job_group(), many)
        assert b.local.calls["TerminateJob"] == 10
        await anyio.sleep(60)
        assert await _alive(b) == set()


async def test_cancelling_once_more_gives_up_the_waiting_and_not_the_clean_up(
    bench: MakeBench,
) -> None:
    async with bench(_by_environment) as b:
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
        assert await _alive(b) == set()


async def test_a_client_that_is_closed_leaves_the_jobs_and_says_so(bench: MakeBench) -> None:
    async with bench(_by_environment) as b:

        async def close(group: JobGroup) -> None:
            await group.submit(LONG)
            await b.batch.aclose()

        group = b.batch.job_group()
        error = await _error_of(group, close)
        assert isinstance(error, ClientClosed)
        assert f"batch.attach(['{group.jobs[0].id}'])" in error.__notes__[0]


# -- misuse ----------------------------------------------------------------------------------------


async def test_a_group_that_has_ended_takes_no_jobs(bench: MakeBench) -> None:
    async with bench() as b:
        unused = b.batch.job_group()
        async with b.batch.job_group() as group:
            await group.submit("hello")
        few = [JobRequest("hello")]
        for use in (
            group.submit("hello"),
            group.submit_many(few),
            group.__aenter__(),
            unused.submit("hello"),
            unused.submit_many(few),
        ):
            with pytest.raises(GroupClosed, match="async with"):
                await use
        assert len(b.local.ledger.submissions) == 1


async def test_a_group_that_ends_after_an_error_takes_no_jobs(bench: MakeBench) -> None:
    async with bench(_by_environment) as b:
        b.local.faults.add("TerminateJobs", Fault.latency(30))
        b.local.faults.add("TerminateJob", Fault.latency(30))
        async with anyio.create_task_group() as others:
            group = b.batch.job_group()
            others.start_soon(_error_of, group, _long_then_mine)
            await anyio.sleep(10)
            with pytest.raises(GroupClosed):
                await group.submit("hello")


@pytest.mark.parametrize(
    "wrong", [{"on_error": "kill"}, {"reason": ""}, {"reason": "x" * 1025}], ids=str
)
async def test_what_makes_no_sense_is_refused(bench: MakeBench, wrong: dict[str, Any]) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match=f"{next(iter(wrong))}="):
            b.batch.job_group(**wrong)


async def test_a_client_that_is_not_open_has_no_groups() -> None:
    with pytest.raises(ClientClosed):
        AsyncBatchClient().job_group()


async def test_a_client_that_ends_with_an_error_does_not_tell_of_what_was_terminated(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(_by_environment) as b:
        jobs = [await b.batch.submit(LONG) for _ in range(3)]
        array = await b.batch.submit(LONG, array_size=2)
        assert isinstance(array, ArrayJob)
        array[0].on_settled(lambda _job, _error: None)
        await jobs[0].terminate()
        await b.batch.terminate([jobs[1], array])
        await b.batch.__aexit__(_Mine, _Mine(), None)
    [warning] = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warning.startswith("1 job runs on in AWS Batch, local.")
    assert f"batch.attach(['{jobs[2].id}'])" in warning
