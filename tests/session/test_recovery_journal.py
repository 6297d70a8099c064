"""Recovery with a journal: a program that was killed goes on where it was."""

from pathlib import Path

import anyio
import pytest

from asyncbatch import AsyncBatchClient, JobFailed, JobRequest, Journal, RecoveryPolicy
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


def client(b: Bench, path: Path, policy: RecoveryPolicy | None) -> AsyncBatchClient:
    """Return the client of a program with a journal that reruns no failed job."""
    return AsyncBatchClient(
        session=b.local.session,
        journal=Journal(path, rerun_failed=False),
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
