"""Jobs are kept while ListJobs and DescribeJobs disagree."""

from collections import Counter
from collections.abc import Iterator

import anyio
import pytest

from asyncbatch import Job, JobRequest, JobResult, JobStatus, PollPolicy
from asyncbatch._polling import queues
from asyncbatch._submitting.marks import wall_clock
from asyncbatch.local import Fault, Launch, Script
from tests.fixtures.bench import MakeBench

pytestmark = [pytest.mark.virtual_time, pytest.mark.usefixtures("half_are_many")]


@pytest.fixture(autouse=True)
def worth_of_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """List a queue even where that saves no call."""
    monkeypatch.setattr(queues, "_WORTH", 1.0)


def _many(number: int, name: str | None = None) -> Iterator[JobRequest]:
    return (JobRequest("hello", queue="default", name=name) for _ in range(number))


def _seconds_late(result: JobResult) -> float:
    """Return the seconds from the end of a job until now."""
    ended = result.description.stopped_at
    assert ended is not None
    return wall_clock() - ended.timestamp()


@pytest.mark.parametrize("offset", [0.1, 0.8, 1.3])
async def test_job_submitted_during_a_list_is_followed(bench: MakeBench, offset: float) -> None:
    def script(launch: Launch) -> Script:
        return Script(startup=0, duration=6 if launch.name == "new" else None)

    async with bench(script) as b:
        await b.batch.submit_many(_many(150))
        await anyio.sleep(700)
        b.local.faults.add("ListJobs", Fault.latency_before(1.4))
        await b.next_call("ListJobs")
        await anyio.sleep(offset)
        job = await b.batch.submit("hello", queue="default", name="new")
        assert _seconds_late(await job) < 20


async def test_job_attached_before_aws_knows_it_is_followed(bench: MakeBench) -> None:
    def script(launch: Launch) -> Script:
        return Script(startup=0, duration=100 if launch.name == "theirs" else None)

    async with bench(script) as b:
        await b.batch.submit_many(_many(150))
        await anyio.sleep(30)
        submitted = await b.submitted_by_another(1)
        with b.local.faults.add("DescribeJobs", Fault.lag(3)):
            [job] = await b.batch.attach(submitted)
            assert job.description is None
            await anyio.sleep(10)
        assert _seconds_late(await job) < 20


async def test_jobs_attached_before_aws_knows_them_are_listed_later(
    bench: MakeBench,
) -> None:
    async with bench(Script(startup=0, duration=None)) as b:
        submitted = await b.submitted_by_another(150)
        with b.local.faults.add("DescribeJobs", Fault.lag(60)):
            jobs = await b.batch.attach(submitted)
            assert all(job.description is None for job in jobs)
            await anyio.sleep(5)
        await anyio.sleep(60)
        assert {job.status for job in jobs} == {JobStatus.RUNNING}
        before = b.local.calls["DescribeJobs"]
        await anyio.sleep(300)
        assert b.local.calls["DescribeJobs"] - before <= 2


async def test_state_that_is_reached_again_is_a_change(bench: MakeBench) -> None:
    """Both lists have RUNNABLE; DescribeJobs reported STARTING in between."""

    def script(launch: Launch) -> Script:
        if launch.name != "retried":
            return Script(startup=0, duration=100 if launch.name == "first" else 400)
        if launch.attempt > 1:
            return Script(startup=0, duration=5)
        return Script(startup=launch.random.uniform(60, 200), fails_to_start=True, exit_code=None)

    async with bench(script, vcpus=150) as b:
        await b.batch.submit("hello", queue="default", name="first", vcpus=150)
        retried = await b.batch.submit_many(r.replace(retry=2) for r in _many(80, "retried"))
        await b.batch.submit_many(_many(240, "filler"))
        await anyio.sleep(320)
        async with b.local.session.create_client("batch") as aws:
            described = await aws.describe_jobs(jobs=[job.id for job in retried])
        really = {job["jobId"]: job["status"] for job in described["jobs"]}
        assert "RUNNABLE" in really.values()
        assert {job.id: str(job.status) for job in retried} == really


async def test_late_list_does_not_hide_a_newer_description(
    bench: MakeBench,
) -> None:
    """The late list has RUNNABLE; DescribeJobs has already reported STARTING."""

    def script(launch: Launch) -> Script:
        return Script(startup=500 if launch.name == "next" else 0, duration=None)

    async with bench(script, vcpus=1) as b:
        first = await b.batch.submit("hello", queue="default", name="first")
        job = await b.batch.submit("hello", queue="default", name="next")
        await b.batch.submit_many(_many(150))
        await anyio.sleep(30)
        assert {job.status} == {JobStatus.RUNNABLE}
        with b.local.faults.add("ListJobs", Fault.latency(3)):
            await b.next_call("ListJobs")
            await first.terminate()
            await anyio.sleep(0.5)
            b.record(job).describe_soon()
            await job.wait(JobStatus.STARTING)
            await anyio.sleep(3)
        await anyio.sleep(30)
        assert {job.status} == {JobStatus.STARTING}


async def test_late_list_does_not_undo_a_newer_description(
    bench: MakeBench,
) -> None:
    """The list was made during the first attempt and arrives during the second."""

    def script(launch: Launch) -> Script:
        if launch.name != "new":
            return Script(startup=0, duration=None)
        first = launch.attempt == 1
        return Script(startup=0 if first else 40, duration=1.5, exit_code=1)

    policy = PollPolicy(min_interval=15, max_interval=15, jitter=0)
    async with bench(script, poll=policy) as b:
        await b.batch.submit_many(_many(150))
        await anyio.sleep(60)
        await b.next_call("ListJobs")
        await anyio.sleep(14.5)
        with b.local.faults.add("ListJobs", Fault.latency(4)):
            job = await b.batch.submit("hello", queue="default", name="new", retry=2)
            await b.next_call("ListJobs")
            await anyio.sleep(2)
            b.record(job).describe_soon()
            await job.wait(JobStatus.STARTING)
            await anyio.sleep(3)
            assert {job.status} == {JobStatus.STARTING}


async def test_late_description_does_not_hide_a_newer_list(
    bench: MakeBench,
) -> None:
    """It is of the first attempt; the list has reported the second: both are RUNNING."""

    def script(launch: Launch) -> Script:
        if launch.name != "retried":
            return Script(startup=0, duration=None)
        line = (1.0, f"attempt {launch.attempt}")
        return Script(
            startup=0, duration=60 if launch.attempt == 1 else None, exit_code=1, lines=[line]
        )

    async with bench(script) as b:
        await b.batch.submit_many(_many(150))
        await anyio.sleep(20)
        job = await b.batch.submit("hello", queue="default", name="retried", retry=2)
        begin = anyio.current_time()

        async def answer_late() -> None:
            await anyio.sleep(59.5)
            with b.local.faults.add("DescribeJobs", Fault.latency(3)):
                b.record(job).describe_soon()
                await anyio.sleep(0.45)

        async with anyio.create_task_group() as group:
            group.start_soon(answer_late)
            async for event in job.logs():
                if event.message == "attempt 2":
                    break
        assert anyio.current_time() - begin < 60 + 30


async def test_described_new_job_missing_in_the_next_list_is_described_again(
    bench: MakeBench,
) -> None:
    """The job was RUNNING, so it has ended: there is no need to wait for a list to show it."""

    def script(launch: Launch) -> Script:
        is_new = launch.name == "new"
        return Script(startup=4.5 if is_new else 0, duration=2 if is_new else None)

    policy = PollPolicy(min_interval=4, max_interval=4, jitter=0)
    async with bench(script, poll=policy) as b:
        await b.batch.submit_many(_many(150))
        await anyio.sleep(30)
        await b.next_call("ListJobs")
        job = await b.batch.submit("hello", queue="default", name="new")
        await anyio.sleep(5)
        b.record(job).describe_soon()
        assert (await job.wait(JobStatus.RUNNING)).status is JobStatus.RUNNING
        assert _seconds_late(await job) < 3


async def test_all_waiters_get_details_when_many_jobs_start_at_once(bench: MakeBench) -> None:
    def script(launch: Launch) -> Script:
        return Script(startup=0, duration=60 if launch.name == "first" else None)

    async with bench(script, vcpus=1_500) as b:
        first = await b.batch.submit("hello", queue="default", name="first", vcpus=1_500)
        jobs = await b.batch.submit_many(_many(1_500))
        with_stream: Counter[str] = Counter()

        async def await_stream(job: Job) -> None:
            while not (
                job.description and any(c.log_stream_name for c in job.description.containers)
            ):
                await b.record(job).wait_for_change(details=True)
            with_stream[job.id] += 1

        async with anyio.create_task_group() as group:
            for job in jobs:
                group.start_soon(await_stream, job)
            await first
            await anyio.sleep(60)
            assert len(with_stream) == 1_500
            group.cancel_scope.cancel()


async def test_listed_jobs_are_described_every_ten_minutes(bench: MakeBench) -> None:
    async with bench(Script(startup=0, duration=None)) as b:
        await b.batch.submit_many(_many(150))
        await anyio.sleep(60)
        before = b.local.calls["DescribeJobs"]
        await anyio.sleep(3_600)
        assert 2 * 5 <= b.local.calls["DescribeJobs"] - before <= 2 * 8


@pytest.mark.parametrize(
    "fault", [Fault.throttle(), Fault.server_error()], ids=["throttled", "5xx"]
)
async def test_jobs_are_described_by_id_while_lists_fail(
    bench: MakeBench, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    def script(launch: Launch) -> Script:
        return Script(startup=0, duration=launch.random.uniform(200, 300))

    async with bench(script) as b:
        jobs = await b.batch.submit_many(_many(150))
        await anyio.sleep(40)
        b.local.faults.add("ListJobs", fault)
        late = [_seconds_late(await job) async for job in b.batch.as_completed(jobs)]
        assert len(late) == 150
        assert max(late) < 60
    assert "ListJobs timed out" in caplog.text


async def test_nothing_is_kept_about_jobs_that_have_ended(bench: MakeBench) -> None:
    async with bench(Script(startup=1, duration=60)) as b:
        jobs = await b.batch.submit_many(_many(150))
        async with anyio.create_task_group() as group:
            for job in jobs:
                group.start_soon(job.wait, None)
        assert {job.status for job in jobs} == {JobStatus.SUCCEEDED}
        records = [b.record(job) for job in jobs]
        assert not any(record.is_awaited or record.wants_details for record in records)
        poller = b.session.poller
        assert not poller._followed
        assert not poller._sweeper._queues["default"].jobs
