"""Recovery with a journal: a program that was killed goes on where it was."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from asyncbatch import (
    AsyncBatchClient,
    AsyncBatchError,
    CredentialsExpired,
    JobFailed,
    JobFinished,
    JobNotStarted,
    JobRequest,
    JobStatus,
    Journal,
    JournalError,
    RecoveryPolicy,
    SubmitUncertain,
)
from asyncbatch._journal.file import File
from asyncbatch.local import Fault, Launch, Script
from tests.fixtures.bench import Bench, MakeBench
from tests.session.programs import after_crash, crash, failed_once, submitted

pytestmark = pytest.mark.virtual_time

SPOT = Script(exit_code=None, status_reason="Host EC2 (instance i-1) terminated.")
OOM = Script(
    exit_code=137,
    reason="OutOfMemoryError: Container killed due to memory usage",
    lines=[(0.5, "allocating")],
)
MORE_MEMORY = RecoveryPolicy.more_memory(max_submissions=3)
SLOW_SPOT = RecoveryPolicy.for_spot(max_submissions=3, delay=100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


def client(
    b: Bench, path: Path, policy: RecoveryPolicy | None, *, rerun_failed: bool = False
) -> AsyncBatchClient:
    """Return the client of a program with a journal."""
    return AsyncBatchClient(
        session=b.local.session,
        journal=Journal(path, rerun_failed=rerun_failed),
        observers=[b.events.append],
        recovery=policy,
    )


@pytest.mark.parametrize("resumes", [False, True])
@pytest.mark.parametrize("name", [None, "nightly"])
async def test_a_program_killed_during_the_delay_goes_on_with_the_next_submission(
    bench: MakeBench, path: Path, name: str | None, *, resumes: bool
) -> None:
    lost: list[Launch] = []

    def script(launch: Launch) -> Script:
        lost.append(launch)
        return SPOT if len(lost) < 3 else Script()

    request = JobRequest("hello", name=name, environment={"A": "1"})
    async with bench(script) as b:
        async with client(b, path, SLOW_SPOT) as batch:
            job = await batch.submit(request)
            await failed_once(b, job)
            await anyio.sleep(1)
            await crash(path)
        async with client(b, after_crash(path), SLOW_SPOT) as batch:
            [again] = await batch.resume() if resumes else [await batch.submit(request)]
            result = await again
        assert result.succeeded
        assert [each.job_id for each in again.submissions] == submitted(b)
        assert len(submitted(b)) == 3
        assert {launch.environment["A"] for launch in lost} == {"1"}
        assert name is None or result.name == name


async def test_a_rerun_of_an_exhausted_job_has_all_its_submissions(
    bench: MakeBench, path: Path
) -> None:
    async with bench(OOM) as b:
        async with client(b, path, MORE_MEMORY) as batch:
            job = await batch.submit("hello")
            with pytest.raises(JobFailed):
                await job
            first = job.submissions
        assert [each.memory_mib for each in first] == [128, 256, 512]
        assert [event.message for event in first[0].log_tail] == ["allocating"]
        async with client(b, path, MORE_MEMORY) as batch:
            job = await batch.submit("hello")
            with pytest.raises(JobFailed):
                await job
            assert job.submissions == first
        assert len(submitted(b)) == 3


async def test_a_lost_response_of_a_further_submission_makes_no_second_job(
    bench: MakeBench, path: Path
) -> None:
    async with bench(OOM) as b, client(b, path, MORE_MEMORY) as batch:
        job = await batch.submit("hello")
        b.local.faults.add("SubmitJob", Fault.drop_after(times=2))
        with pytest.raises(JobFailed):
            await job
        assert len(submitted(b)) == 3
        assert [each.job_id for each in job.submissions] == submitted(b)


async def test_without_the_policy_a_later_program_takes_the_failure(
    bench: MakeBench, path: Path
) -> None:
    async with bench(SPOT) as b:
        async with client(b, path, SLOW_SPOT) as batch:
            job = await batch.submit("hello")
            await failed_once(b, job)
        async with client(b, path, None) as batch:
            with pytest.raises(JobFailed):
                await (await batch.submit("hello"))
        assert len(submitted(b)) == 1


async def test_the_same_request_during_the_delay_is_the_same_job(
    bench: MakeBench, path: Path
) -> None:
    async with bench(SPOT) as b:
        journal = Journal(path)
        async with AsyncBatchClient(
            session=b.local.session, journal=journal, recovery=SLOW_SPOT
        ) as batch:
            job = await batch.submit("hello", key="one")
            await failed_once(b, job)
            assert await batch.submit("hello", key="one") is job
        assert len(submitted(b)) == 1


# -- a further submission is an intent -------------------------------------------------------------


@pytest.mark.parametrize("resumes", [False, True])
async def test_a_further_submission_on_its_way_is_not_looked_up_by_the_same_program(
    bench: MakeBench, path: Path, *, resumes: bool
) -> None:
    """Its intent would be deleted before AWS accepts it: a killed program would submit it again."""
    request = JobRequest("hello", queue="default", key="one")
    async with bench(SPOT) as b:
        async with client(b, path, SLOW_SPOT) as batch:
            job = await batch.submit(request)
            b.local.faults.add("SubmitJob", Fault.latency_before(28))
            await b.next_call("SubmitJob")
            calls = b.local.calls["ListJobs"]
            if resumes:
                assert await batch.resume() == [job]
            else:
                assert await batch.submit(request) is job
            assert b.local.calls["ListJobs"] == calls
            await crash(path)
        b.local.faults.clear()
        async with client(b, after_crash(path), SLOW_SPOT) as batch:
            with pytest.raises(JobFailed):
                await (await batch.submit(request))
        assert len(submitted(b)) == 3


@pytest.mark.parametrize("at_first", [True, False])
async def test_the_content_decides_about_an_unmarked_further_submission(
    bench: MakeBench, path: Path, *, at_first: bool
) -> None:
    """The request of the program has not the memory of the further submission."""
    denied = Fault.error("AccessDeniedException", "batch:TagResource", status=403, times=1)
    request = JobRequest("hello", queue="default", name="mine", environment={"A": "1"})
    async with bench(OOM) as b:
        b.local.faults.add("SubmitJob", denied)
        async with client(b, path, MORE_MEMORY) as batch:
            job = await batch.submit(request)
            if not at_first:
                await failed_once(b, job)
                while len(submitted(b)) < 2:  # noqa: ASYNC110 - submissions are not announced
                    await anyio.sleep(0.1)
            b.local.faults.add("SubmitJob", Fault.latency(20))
            await b.next_call("SubmitJob")
            await anyio.sleep(1)
            await crash(path)
        b.local.faults.clear()
        async with client(b, after_crash(path), MORE_MEMORY) as batch:
            with pytest.raises(JobFailed):
                await (await batch.submit(request))
        assert len(submitted(b)) == 3


# -- errors that say nothing about the job ---------------------------------------------------------


def full_disk(file: File, changes: object) -> None:
    raise JournalError(str(file.path), "database or disk is full", "Free some space on its disk.")


EXPIRED = Fault.error("ExpiredTokenException", "The security token has expired", status=403)


@pytest.mark.parametrize("resumes", [False, True])
@pytest.mark.parametrize("error", [JournalError, CredentialsExpired, SubmitUncertain])
async def test_a_job_that_cannot_be_submitted_again_now_has_not_failed(
    bench: MakeBench,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[AsyncBatchError],
    *,
    resumes: bool,
) -> None:
    """Its caller gets the error; `resume` or the next program continues."""
    lost: list[Launch] = []

    def script(launch: Launch) -> Script:
        lost.append(launch)
        return SPOT if len(lost) < 2 else Script()

    async with bench(script) as b:
        async with client(b, path, SLOW_SPOT) as batch:
            job = await batch.submit("hello", queue="default")
            await failed_once(b, job)
            with monkeypatch.context() as patch:
                if error is JournalError:
                    patch.setattr(File, "apply", full_disk)
                elif error is CredentialsExpired:
                    b.local.faults.add("SubmitJob", EXPIRED)
                else:
                    b.local.faults.add("SubmitJob", Fault.drop_after())
                    b.local.faults.add("ListJobs", EXPIRED)
                with pytest.raises(error) as caught:
                    await job.result(check=False)
                assert f"Job {submitted(b)[0]} (" in caught.value.__notes__[0]
                assert "call resume()" in caught.value.__notes__[0]
                assert "Its failure: Host EC2" in caught.value.__notes__[0]
                assert not b.events_of(JobFinished)
            b.local.faults.clear()
            if resumes:
                assert await batch.resume() == [job]
                assert (await job).succeeded
                assert [each.job_id for each in job.submissions] == submitted(b)
        async with client(b, path, SLOW_SPOT) as batch:
            assert (await (await batch.submit("hello", queue="default"))).succeeded
        assert len(submitted(b)) == 2


async def test_a_job_whose_further_submission_is_refused_fails_and_says_why(
    bench: MakeBench, path: Path
) -> None:
    policy = RecoveryPolicy.for_spot(fallback_queue="nowhere")
    async with bench(SPOT) as b, client(b, path, policy) as batch:
        job = await batch.submit("hello")
        with pytest.raises(JobFailed) as caught:
            await job
        assert any("not submitted again" in note for note in caught.value.__notes__)


# -- rerun and resume ------------------------------------------------------------------------------


async def test_a_rerun_starts_an_exhausted_job_over_and_continues_another_one(
    bench: MakeBench, path: Path
) -> None:
    async with bench(SPOT) as b:
        async with client(b, path, RecoveryPolicy.for_spot(max_submissions=2)) as batch:
            with pytest.raises(JobFailed):
                await (await batch.submit("hello"))
        async with client(b, path, SLOW_SPOT, rerun_failed=True) as batch:
            job = await batch.submit("hello")
            with pytest.raises(JobFailed):
                await job
        assert len(job.submissions) == len(submitted(b)) == 3
        async with client(b, path, SLOW_SPOT, rerun_failed=True) as batch:
            job = await batch.submit("hello")
            with pytest.raises(JobFailed):
                await job
        assert [each.job_id for each in job.submissions] == submitted(b)[3:]
        assert len(submitted(b)) == 6


@pytest.mark.parametrize("rerun_failed", [False, True])
async def test_the_policy_of_a_request_applies_to_a_job_that_resume_has_followed(
    bench: MakeBench, path: Path, *, rerun_failed: bool
) -> None:
    request = JobRequest("hello", queue="default", recovery=SLOW_SPOT)
    async with bench(SPOT) as b:
        async with client(b, path, None) as batch:
            job = await batch.submit(request)
            await failed_once(b, job)
        async with client(b, path, None, rerun_failed=rerun_failed) as batch:
            [resumed] = await batch.resume()
            with pytest.raises(JobFailed):
                await resumed
            job = await batch.submit(request)
            with pytest.raises(JobFailed):
                await job
        assert [each.job_id for each in job.submissions] == submitted(b)
        assert len(submitted(b)) == 3


@pytest.mark.parametrize("policy", [None, SLOW_SPOT])
@pytest.mark.parametrize("resumes", [False, True])
async def test_a_recovered_job_of_an_earlier_program_has_all_its_submissions(
    bench: MakeBench, path: Path, policy: RecoveryPolicy | None, *, resumes: bool
) -> None:
    lost: list[Launch] = []

    def script(launch: Launch) -> Script:
        lost.append(launch)
        return SPOT if len(lost) == 1 else Script()

    async with bench(script) as b:
        async with client(b, path, SLOW_SPOT) as batch:
            job = await batch.submit("hello")
            assert (await job).succeeded
            before = job.submissions
        async with client(b, path, policy) as batch:
            [again] = await batch.resume() if resumes else [await batch.submit("hello")]
            assert (await again).succeeded
            assert again.submissions == before
        assert len(submitted(b)) == 2


@pytest.mark.parametrize("action", ["terminate", "cancel"])
@pytest.mark.parametrize("is_live", [False, True])
async def test_a_later_program_does_not_submit_a_job_again_that_a_caller_ended(
    bench: MakeBench, path: Path, action: str, *, is_live: bool
) -> None:
    """Terminated during the delay, or cancelled although it had started."""
    async with bench(replace(SPOT, duration=60)) as b:
        async with client(b, path, SLOW_SPOT) as batch:
            job = await batch.submit("hello")
            if is_live:
                await job.wait(until=JobStatus.RUNNING)
            else:
                await failed_once(b, job)
            await getattr(job, action)()
            await crash(path)
        path = after_crash(path)
        async with client(b, path, SLOW_SPOT) as batch:
            with pytest.raises(JobFailed):
                await (await batch.submit("hello"))
            assert len(submitted(b)) == 1
            [again] = await batch.resume()
            assert [each.job_id for each in again.submissions] == submitted(b)
        async with client(b, path, SLOW_SPOT, rerun_failed=True) as batch:
            await (await batch.submit("hello")).result(check=False)
        assert len(submitted(b)) == 4  # a new job


async def test_the_start_limit_of_a_request_applies_to_a_job_that_resume_has_followed(
    bench: MakeBench, path: Path
) -> None:
    request = JobRequest("hello", queue="default", recovery="start:60")
    async with bench(Script(duration=None), vcpus=1) as b:
        async with client(b, path, None) as batch:
            await batch.submit("hello")
            await batch.submit(request)
        async with client(b, path, None) as batch:
            _, waiting = await batch.resume()
            await waiting.wait(until=JobStatus.RUNNABLE)
            assert await batch.submit(request) is waiting
            with pytest.raises(JobNotStarted):
                await waiting


# -- dependencies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kill_at", [1, 2])
async def test_a_rerun_recognises_a_job_that_depends_on_one_submitted_again(
    bench: MakeBench, path: Path, kill_at: int
) -> None:
    """Its request then names another id: that of the last submission."""

    def script(launch: Launch) -> Script:
        launches.append(launch.name)
        return SPOT if launches.count("first") < 3 else Script(duration=60)

    launches: list[str] = []
    first = JobRequest("hello", queue="default", name="first", recovery=SLOW_SPOT)
    second = JobRequest("hello", queue="default", name="second")
    async with bench(script) as b:
        async with client(b, path, None) as batch:
            one = await batch.submit(first)
            await batch.submit(second, depends_on=[one])
            while launches.count("first") < kill_at:  # noqa: ASYNC110 - it is not announced
                await anyio.sleep(1)
            await anyio.sleep(120)
            await crash(path)
        async with client(b, after_crash(path), None) as batch:
            one = await batch.submit(first)
            two = await batch.submit(second, depends_on=[one])
            assert (await one).succeeded
            assert (await two).succeeded
        names = [each.name for each in b.local.ledger.submissions]
        assert names.count("first") == 3
        assert launches.count("second") == 1
        assert two.submissions[0].job_id == submitted(b)[1]
