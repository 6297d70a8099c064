"""A program with a journal that runs again submits only what is missing."""

from pathlib import Path

import anyio
import pytest

from asyncbatch import (
    InvalidRequest,
    JobFailed,
    JobRequest,
    Journal,
)
from asyncbatch.local import Fault, Launch, Script
from tests.fixtures.bench import MakeBench
from tests.session.programs import after_crash, client, crash, requests, submitted

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


# -- running the same again ------------------------------------------------------------------------


async def test_running_the_same_again_submits_nothing(bench: MakeBench, path: Path) -> None:
    """Equal requests in one run are several jobs, and meet theirs again."""
    async with bench() as b:
        async with client(b, path) as batch:
            first = await batch.run(requests(10))
        calls = b.local.calls.total()
        async with client(b, path) as batch:
            assert await batch.run(requests(10)) == first
        assert b.local.calls.total() == calls
        assert len(submitted(b)) == 10


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.3, 0.5, 1.0])
async def test_a_program_that_was_killed_goes_on_where_it_stopped(
    bench: MakeBench, path: Path, seconds: float
) -> None:
    async with bench(Script(duration=60)) as b:
        b.local.faults.add("SubmitJob", Fault.latency(0.1))
        async with client(b, path) as batch, anyio.create_task_group() as group:
            await batch.default_queue()
            group.start_soon(batch.run, requests(60))
            await anyio.sleep(seconds)
            await crash(path)
            group.cancel_scope.cancel()
        assert len(submitted(b)) < 60
        async with client(b, after_crash(path)) as batch:
            results = await batch.run(requests(60))
        assert sorted(result.job_id for result in results) == sorted(submitted(b))
        assert len(results) == 60


async def test_more_requests_continue_with_what_is_new(bench: MakeBench, path: Path) -> None:
    async with bench() as b:
        async with client(b, path) as batch:
            await batch.run(requests(5))
        async with client(b, path) as batch:
            results = await batch.run(requests(8))
        assert sorted(result.job_id for result in results) == sorted(submitted(b))


async def test_the_order_of_the_requests_does_not_matter(bench: MakeBench, path: Path) -> None:
    async with bench() as b:
        async with client(b, path) as batch:
            await batch.run(requests(9))
        async with client(b, path) as batch:
            await batch.run(reversed(requests(9)))
        assert len(submitted(b)) == 9


async def test_requests_that_were_submitted_together_are_met_together(
    bench: MakeBench, path: Path
) -> None:
    asked = [JobRequest("hello", command=["true"], environment={"N": str(n)}) for n in range(9)]
    async with bench() as b:
        async with client(b, path) as batch:
            await batch.run(asked, coalesce=True)
        async with client(b, path) as batch:
            assert len(await batch.run(asked, coalesce=True)) == 9
        assert len(submitted(b)) == 1


# -- failed jobs -----------------------------------------------------------------------------------


def failing_at_first(launch: Launch) -> Script:
    """Fail in the first minute of the test, and work after it: somebody has mended the input."""
    return Script(exit_code=1 if anyio.current_time() < 60 else 0)


async def test_what_failed_is_submitted_again_and_the_rest_is_not(
    bench: MakeBench, path: Path
) -> None:
    async with bench(failing_at_first) as b:
        async with client(b, path) as batch:
            await batch.run(requests(2), check=False)
            await anyio.sleep(60)
            await batch.run([JobRequest("hello", parameters={"later": "1"})])
        async with client(b, path) as batch:
            again = await batch.run([*requests(2), JobRequest("hello", parameters={"later": "1"})])
            assert len(submitted(b)) == 5
            assert [job.id for job in await batch.resume()] == [
                *sorted((r.job_id for r in again), key=submitted(b).index)
            ]
        async with client(b, path) as batch:
            await batch.run(requests(2))
        assert len(submitted(b)) == 5


async def test_what_failed_can_be_kept(bench: MakeBench, path: Path) -> None:
    async with bench(Script(exit_code=1)) as b:
        for _ in range(2):
            async with client(b, Journal(path, rerun_failed=False)) as batch:
                with pytest.raises(JobFailed):
                    await batch.run(requests(1))
        assert len(submitted(b)) == 1


async def test_what_vanished_is_submitted_again(bench: MakeBench, path: Path) -> None:
    async with bench() as b:
        async with client(b, path) as batch:
            (job,) = await batch.submit_many(requests(1))
        with b.local.faults.add("DescribeJobs", Fault.forget(10)):
            await anyio.sleep(60)
            async with client(b, path) as batch:
                (job,) = await batch.resume()
                assert (await _end(job)) == "JobVanished"
        async with client(b, path) as batch:
            await batch.run(requests(1))
        assert len(submitted(b)) == 2


async def _end(job: object) -> str:
    try:
        await job  # type: ignore[misc]
    except Exception as error:  # noqa: BLE001 - its name is what is asked for
        return type(error).__name__
    return "no error"


# -- keys ------------------------------------------------------------------------------------------


async def test_a_key_makes_different_requests_the_same(bench: MakeBench, path: Path) -> None:
    async with bench() as b:
        async with client(b, path) as batch:
            first = await batch.submit("hello", key="day-1", parameters={"v": "1"})
        async with client(b, path) as batch:
            second = await batch.submit("hello", key="day-1", parameters={"v": "2"})
            other = await batch.submit("hello", key="day-2", parameters={"v": "2"})
        assert (first.id, other.id) == tuple(submitted(b))
        assert second.id == first.id


async def test_two_at_once_with_one_key_are_one_job(bench: MakeBench, path: Path) -> None:
    async with bench() as b, client(b, path) as batch:
        asked = [JobRequest("hello", key="one")] * 5
        assert len({job.id for job in await batch.submit_many(asked)}) == 1
        assert len(submitted(b)) == 1


async def test_a_key_needs_a_journal(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="key='one': is for a client with a journal="):
            await b.batch.submit("hello", key="one")
        assert submitted(b) == []
