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


# -- running the same requests again ---------------------------------------------------------------


async def test_rerun_of_the_same_requests_submits_nothing(bench: MakeBench, path: Path) -> None:
    """Equal requests in one run are several jobs, and a rerun finds each of them."""
    async with bench() as b:
        async with client(b, path) as batch:
            first = await batch.run(requests(10))
        calls = b.local.calls.total()
        async with client(b, path) as batch:
            assert await batch.run(requests(10)) == first
        assert b.local.calls.total() == calls
        assert len(submitted(b)) == 10


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.3, 0.5, 1.0])
async def test_rerun_of_a_killed_program_submits_what_is_missing(
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


async def test_rerun_with_more_requests_submits_the_new_ones(bench: MakeBench, path: Path) -> None:
    async with bench() as b:
        async with client(b, path) as batch:
            await batch.run(requests(5))
        async with client(b, path) as batch:
            results = await batch.run(requests(8))
        assert sorted(result.job_id for result in results) == sorted(submitted(b))


async def test_rerun_ignores_the_order_of_the_requests(bench: MakeBench, path: Path) -> None:
    async with bench() as b:
        async with client(b, path) as batch:
            await batch.run(requests(9))
        async with client(b, path) as batch:
            await batch.run(reversed(requests(9)))
        assert len(submitted(b)) == 9


async def test_rerun_with_coalesce_submits_nothing(bench: MakeBench, path: Path) -> None:
    wanted = [JobRequest("hello", command=["true"], environment={"N": str(n)}) for n in range(9)]
    async with bench() as b:
        async with client(b, path) as batch:
            await batch.run(wanted, coalesce=True)
        async with client(b, path) as batch:
            assert len(await batch.run(wanted, coalesce=True)) == 9
        assert len(submitted(b)) == 1


# -- failed jobs -----------------------------------------------------------------------------------


def failing_at_first(launch: Launch) -> Script:
    """Fail in the first minute of the test and succeed after it, as if the input was repaired."""
    return Script(exit_code=1 if anyio.current_time() < 60 else 0)


async def test_rerun_submits_failed_jobs_again_and_no_others(bench: MakeBench, path: Path) -> None:
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


async def test_rerun_keeps_failed_jobs_if_rerun_failed_is_false(
    bench: MakeBench, path: Path
) -> None:
    async with bench(Script(exit_code=1)) as b:
        for _ in range(2):
            async with client(b, Journal(path, rerun_failed=False)) as batch:
                with pytest.raises(JobFailed):
                    await batch.run(requests(1))
        assert len(submitted(b)) == 1


async def test_rerun_submits_vanished_jobs_again(bench: MakeBench, path: Path) -> None:
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
    except Exception as error:  # noqa: BLE001 - the test compares its name
        return type(error).__name__
    return "no error"


# -- keys ------------------------------------------------------------------------------------------


async def test_key_identifies_a_request_whatever_its_content(bench: MakeBench, path: Path) -> None:
    async with bench() as b:
        async with client(b, path) as batch:
            first = await batch.submit("hello", key="day-1", parameters={"v": "1"})
        async with client(b, path) as batch:
            second = await batch.submit("hello", key="day-1", parameters={"v": "2"})
            other = await batch.submit("hello", key="day-2", parameters={"v": "2"})
        assert (first.id, other.id) == tuple(submitted(b))
        assert second.id == first.id


async def test_concurrent_requests_with_one_key_are_one_job(bench: MakeBench, path: Path) -> None:
    async with bench() as b, client(b, path) as batch:
        wanted = [JobRequest("hello", key="one")] * 5
        assert len({job.id for job in await batch.submit_many(wanted)}) == 1
        assert len(submitted(b)) == 1


async def test_key_without_a_journal_is_an_invalid_request(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="key='one': a key needs a journal"):
            await b.batch.submit("hello", key="one")
        assert submitted(b) == []
