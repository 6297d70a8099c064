"""A client with a journal: `resume`, submissions under way at a crash, and file errors."""

import asyncio
from pathlib import Path

import anyio
import pytest

from asyncbatch import (
    APIError,
    AsyncBatchClient,
    ClientClosed,
    InvalidRequest,
    JobFailed,
    JobFinished,
    JobRequest,
    JobStatus,
    Journal,
    JournalError,
    SubmitUncertain,
)
from asyncbatch._journal.file import File
from asyncbatch.local import Fault, Script
from tests.fixtures.bench import MakeBench
from tests.session.programs import after_crash, client, crash, requests, submitted

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


# -- resume ----------------------------------------------------------------------------------------


async def test_resume_follows_live_jobs(bench: MakeBench, path: Path) -> None:
    async with bench(Script(duration=60)) as b:
        async with client(b, path) as batch:
            before = await batch.submit_many(requests(10))
        async with client(b, path) as batch:
            jobs = await batch.resume()
            assert [job.id for job in jobs] == [job.id for job in before]
            assert all([(await job).succeeded for job in jobs])
        assert len(submitted(b)) == 10


async def test_resumed_ended_jobs_have_their_result_without_a_call(
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


async def test_resume_describes_jobs_that_ended_meanwhile(bench: MakeBench, path: Path) -> None:
    async with bench(Script(duration=60)) as b:
        async with client(b, path) as batch:
            await batch.submit_many(requests(3))
        await anyio.sleep(3600)
        async with client(b, path) as batch:
            assert [(await job).status for job in await batch.resume()] == ["SUCCEEDED"] * 3


async def test_resume_returns_an_array_job_for_an_array(bench: MakeBench, path: Path) -> None:
    async with bench(Script(duration=60)) as b:
        async with client(b, path) as batch:
            await batch.submit_array("hello", size=3)
        async with client(b, path) as batch:
            (array,) = await batch.resume()
            assert (await array).succeeded
            again = await batch.submit_array("hello", size=3)
            assert again is array
            assert len(again) == 3


async def test_resume_twice_returns_the_same_handles(bench: MakeBench, path: Path) -> None:
    async with bench() as b, client(b, path) as batch:
        jobs = await batch.submit_many(requests(4))
        assert await batch.resume() == jobs
        assert await batch.resume() == jobs


async def test_resume_without_a_journal_is_an_invalid_request(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="AsyncBatchClient\\(journal="):
            await b.batch.resume()


# -- submissions under way -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "mine"])
@pytest.mark.parametrize("fault", [Fault.latency(5), Fault.latency_before(5)])
@pytest.mark.parametrize("by", ["resume", "run"])
async def test_submission_under_way_at_a_crash_is_settled(
    bench: MakeBench, path: Path, fault: Fault, by: str, name: str | None
) -> None:
    """The program is killed after AWS has received the request and before its response."""
    request = JobRequest("hello", queue="default", name=name)
    async with bench(Script(duration=60)) as b:
        async with client(b, path) as batch, anyio.create_task_group() as group:
            b.local.faults.add("SubmitJob", fault)
            group.start_soon(batch.submit, request)
            await anyio.sleep(1)
            await crash(path)
        async with client(b, after_crash(path)) as batch:
            if by == "resume":
                assert [job.id for job in await batch.resume()] == submitted(b)
            await batch.submit(request)
        assert len(submitted(b)) == 1


async def test_closing_leaves_an_undecided_submission_to_the_next_run(
    bench: MakeBench, path: Path
) -> None:
    """ListJobs lags for longer than closing waits, so the next run looks the job up."""
    request = JobRequest("hello", queue="default")
    async with bench(Script(duration=60)) as b:
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        b.local.faults.add("ListJobs", Fault.lag(18))
        async with anyio.create_task_group() as group, client(b, path) as batch:
            group.start_soon(_ended_by_closing, batch, request)
            await anyio.sleep(0.5)
        async with client(b, path) as batch:
            job = await batch.submit(request)
        assert submitted(b) == [job.id]


async def test_event_loop_shutdown_during_a_look_up_decides_nothing(
    bench: MakeBench, path: Path
) -> None:
    """A second Ctrl-C cancels all asyncio tasks, which anyio's shields cannot prevent."""
    request = JobRequest("hello", queue="default")
    async with bench(Script(duration=60)) as b:
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        b.local.faults.add("ListJobs", Fault.lag(12))
        before = asyncio.all_tasks()
        async with anyio.create_task_group() as group, client(b, path) as batch:
            group.start_soon(_ended_by_closing, batch, request)
            await anyio.sleep(0.5)
            (sending,) = [t for t in asyncio.all_tasks() - before if "Session._run" in t.get_name()]
            for _ in range(2):
                sending.cancel()
                await anyio.sleep(0.1)
        async with client(b, path) as batch:
            job = await batch.submit(request)
        assert submitted(b) == [job.id]


async def _ended_by_closing(batch: AsyncBatchClient, request: JobRequest) -> None:
    with pytest.raises(ClientClosed):
        await batch.submit(request)


async def test_submission_that_never_arrived_is_sent_by_the_rerun(
    bench: MakeBench, path: Path
) -> None:
    request = JobRequest("hello", queue="default")
    async with bench() as b:
        async with client(b, path) as batch, anyio.create_task_group() as group:
            b.local.faults.add("SubmitJob", Fault.throttle())
            group.start_soon(batch.submit, request)
            await anyio.sleep(0.5)
            await crash(path)
            group.cancel_scope.cancel()
        b.local.faults.clear()
        assert submitted(b) == []
        async with client(b, after_crash(path)) as batch:
            assert await batch.resume() == []
            job = await batch.submit(request)
        assert submitted(b) == [job.id]


async def test_resume_raises_submit_uncertain_and_follows_the_other_jobs(
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


async def test_rerun_recognises_an_untagged_job_by_its_content(
    bench: MakeBench, path: Path
) -> None:
    denied = Fault.error("AccessDeniedException", "batch:TagResource", status=403, times=1)
    request = JobRequest("hello", queue="default", name="mine", environment={"A": "1"})
    async with bench() as b:
        b.local.faults.add("SubmitJob", denied)
        async with client(b, path) as batch, anyio.create_task_group() as group:
            await batch.submit("hello", queue="default", name="mine")
            b.local.faults.add("SubmitJob", Fault.latency(5))
            group.start_soon(batch.submit, request)
            await anyio.sleep(1)
            await crash(path)
        async with client(b, after_crash(path)) as batch:
            with pytest.raises(SubmitUncertain, match="may be it"):
                await batch.resume()
            assert (await batch.submit(request)).id == submitted(b)[1]


async def test_refused_request_is_removed_from_the_journal(bench: MakeBench, path: Path) -> None:
    async with bench() as b:
        async with client(b, path) as batch:
            with pytest.raises(APIError):
                await batch.submit("nothing")
        async with client(b, path) as batch:
            assert await batch.resume() == []


async def test_resume_during_a_submission_returns_its_job(bench: MakeBench, path: Path) -> None:
    async with bench() as b, client(b, path) as batch, anyio.create_task_group() as group:
        b.local.faults.add("SubmitJob", Fault.latency(5))
        group.start_soon(batch.submit, JobRequest("hello", queue="default"))
        await anyio.sleep(1)
        assert [job.id for job in await batch.resume()] == submitted(b)


# -- file errors -----------------------------------------------------------------------------------


async def test_journal_of_another_region_is_refused(bench: MakeBench, path: Path) -> None:
    async with bench() as b:
        async with client(b, path):
            pass
        with pytest.raises(JournalError, match="eu-south-1"):
            async with AsyncBatchClient(
                session=b.local.session, region_name="eu-south-1", journal=path
            ):
                pass


async def test_full_disk_stops_submissions_and_nothing_else(
    bench: MakeBench, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ends of jobs that were reported meanwhile are written when there is space again."""

    def full(file: File, changes: object) -> None:
        raise JournalError(str(path), "database or disk is full", "Free some space on its disk.")

    async with bench(Script(duration=30)) as b:
        async with client(b, path) as batch:
            jobs = await batch.submit_many(requests(5))
            with monkeypatch.context() as patch:
                patch.setattr(File, "apply", full)
                calls = b.local.calls["SubmitJob"]
                for _ in range(2):
                    with pytest.raises(JournalError, match=r"full\. Free some space"):
                        await batch.submit("hello", parameters={"another": "1"})
                assert b.local.calls["SubmitJob"] == calls
                assert [(await job).status for job in jobs] == ["SUCCEEDED"] * 5
            await batch.submit("hello", parameters={"another": "1"})
        async with client(b, path) as batch:
            assert [job.status for job in await batch.resume()][:5] == ["SUCCEEDED"] * 5
        assert len(submitted(b)) == 6
    assert len([r for r in caplog.records if "jobs are still followed" in r.message]) == 1


async def test_journal_that_cannot_be_opened_fails_open(bench: MakeBench, path: Path) -> None:
    await anyio.Path(path).write_text("Dear diary " * 100, encoding="utf-8")
    async with bench() as b:
        with pytest.raises(JournalError, match="not a journal"):
            await AsyncBatchClient(session=b.local.session, journal=path).open()
        await anyio.Path(path).unlink()
        async with client(b, path), client(b, path.with_name("other.db")) as batch:
            with pytest.raises(JournalError, match="has it open"):
                await AsyncBatchClient(session=b.local.session, journal=path).open()
            assert (await batch.run(requests(1)))[0].succeeded


async def test_symbolic_link_to_a_journal_has_the_same_lock(bench: MakeBench, path: Path) -> None:
    link = path.with_name("link.db")
    await anyio.Path(link).symlink_to(path)
    async with bench() as b, client(b, link) as batch:
        await batch.submit("hello")
        with pytest.raises(JournalError, match="has it open"):
            await AsyncBatchClient(session=b.local.session, journal=path).open()


def test_journal_rerun_failed_must_be_a_bool() -> None:
    with pytest.raises(InvalidRequest, match="rerun_failed=1: must be True or False"):
        Journal("run.db", rerun_failed=1)  # type: ignore[arg-type]


async def test_job_finished_is_reported_once_per_client(bench: MakeBench, path: Path) -> None:
    async with bench() as b:
        for _ in range(2):
            b.events.clear()
            async with client(b, path) as batch:
                await batch.run(requests(5))
                await batch.resume()
            assert (
                len({e.job_id for e in b.events_of(JobFinished)})
                == len(b.events_of(JobFinished))
                == 5
            )


async def test_status_of_a_resumed_job_is_known_soon(bench: MakeBench, path: Path) -> None:
    async with bench(Script(duration=60)) as b:
        async with client(b, path) as batch:
            await batch.submit("hello")
        await anyio.sleep(10)
        async with client(b, path) as batch:
            (job,) = await batch.resume()
            with anyio.fail_after(2):
                await job.wait(until=JobStatus.RUNNING)
