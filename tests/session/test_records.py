"""Records and handles: one handle for each id, freed when it is no longer used."""

import gc
from weakref import ref

import anyio
import pytest

from asyncbatch import JobFinished, JobRequest, JobStatus
from asyncbatch.local import Script
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("size", [None, 3])
async def test_a_handle_is_freed_when_dropped_after_the_end_of_its_job(
    bench: MakeBench, size: int | None
) -> None:
    async with bench() as b:
        job = await b.batch.submit("hello", array_size=size)
        await job
        handle, record, job_id = ref(job), ref(b.record(job)), job.id
        # Reference counting suffices: neither is part of a cycle.
        gc.disable()
        try:
            del job
            await anyio.wait_all_tasks_blocked()
            assert handle() is None
            assert record() is None
        finally:
            gc.enable()
        assert b.session.records.get(job_id) is None


async def test_a_record_lives_while_the_poller_follows_it(bench: MakeBench) -> None:
    """A job whose handle was dropped is still reported to observers."""
    async with bench(Script(duration=60)) as b:
        job = await b.batch.submit("hello")
        handle, job_id = ref(job), job.id
        del job
        assert handle() is None
        record = b.session.records.get(job_id)
        assert record is not None
        assert job_id in b.session.poller.followed_ids()
        assert (await b.batch.job(job_id)).id == job_id
        del record
        await anyio.sleep(120)
        assert [event.job_id for event in b.events_of(JobFinished)] == [job_id]
        gc.collect()
        assert b.session.records.get(job_id) is None


async def test_one_handle_exists_for_each_id(bench: MakeBench) -> None:
    async with bench(Script(duration=60)) as b:
        jobs = await b.batch.submit_many(JobRequest("hello") for _ in range(120))
        again = await b.batch.attach(job.id for job in jobs)
        assert all(one is other for one, other in zip(jobs, again, strict=True))
        assert len({id(job) for job in [*jobs, *again]}) == 120


async def test_a_child_keeps_its_array_in_use(bench: MakeBench) -> None:
    async with bench(Script(duration=60)) as b:
        array = await b.batch.submit_array("hello", 3)
        child, parent = array[1], ref(array)
        del array
        gc.collect()
        kept = parent()
        assert kept is not None
        assert kept[1] is child
        await child.wait(until=JobStatus.RUNNING)
        del kept, child
        gc.collect()
        assert parent() is None
