"""Job groups: their jobs end together, whatever ends the block and whatever faults AWS has."""

import asyncio
import contextlib
from typing import Any

import anyio
import pytest

from asyncbatch import (
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
)
from asyncbatch._group import OnError
from asyncbatch.local import Fault
from tests.client.groups import (
    LONG,
    Body,
    BodyError,
    alive,
    by_environment,
    error_of,
    long_then_error,
    runs,
)
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


FAULTS = {
    "no faults": None,
    "responses lost after acceptance": Fault.drop_after(probability=0.3),
    "requests lost": Fault.drop_before(probability=0.3),
    "throttling": Fault.throttle(probability=0.5),
    "slow responses": Fault.latency(20, probability=0.5),
}
ON_ERROR: tuple[OnError, ...] = ("terminate", "leave")


async def _job_fails(group: JobGroup) -> None:
    await group.submit(runs(5, exit_code=3))
    await anyio.sleep_forever()  # the failure of a job ends the body


async def _body_raises(group: JobGroup) -> None:
    await group.submit(runs(1))
    raise BodyError


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
    "the body raises": (_body_raises, BodyError),
    "a submission is refused": (_submission_is_refused, JobDefinitionNotFound),
    "a cancellation": (_is_cancelled, asyncio.CancelledError),
    "a timeout": (_runs_out_of_time, TimeoutError),
}


# -- the end of the block --------------------------------------------------------------------------


async def test_block_ends_when_all_jobs_have_ended(bench: MakeBench) -> None:
    async with bench(by_environment) as b:
        async with b.batch.job_group() as group:
            first = await group.submit(runs(50))
            rest = await group.submit_many(runs(9) for _ in range(3))
            assert not first.is_finished
        assert group.jobs == (first, *rest)
        assert {job.status for job in group.jobs} == {JobStatus.SUCCEEDED}


async def test_group_without_jobs_ends_at_once(bench: MakeBench) -> None:
    async with bench() as b:
        async with b.batch.job_group() as group:
            pass
        assert group.jobs == ()


async def test_arrays_and_coalesced_requests_belong_to_the_group(bench: MakeBench) -> None:
    async with bench(by_environment) as b:
        async with b.batch.job_group() as group:
            await group.submit(runs(9), array_size=4)
            three = [JobRequest("hello", command=["x"], environment={"N": n}) for n in "135"]
            await group.submit_many(three, coalesce=True)
        sizes = [len(job) for job in group.jobs if isinstance(job, ArrayJob)]
        assert sizes == [4, 3]
        assert all(job.is_finished for job in group.jobs)


@pytest.mark.parametrize("on_error", ON_ERROR)
@pytest.mark.parametrize("fault_kind", FAULTS)
@pytest.mark.parametrize("end", ENDS)
async def test_group_knows_each_of_its_jobs_however_the_block_ends(
    bench: MakeBench, end: str, fault_kind: str, on_error: OnError
) -> None:
    """After the block, the group has each of its jobs, and has terminated or left it.

    Some submissions are in progress and others wait for the rate limit when the block ends.
    """
    body, error = ENDS[end]
    async with bench(by_environment) as b:
        if (fault := FAULTS[fault_kind]) is not None:
            b.local.faults.add("SubmitJob", fault)
        group = b.batch.job_group(on_error=on_error)
        async with anyio.create_task_group() as others:

            async def busy(group: JobGroup) -> None:
                for _ in range(40):
                    others.start_soon(_submit, group)
                await anyio.sleep(0.4)
                await body(group)

            assert isinstance(await error_of(group, busy), error)
            known = {job.id for job in group.jobs}
            assert {job.job_id for job in b.local.ledger.submissions} == known
            assert len(known) > 10
        await anyio.sleep(60)
        unfinished = {job.id for job in group.jobs if not job.is_finished}
        assert await alive(b) == unfinished
        assert bool(unfinished) == (on_error == "leave")


async def _submit(group: JobGroup) -> None:
    with contextlib.suppress(GroupClosed):
        await group.submit(LONG)


# -- misuse ----------------------------------------------------------------------------------------


async def test_group_that_has_ended_raises_group_closed(bench: MakeBench) -> None:
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


async def test_group_that_is_ending_after_an_error_raises_group_closed(bench: MakeBench) -> None:
    async with bench(by_environment) as b:
        b.local.faults.add("TerminateJobs", Fault.latency(30))
        b.local.faults.add("TerminateJob", Fault.latency(30))
        async with anyio.create_task_group() as others:
            group = b.batch.job_group()
            others.start_soon(error_of, group, long_then_error)
            await anyio.sleep(10)
            with pytest.raises(GroupClosed):
                await group.submit("hello")


@pytest.mark.parametrize(
    "wrong", [{"on_error": "kill"}, {"reason": ""}, {"reason": "x" * 1025}], ids=str
)
async def test_invalid_group_arguments_raise(bench: MakeBench, wrong: dict[str, Any]) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match=f"{next(iter(wrong))}="):
            b.batch.job_group(**wrong)


async def test_job_group_of_a_client_that_is_not_open_raises() -> None:
    with pytest.raises(ClientClosed):
        AsyncBatchClient().job_group()
