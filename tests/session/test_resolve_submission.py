"""`resolve_submission`: a person settles what a look-up could not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from asyncbatch import AsyncBatchClient, InvalidRequest, JobRequest, SubmitUncertain
from asyncbatch.local import Fault, Script
from tests.fixtures.bench import Bench, MakeBench
from tests.session.programs import after_crash, client, crash, submitted

pytestmark = pytest.mark.virtual_time

PLAIN = JobRequest("hello", queue="default")
KEYED = JobRequest("hello", queue="default", key="report")
NAMED = JobRequest("hello", queue="default", name="mine")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


@asynccontextmanager
async def undecided(
    b: Bench, path: Path, *requests: JobRequest
) -> AsyncIterator[tuple[AsyncBatchClient, list[SubmitUncertain]]]:
    """Yield a client whose submissions were accepted, but could not be looked up."""
    async with client(b, path) as batch:
        denied = Fault.error("AccessDeniedException", "no", status=403)
        errors = []
        with (
            b.local.faults.add("SubmitJob", Fault.drop_after()),
            b.local.faults.add("ListJobs", denied),
        ):
            for request in requests:
                with pytest.raises(SubmitUncertain) as caught:
                    await batch.submit(request)
                errors.append(caught.value)
        yield batch, errors


@pytest.mark.parametrize("request_", [PLAIN, KEYED, NAMED], ids=["generated", "key", "name"])
async def test_resolved_submission_has_the_named_job(
    bench: MakeBench, path: Path, request_: JobRequest
) -> None:
    async with bench(Script(duration=60)) as b, undecided(b, path, request_) as (batch, errors):
        (error,) = errors
        by = {"key": "report"} if request_ is KEYED else {"name": error.name}
        ((argument, value),) = by.items()
        assert f"resolve_submission({argument}={value!r}, job_id=...)" in str(error)
        assert error.settle_by == f"{argument}={value!r}"
        await batch.resolve_submission(**by, job_id=submitted(b)[0])
        assert [job.id for job in await batch.resume()] == submitted(b)


async def test_rerun_continues_a_resolved_job(bench: MakeBench, path: Path) -> None:
    async with bench(Script(duration=60)) as b:
        async with undecided(b, path, NAMED) as (batch, _):
            await batch.resolve_submission(name="mine", job_id=submitted(b)[0])
        async with client(b, path) as batch:
            assert [(await batch.submit(NAMED)).id] == submitted(b)


async def test_submission_resolved_as_not_submitted_is_sent_again(
    bench: MakeBench, path: Path
) -> None:
    async with bench(Script(duration=60)) as b:
        async with undecided(b, path, NAMED) as (batch, _):
            await batch.resolve_submission(name="mine", job_id=None)
            assert await batch.resume() == []
        async with client(b, path) as batch:
            await batch.submit(NAMED)
        assert len(submitted(b)) == 2


async def test_equal_submissions_are_resolved_oldest_first(bench: MakeBench, path: Path) -> None:
    async with bench(Script(duration=60)) as b, undecided(b, path, NAMED, NAMED) as (batch, _):
        for job_id in submitted(b):
            await batch.resolve_submission(name="mine", job_id=job_id)
        assert [job.id for job in await batch.resume()] == submitted(b)


async def test_submissions_that_differ_need_a_key(bench: MakeBench, path: Path) -> None:
    other = NAMED.replace(environment={"A": "1"})
    async with bench() as b, undecided(b, path, NAMED, other) as (batch, _):
        with pytest.raises(InvalidRequest, match="their requests differ"):
            await batch.resolve_submission(name="mine", job_id=None)
        # The tags of the jobs tell them apart.
        for job_id in submitted(b):
            await batch.resolve_submission(name="mine", job_id=job_id)
        assert [job.id for job in await batch.resume()] == submitted(b)


async def test_job_must_be_that_of_the_submission(bench: MakeBench, path: Path) -> None:
    async with bench(Script(duration=60)) as b, undecided(b, path, NAMED) as (batch, _):
        mine = submitted(b)[0]
        (another,) = await b.submitted_by_another(1)
        untagged = await _submit_raw(b, "mine")
        array = await _submit_raw(b, "mine", arrayProperties={"size": 2})
        own = (await batch.submit(PLAIN)).id
        for job_id, said in {
            another: "its name is 'theirs', not 'mine'",
            untagged: "its tag asyncbatch-submission is None, not",
            array: "its array size is 2, not None",
            f"{array}:0": "a child of an array",
            "00000000-0000-0000-0000-000000000000": "AWS does not know this job",
            own: "the journal has this job already",
        }.items():
            with pytest.raises(InvalidRequest, match=said):
                await batch.resolve_submission(name="mine", job_id=job_id)
        await batch.resolve_submission(name="mine", job_id=mine)
        with pytest.raises(InvalidRequest, match="no undecided submission"):
            await batch.resolve_submission(name="mine", job_id=mine)


async def _submit_raw(b: Bench, name: str, **members: object) -> str:
    async with b.local.session.create_client("batch") as aws:
        response = await aws.submit_job(
            jobName=name, jobQueue="default", jobDefinition="hello", **members
        )
    return str(response["jobId"])


async def test_resolving_waits_for_a_submission_in_progress(bench: MakeBench, path: Path) -> None:
    async with bench(Script(duration=60)) as b, client(b, path) as batch:
        b.local.faults.add("SubmitJob", Fault.latency(5))
        async with anyio.create_task_group() as group:
            group.start_soon(batch.submit, NAMED)
            await anyio.sleep(1)
            with pytest.raises(InvalidRequest, match="settled meanwhile"):
                await batch.resolve_submission(name="mine", job_id=None)
        assert [job.id for job in await batch.resume()] == submitted(b)


async def test_resolving_needs_one_name_and_a_journal(bench: MakeBench, path: Path) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="AsyncBatchClient\\(journal="):
            await b.batch.resolve_submission(name="mine", job_id=None)
        async with client(b, path) as batch:
            for given in ({}, {"key": "a", "name": "b"}, {"name": ""}):
                with pytest.raises(InvalidRequest):
                    await batch.resolve_submission(**given, job_id=None)
            with pytest.raises(InvalidRequest, match="job_id"):
                await batch.resolve_submission(name="mine", job_id="")


# -- unmarked submissions after a crash ------------------------------------------------------------


async def crash_with_unmarked(b: Bench, path: Path, requests: list[JobRequest]) -> None:
    """Let a program die whose untagged submissions are accepted, but not answered."""
    denied = Fault.error("AccessDeniedException", "batch:TagResource", status=403, times=1)
    b.local.faults.add("SubmitJob", denied)
    async with client(b, path) as batch, anyio.create_task_group() as group:
        await batch.submit("hello", queue="default", name="first")
        with b.local.faults.add("SubmitJob", Fault.latency(20)):
            for request in requests:
                group.start_soon(batch.submit, request)
                await anyio.sleep(1)
            await crash(path)


@pytest.mark.parametrize("one_by_one", [True, False])
@pytest.mark.parametrize("keys", [(None, None), ("a", "b")])
async def test_equal_unmarked_submissions_of_a_killed_program_are_settled(
    bench: MakeBench, path: Path, keys: tuple[str | None, str | None], *, one_by_one: bool
) -> None:
    requests = [NAMED.replace(key=key) for key in keys]
    async with bench(Script(duration=600)) as b:
        await crash_with_unmarked(b, path, requests)
        async with client(b, after_crash(path)) as batch:
            if one_by_one:
                jobs = [await batch.submit(request) for request in requests]
            else:
                jobs = list(await batch.submit_many(requests))
        assert [job.id for job in jobs] == submitted(b)[1:]


@pytest.mark.parametrize("one_by_one", [True, False])
async def test_unmarked_submissions_with_other_content_are_told_apart_after_a_crash(
    bench: MakeBench, path: Path, *, one_by_one: bool
) -> None:
    requests = [NAMED.replace(environment={"N": str(n)}) for n in (2, 1)]
    async with bench(Script(duration=600)) as b:
        await crash_with_unmarked(b, path, requests)
        async with client(b, after_crash(path)) as batch:
            if one_by_one:
                jobs = [await batch.submit(request) for request in requests]
            else:
                jobs = list(await batch.submit_many(requests))
        assert [job.id for job in jobs] == submitted(b)[1:]


async def test_equal_unmarked_submissions_of_which_one_did_not_arrive(
    bench: MakeBench, path: Path
) -> None:
    """One job for two submissions: the older gets it, the other is sent."""
    arrived: list[str] = []
    async with bench(Script(duration=600)) as b:
        denied = Fault.error("AccessDeniedException", "batch:TagResource", status=403, times=1)
        b.local.faults.add("SubmitJob", denied)
        async with client(b, path) as batch, anyio.create_task_group() as group:
            await batch.submit("hello", queue="default", name="first")
            b.local.faults.add("SubmitJob", Fault.latency_before(20, times=1))
            b.local.faults.add("SubmitJob", Fault.latency(20, times=1))
            for _ in range(2):
                group.start_soon(batch.submit, NAMED)
                await anyio.sleep(1)
            await crash(path)
            arrived += submitted(b)
            group.cancel_scope.cancel()
        b.local.faults.clear()
        async with client(b, after_crash(path)) as batch:
            jobs = [await batch.submit(NAMED) for _ in range(2)]
        assert arrived[-1] in {job.id for job in jobs}
        assert len({job.id for job in jobs}) == 2


async def test_job_found_for_a_cancelled_resume_is_found_again(
    bench: MakeBench, path: Path
) -> None:
    async with bench(Script(duration=600)) as b:
        async with client(b, path) as batch, anyio.create_task_group() as group:
            b.local.faults.add("SubmitJob", Fault.latency(20))
            for _ in range(2):
                group.start_soon(batch.submit, NAMED)
            await anyio.sleep(1)
            await crash(path)
        async with client(b, after_crash(path)) as batch:
            for milliseconds in range(0, 300, 10):
                with anyio.move_on_after(milliseconds / 1000):
                    await batch.resume()
            assert sorted(job.id for job in await batch.resume()) == sorted(submitted(b))
            assert len(submitted(b)) == 2
