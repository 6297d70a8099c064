"""`AsyncBatchClient.job()`: one handle for one id, the same one wherever the client returns it."""

import pytest

from asyncbatch import ArrayJob, ClientClosed, InvalidRequest, Job, JobStatus, JobVanished
from asyncbatch.local import Script
from tests.fixtures.bench import Bench, MakeBench

pytestmark = pytest.mark.virtual_time

LONG = Script(duration=600)


async def _by_attach(b: Bench, job: Job) -> Job:
    (attached,) = await b.batch.attach([job.id])
    return attached


async def _by_find(b: Bench, job: Job) -> Job:
    (found,) = await b.batch.find(name=job.name)
    return found


async def _by_completion(b: Bench, job: Job) -> Job:
    return await anext(b.batch.as_completed([job]))


@pytest.mark.parametrize("other_way", [_by_attach, _by_find, _by_completion])
@pytest.mark.parametrize("size", [None, 3])
async def test_job_returns_the_handle_in_use(
    bench: MakeBench, size: int | None, other_way: object
) -> None:
    async with bench(LONG) as b:
        submitted = await b.batch.submit("hello", array_size=size)
        assert await b.batch.job(submitted.id) is submitted
        assert await other_way(b, submitted) is submitted  # type: ignore[operator]


async def test_job_returns_the_handle_that_an_array_has_for_a_child(bench: MakeBench) -> None:
    async with bench(LONG) as b:
        array = await b.batch.submit_array("hello", 3)
        child = array[2]
        assert await b.batch.job(f"{array.id}:2") is child
        by_id = await b.batch.job(f"{array.id}:1")
        assert array[1] is by_id
        assert not isinstance(by_id, ArrayJob)


async def test_job_is_described_and_followed(bench: MakeBench) -> None:
    async with bench(Script(duration=60)) as b:
        (job_id,) = await b.submitted_by_another(1)
        job = await b.batch.job(job_id)
        assert job.description is not None
        assert job.name == "theirs"
        assert (await job).succeeded


async def test_job_in_a_second_client_is_an_array_where_aws_describes_one(bench: MakeBench) -> None:
    async with bench(LONG) as b:
        array_id = (await b.batch.submit_array("hello", 4)).id
        await b.batch.aclose()
        await b.batch.open()
        array = await b.batch.job(array_id)
        assert isinstance(array, ArrayJob)
        assert len(array) == 4
        assert (await array.wait()).status is JobStatus.SUCCEEDED


async def test_job_with_an_unknown_id_vanishes_when_awaited(bench: MakeBench) -> None:
    async with bench() as b:
        job = await b.batch.job("no-such-job")
        assert (job.description, job.status, job.name) == (None, JobStatus.SUBMITTED, "")
        with pytest.raises(JobVanished, match="no-such-job"):
            await job
        assert job.is_finished


@pytest.mark.parametrize("job_id", ["", None, 5, ["a"]])
async def test_job_with_something_else_than_an_id_raises_invalid_request(
    bench: MakeBench, job_id: object
) -> None:
    async with bench() as b:
        before = b.local.calls.total()
        with pytest.raises(InvalidRequest, match=r"every item must be a Job or a job id"):
            await b.batch.job(job_id)  # type: ignore[arg-type]
        assert b.local.calls.total() == before


async def test_job_of_a_closed_client_raises_client_closed(bench: MakeBench) -> None:
    async with bench() as b:
        await b.batch.aclose()
        with pytest.raises(ClientClosed, match="this client was closed"):
            await b.batch.job("some-id")
