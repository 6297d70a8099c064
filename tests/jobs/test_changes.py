"""`Job.changes()`: the current description first, then every change, until the job's end."""

import contextlib
from collections.abc import AsyncGenerator
from itertools import pairwise
from typing import cast

import anyio
import pytest

from asyncbatch import (
    AccessDenied,
    APIError,
    ArrayJob,
    ClientClosed,
    Job,
    JobDescription,
    JobStatus,
    JobVanished,
)
from asyncbatch.local import Fault, Script
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time

# Each state lasts for several polling intervals, so that polling sees all of them.
SLOW = Script(startup=20, duration=60)


def _statuses(descriptions: list[JobDescription]) -> list[JobStatus]:
    """Return the states in order; descriptions may differ in more than the state."""
    statuses: list[JobStatus] = []
    for description in descriptions:
        if statuses[-1:] != [description.status]:
            statuses.append(description.status)
    return statuses


async def _all_changes(job: Job) -> list[JobDescription]:
    return [description async for description in job.changes()]


@pytest.mark.parametrize(("exit_code", "end"), [(0, JobStatus.SUCCEEDED), (3, JobStatus.FAILED)])
async def test_changes_yields_each_state_once_and_ends_without_raising(
    bench: MakeBench, exit_code: int, end: JobStatus
) -> None:
    async with bench(Script(startup=20, duration=60, exit_code=exit_code)) as b:
        job = await b.batch.submit("hello")
        seen = await _all_changes(job)
        statuses = _statuses(seen)
        assert statuses[-3:] == [JobStatus.STARTING, JobStatus.RUNNING, end]
        assert len(set(statuses)) == len(statuses)
        assert seen[-1] is job.description
        assert all(earlier != later for earlier, later in pairwise(seen))


async def test_changes_begins_with_the_current_description(bench: MakeBench) -> None:
    async with bench(SLOW) as b:
        job = await b.batch.submit("hello")
        await job.wait(until=JobStatus.RUNNING)
        known = job.description
        async with contextlib.aclosing(_generator(job)) as changes:
            began = anyio.current_time()
            assert await anext(changes) is known
            assert anyio.current_time() == began


@pytest.mark.parametrize("exit_code", [0, 3])
async def test_changes_of_a_finished_job_yields_its_last_description(
    bench: MakeBench, exit_code: int
) -> None:
    async with bench(Script(exit_code=exit_code)) as b:
        job = await b.batch.submit("hello")
        await job.wait()
        calls = b.local.calls.total()
        assert await _all_changes(job) == [job.description]
        assert b.local.calls.total() == calls


async def test_changes_of_a_finished_job_needs_no_open_client(bench: MakeBench) -> None:
    async with bench() as b:
        job = await b.batch.submit("hello")
        await job
        await b.batch.aclose()
        assert await _all_changes(job) == [job.description]


async def test_changes_raises_job_vanished(bench: MakeBench) -> None:
    async with bench(Script(duration=3_600)) as b:
        job = await b.batch.submit("hello")
        await job.wait(until=JobStatus.RUNNING)
        seen: list[JobStatus] = []

        async def consume() -> None:
            async for description in job.changes():
                seen.append(description.status)  # noqa: PERF401 - what came before the error

        with b.local.faults.add("DescribeJobs", Fault.forget(0)), pytest.raises(JobVanished):
            await consume()
        assert seen == [JobStatus.RUNNING]
        # The job stays vanished: a later consumer gets the last description and the same error.
        with pytest.raises(JobVanished):
            await _all_changes(job)


async def test_changes_raises_client_closed_when_the_client_closes(bench: MakeBench) -> None:
    async with bench(Script(duration=3_600)) as b:
        job = await b.batch.submit("hello")
        async with anyio.create_task_group() as group:

            async def consume() -> None:
                with pytest.raises(ClientClosed, match="client was closed"):
                    await _all_changes(job)

            group.start_soon(consume)
            await anyio.sleep(30)
            await b.batch.aclose()


async def test_changes_raises_client_closed_after_the_client_was_closed(bench: MakeBench) -> None:
    async with bench(Script(duration=3_600)) as b:
        job = await b.batch.submit("hello")
        await b.batch.aclose()
        with pytest.raises(ClientClosed, match="this client was closed"):
            await _all_changes(job)


async def test_changes_raises_what_aws_answers(bench: MakeBench) -> None:
    async with bench(Script(duration=3_600)) as b:
        job = await b.batch.submit("hello")
        denial = Fault.error("AccessDeniedException", "no batch:DescribeJobs", status=403)
        with b.local.faults.add("DescribeJobs", denial), pytest.raises(AccessDenied) as caught:
            await _all_changes(job)
        assert isinstance(caught.value, APIError)
        # Only the consumer failed; a new one continues.
        async with contextlib.aclosing(_generator(job)) as changes:
            assert (await anext(changes)).job_id == job.id


async def test_changes_gives_two_consumers_the_same_descriptions(bench: MakeBench) -> None:
    async with bench(SLOW) as b:
        job = await b.batch.submit("hello")
        seen: dict[int, list[JobDescription]] = {}

        async def consume(number: int) -> None:
            seen[number] = await _all_changes(job)

        async with anyio.create_task_group() as group:
            for number in range(2):
                group.start_soon(consume, number)
        assert seen[0] == seen[1]
        assert len(seen[0]) >= 3


async def test_changes_keeps_every_change_for_a_slow_consumer(bench: MakeBench) -> None:
    async with bench(SLOW) as b:
        job = await b.batch.submit("hello")
        fast: list[JobDescription] = []
        slow: list[JobDescription] = []

        async def consume(seen: list[JobDescription], pause: float) -> None:
            async for description in job.changes():
                seen.append(description)
                await anyio.sleep(pause)

        async with anyio.create_task_group() as group:
            group.start_soon(consume, fast, 0)
            group.start_soon(consume, slow, 600)
        assert slow == fast
        assert slow[-1].status is JobStatus.SUCCEEDED


async def test_changes_leaves_no_subscription_after_an_early_break(bench: MakeBench) -> None:
    async with bench(SLOW) as b:
        job = await b.batch.submit("hello")
        async for _ in job.changes():
            break
        # Python closes the abandoned generator in a task of its own.
        await anyio.wait_all_tasks_blocked()
        assert b.record(job)._waiting.subscriptions == ()
        assert (await job).succeeded


async def test_changes_leaves_no_subscription_after_a_cancellation(bench: MakeBench) -> None:
    async with bench(Script(duration=3_600)) as b:
        job = await b.batch.submit("hello")
        with anyio.move_on_after(30) as scope:
            await _all_changes(job)
        assert scope.cancelled_caught
        assert b.record(job)._waiting.subscriptions == ()
        assert not b.record(job).is_awaited


async def test_changes_of_an_array_include_the_counts_of_its_children(bench: MakeBench) -> None:
    def script(child: object) -> Script:
        return Script(startup=1, duration=60 + 60 * child.array_index)  # type: ignore[attr-defined]

    async with bench(script) as b:
        array = await b.batch.submit_array("hello", 3)
        assert isinstance(array, ArrayJob)
        succeeded = [
            description.array.status_summary.get(JobStatus.SUCCEEDED, 0)
            async for description in array.changes()
            if description.array is not None
        ]
        assert sorted(set(succeeded)) == [0, 1, 2, 3]
        assert succeeded == sorted(succeeded)


async def test_changes_of_a_child_follow_the_child(bench: MakeBench) -> None:
    async with bench(SLOW) as b:
        array = await b.batch.submit_array("hello", 2)
        seen = await _all_changes(array[1])
        assert {description.job_id for description in seen} == {f"{array.id}:1"}
        assert _statuses(seen)[-1] is JobStatus.SUCCEEDED


async def test_changes_of_a_found_job_end_with_its_full_description(bench: MakeBench) -> None:
    """ListJobs returns summaries without exit codes, so the end is described before it counts."""
    async with bench(Script(exit_code=3)) as b:
        await (await b.batch.submit("hello")).wait()
        await b.batch.aclose()
        await b.batch.open()
        (job,) = await b.batch.find(status=JobStatus.FAILED)
        seen = await _all_changes(job)
        assert [description.is_summary for description in seen] == [True, False]
        assert seen[-1].exit_code == 3


def _generator(job: Job) -> AsyncGenerator[JobDescription, None]:
    """Return the iterator as what it is, so that it can be closed."""
    return cast("AsyncGenerator[JobDescription, None]", job.changes())
