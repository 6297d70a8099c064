"""A client with a journal: whatever ends a program, running it again submits only what is missing.

A crash is a copy of the journal's files: what the disk holds at one moment, while the jobs go on.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from asyncbatch import (
    APIError,
    AsyncBatchClient,
    InvalidRequest,
    JobFailed,
    JobFinished,
    JobRequest,
    JobStatus,
    Journal,
    JournalError,
    SubmitUncertain,
)
from asyncbatch.local import Fault, Launch, Script
from tests.client.conftest import Bench, MakeBench

pytestmark = pytest.mark.virtual_time


@asynccontextmanager
async def client(b: Bench, journal: Path | Journal) -> AsyncIterator[AsyncBatchClient]:
    """Run a program with a journal."""
    async with AsyncBatchClient(
        session=b.local.session, journal=journal, observers=[b.events.append]
    ) as batch:
        yield batch


async def crashed(path: Path) -> Path:
    """Return a journal as a program leaves it that is killed now."""
    copy = path.with_name(f"after-crash-{path.name}")
    for suffix in ("", "-wal"):
        if (file := path.with_name(path.name + suffix)).exists():
            await anyio.to_thread.run_sync(shutil.copy, file, copy.with_name(copy.name + suffix))
    return copy


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


def requests(count: int) -> list[JobRequest]:
    """Return requests of which every three are equal."""
    return [JobRequest("hello", environment={"N": str(n // 3)}) for n in range(count)]


def submitted(b: Bench) -> list[str]:
    return [each.job_id for each in b.local.ledger.submissions]


# -- resume ----------------------------------------------------------------------------------------


async def test_live_jobs_are_followed_again(bench: MakeBench, path: Path) -> None:
    async with bench(Script(duration=60)) as b:
        async with client(b, path) as batch:
            before = await batch.submit_many(requests(10))
        async with client(b, path) as batch:
            jobs = await batch.resume()
            assert [job.id for job in jobs] == [job.id for job in before]
            assert all([(await job).succeeded for job in jobs])
        assert len(submitted(b)) == 10


async def test_jobs_that_ended_bring_their_result_without_a_call(
    bench: MakeBench, path: Path
) -> None:
    async with bench(Script(duration=5, exit_code=3, lines=[(1, "no input")])) as b:
        async with client(b, path) as batch:
            (result,) = await batch.run(requests(1), check=False)
        calls = b.local.calls.total()
        async with client(b, path) as batch:
            (job,) = await batch.resume()
            assert await job.result(check=False) == result
            assert b.local.calls.total() == calls
            with pytest.raises(JobFailed, match="exit code 3") as caught:
                await job
            assert [line.message for line in caught.value.log_tail] == ["no input"]


async def test_jobs_that_ended_meanwhile_are_asked_for(bench: MakeBench, path: Path) -> None:
    async with bench(Script(duration=60)) as b:
        async with client(b, path) as batch:
            await batch.submit_many(requests(3))
        await anyio.sleep(3600)
        async with client(b, path) as batch:
            assert [(await job).status for job in await batch.resume()] == ["SUCCEEDED"] * 3


async def test_an_array_is_resumed_as_one(bench: MakeBench, path: Path) -> None:
    async with bench(Script(duration=60)) as b:
        async with client(b, path) as batch:
            await batch.submit_array("hello", size=3)
        async with client(b, path) as batch:
            (array,) = await batch.resume()
            assert (await array).succeeded
            assert await batch.submit_array("hello", size=3) is array
            assert len(array) == 3


async def test_resuming_twice_gives_the_same_handles(bench: MakeBench, path: Path) -> None:
    async with bench() as b, client(b, path) as batch:
        jobs = await batch.submit_many(requests(4))
        assert await batch.resume() == jobs
        assert await batch.resume() == jobs


async def test_resuming_needs_a_journal(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="AsyncBatchClient\\(journal="):
            await b.batch.resume()


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
            copy = await crashed(path)
            group.cancel_scope.cancel()
        assert len(submitted(b)) < 60
        async with client(b, copy) as batch:
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


# -- submissions under way -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "mine"])
@pytest.mark.parametrize("fault", [Fault.latency(5), Fault.latency_before(5)])
@pytest.mark.parametrize("by", ["resume", "run"])
async def test_what_was_on_the_wire_is_settled(
    bench: MakeBench, path: Path, fault: Fault, by: str, name: str | None
) -> None:
    """The program is killed while AWS has the request, and before it has answered."""
    request = JobRequest("hello", queue="default", name=name)
    async with bench(Script(duration=60)) as b:
        async with client(b, path) as batch, anyio.create_task_group() as group:
            b.local.faults.add("SubmitJob", fault)
            group.start_soon(batch.submit, request)
            await anyio.sleep(1)
            copy = await crashed(path)
        async with client(b, copy) as batch:
            if by == "resume":
                assert [job.id for job in await batch.resume()] == submitted(b)
            await batch.submit(request)
        assert len(submitted(b)) == 1


async def test_what_never_arrived_is_submitted_by_running_again(
    bench: MakeBench, path: Path
) -> None:
    request = JobRequest("hello", queue="default")
    async with bench() as b:
        async with client(b, path) as batch, anyio.create_task_group() as group:
            b.local.faults.add("SubmitJob", Fault.throttle())
            group.start_soon(batch.submit, request)
            await anyio.sleep(0.5)
            copy = await crashed(path)
            group.cancel_scope.cancel()
        b.local.faults.clear()
        assert submitted(b) == []
        async with client(b, copy) as batch:
            assert await batch.resume() == []
            job = await batch.submit(request)
        assert submitted(b) == [job.id]


async def test_what_cannot_be_settled_is_told_and_the_others_are_followed(
    bench: MakeBench, path: Path
) -> None:
    async with bench(Script(duration=60)) as b:
        async with client(b, path) as batch:
            job = await batch.submit("hello", queue="default")
            b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
            b.local.faults.add("ListJobs", Fault.error("AccessDeniedException", "", status=403))
            with pytest.raises(SubmitUncertain):
                await batch.submit("hello", queue="default", environment={"A": "1"})
        async with client(b, path) as batch:
            with pytest.raises(SubmitUncertain, match="list-jobs") as caught:
                await batch.resume()
            (resumed,) = caught.value.submitted
            assert resumed.id == job.id
            assert (await resumed).succeeded
        b.local.faults.clear()
        async with client(b, path) as batch:
            assert [job.id for job in await batch.resume()] == submitted(b)


async def test_without_a_tag_a_rerun_recognises_the_content(bench: MakeBench, path: Path) -> None:
    denied = Fault.error("AccessDeniedException", "batch:TagResource", status=403, times=1)
    request = JobRequest("hello", queue="default", name="mine", environment={"A": "1"})
    async with bench() as b:
        b.local.faults.add("SubmitJob", denied)
        async with client(b, path) as batch, anyio.create_task_group() as group:
            await batch.submit("hello", queue="default", name="mine")
            b.local.faults.add("SubmitJob", Fault.latency(5))
            group.start_soon(batch.submit, request)
            await anyio.sleep(1)
            copy = await crashed(path)
        async with client(b, copy) as batch:
            with pytest.raises(SubmitUncertain, match="may be it"):
                await batch.resume()
            assert (await batch.submit(request)).id == submitted(b)[1]


async def test_a_refusal_leaves_no_trace(bench: MakeBench, path: Path) -> None:
    async with bench() as b:
        async with client(b, path) as batch:
            with pytest.raises(APIError):
                await batch.submit("nothing")
        async with client(b, path) as batch:
            assert await batch.resume() == []


async def test_what_is_resumed_while_it_is_submitted_is_one_job(
    bench: MakeBench, path: Path
) -> None:
    async with bench() as b, client(b, path) as batch, anyio.create_task_group() as group:
        b.local.faults.add("SubmitJob", Fault.latency(5))
        group.start_soon(batch.submit, JobRequest("hello", queue="default"))
        await anyio.sleep(1)
        assert [job.id for job in await batch.resume()] == submitted(b)


# -- the file fails --------------------------------------------------------------------------------


async def test_a_journal_of_another_region_is_refused(bench: MakeBench, path: Path) -> None:
    async with bench() as b:
        async with client(b, path):
            pass
        with pytest.raises(JournalError, match="eu-south-1"):
            async with AsyncBatchClient(
                session=b.local.session, region_name="eu-south-1", journal=path
            ):
                pass


async def test_ends_are_heard_once_in_each_program(bench: MakeBench, path: Path) -> None:
    async with bench() as b:
        for _ in range(2):
            b.events.clear()
            async with client(b, path) as batch:
                await batch.run(requests(5))
                await batch.resume()
            assert len({e.job_id for e in b.told(JobFinished)}) == len(b.told(JobFinished)) == 5


async def test_status_of_a_resumed_job_is_known_soon(bench: MakeBench, path: Path) -> None:
    async with bench(Script(duration=60)) as b:
        async with client(b, path) as batch:
            await batch.submit("hello")
        await anyio.sleep(10)
        async with client(b, path) as batch:
            (job,) = await batch.resume()
            with anyio.fail_after(2):
                await job.wait(until=JobStatus.RUNNING)
