"""Following very many jobs by listing their queue: the same guarantees with fewer calls."""

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asyncbatch import Job, JobFinished, JobRequest, JobStatus, PollPolicy, RateLimits
from asyncbatch._aws import sdk_hooks
from asyncbatch._aws.wire import responses
from asyncbatch._polling import queues
from asyncbatch.local import Fault, Launch, Script
from tests.fixtures.bench import Bench, MakeBench

if TYPE_CHECKING:
    import random

pytestmark = [pytest.mark.virtual_time, pytest.mark.usefixtures("half_are_many")]


@pytest.fixture(autouse=True)
def lists_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """List queues even where that saves few calls, so that the tests need fewer jobs."""
    monkeypatch.setattr(queues, "_WORTH", 10.0)


def _minutes(job: object) -> Script:
    rng: random.Random = job.random  # type: ignore[attr-defined]
    return Script(startup=2, duration=rng.uniform(60, 300), exit_code=int(rng.random() < 0.1))


def _many(number: int = 400) -> Iterator[JobRequest]:
    return (JobRequest("hello", queue="default") for _ in range(number))


async def _all_end_once(b: Bench, number: int = 400) -> None:
    results = await b.batch.run(_many(number), check=False)
    assert len(results) == number
    assert all(not result.description.is_summary for result in results)
    reported = sorted(event.job_id for event in b.events_of(JobFinished))
    assert reported == sorted(submission.job_id for submission in b.local.ledger.submissions)


async def test_each_end_is_reported_once(bench: MakeBench) -> None:
    async with bench(_minutes) as b:
        await _all_end_once(b)
    assert b.local.calls["ListJobs"] > 50


FAULTS = {
    "throttled": Fault.throttle(probability=0.3),
    "5xx": Fault.server_error(probability=0.3),
    "dropped": Fault.drop_after(probability=0.3),
    "truncated": Fault.truncated(probability=0.3),
    "slow": Fault.latency(3),
}


@pytest.mark.parametrize("operation", ["ListJobs", "DescribeJobs"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_temporary_faults_lose_no_job(bench: MakeBench, fault: str, operation: str) -> None:
    async with bench(_minutes) as b:
        with b.local.faults.add(operation, FAULTS[fault]):
            await _all_end_once(b, 130)
            assert b.local.calls["ListJobs"] > 20


async def test_expired_credentials_that_are_renewed_lose_no_job(bench: MakeBench) -> None:
    async with bench(_minutes) as b:
        jobs = await b.batch.submit_many(_many())
        expired = Fault.error("ExpiredTokenException", "expired", status=403)
        with b.local.faults.add("*", expired):
            await anyio.sleep(20)
        assert len([job async for job in b.batch.as_completed(jobs)]) == 400


async def test_denied_list_jobs_falls_back_to_describing_by_id(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(_minutes) as b:
        denial = Fault.error("AccessDeniedException", "no batch:ListJobs", status=403)
        b.local.faults.add("ListJobs", denial)
        await _all_end_once(b)
    assert b.local.calls["ListJobs"] == 1
    assert "following jobs of queue default by id" in caplog.text


@pytest.mark.parametrize(
    ("others", "worth", "calls"), [(1_000, 0.75, 2), (3_000, 0.5, 3)], ids=["read", "left off"]
)
async def test_queue_crowded_by_jobs_of_other_programs_is_not_listed(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch, others: int, worth: float, calls: int
) -> None:
    """Two pages cost more than describing 200 jobs by id; a list of four is not read to its end."""
    monkeypatch.setattr(queues, "_WORTH", worth)
    async with bench(Script(duration=None), vcpus=1) as b:
        await b.submitted_by_another(others)
        await b.batch.submit_many(_many(200))
        await anyio.sleep(300)
        assert b.local.calls["ListJobs"] == calls


async def test_job_that_is_listed_as_it_was_described_has_not_changed(bench: MakeBench) -> None:
    async with bench(Script(duration=None), vcpus=2) as b:
        await b.batch.submit("hello", queue="default", vcpus=1)
        await b.batch.submit("hello", queue="default", vcpus=2)
        await b.batch.submit("hello", queue="default", array_size=2)
        await anyio.sleep(60)
        async with b.local.session.create_client("batch") as aws:
            sdk_hooks.install(aws)  # or an old botocore drops members that it does not know
            found = {}
            for state in ("RUNNING", "RUNNABLE", "PENDING"):
                page = await aws.list_jobs(jobQueue="default", jobStatus=state)
                [found[state]] = page["jobSummaryList"]
            details = await aws.describe_jobs(jobs=[summary["jobId"] for summary in found.values()])
        for summary, detail in zip(found.values(), details["jobs"], strict=True):
            described = responses.mark(detail)
            assert described is not None
            assert responses.summary_mark(summary) == described.as_listed()


async def test_described_jobs_are_not_decoded_again_from_lists(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def note(summary: Any, *_shared: object, **_queue: object) -> None:  # noqa: ANN401 - as AWS has it
        read.append(summary["jobId"])

    monkeypatch.setattr(responses, "job_summary", note)
    async with bench(Script(startup=0, duration=None)) as b:
        described = await b.batch.submit_many(_many(90))
        await anyio.sleep(5)
        await b.batch.submit_many(_many(30))
        await anyio.sleep(60)
        assert b.local.calls["ListJobs"] > 5
        assert not {job.id for job in described}.intersection(read)


async def test_new_jobs_are_not_described_while_lists_report_them(bench: MakeBench) -> None:
    limits = RateLimits(submit_per_second=20)
    async with bench(Script(startup=1, duration=None), limits=limits) as b:
        await b.batch.submit_many(_many(200))
        before = b.local.calls["DescribeJobs"]
        jobs = await b.batch.submit_many(_many(400))
        assert b.local.calls["DescribeJobs"] - before <= 1
        await anyio.sleep(4)
        assert {job.status for job in jobs} == {JobStatus.RUNNING}


async def test_new_job_is_described_soon_if_no_list_is_due(bench: MakeBench) -> None:
    def script(launch: Launch) -> Script:
        return Script(startup=0, duration=1 if launch.name == "new" else None)

    async with bench(script) as b:
        await b.batch.submit_many(_many(150))
        await anyio.sleep(700)
        await b.next_call("ListJobs")
        before = b.local.calls["ListJobs"]
        begin = anyio.current_time()
        await b.batch.run([JobRequest("hello", queue="default", name="new")])
        assert b.local.calls["ListJobs"] == before
        assert anyio.current_time() - begin < 2


async def test_slow_lists_are_as_frequent_as_fast_ones(bench: MakeBench) -> None:
    policy = PollPolicy(min_interval=15, max_interval=15, jitter=0)
    async with bench(Script(startup=0, duration=None), poll=policy) as b:
        await b.batch.submit_many(_many(150))
        await anyio.sleep(60)
        with b.local.faults.add("ListJobs", Fault.latency(5)):
            before = b.local.calls["ListJobs"]
            await anyio.sleep(150)
            assert b.local.calls["ListJobs"] - before == 10


async def test_queue_with_changing_jobs_is_listed_often(bench: MakeBench) -> None:
    async with bench(Script(startup=0, duration=None), vcpus=320) as b:
        first = await b.batch.submit("hello", queue="default", name="first", vcpus=200)
        jobs = await b.batch.submit_many(_many(320))
        await anyio.sleep(700)
        assert Counter(job.status for job in jobs)[JobStatus.RUNNABLE] == 200
        await first.terminate()
        await anyio.sleep(17)
        assert {job.status for job in jobs} == {JobStatus.RUNNING}
        before = b.local.calls["ListJobs"]
        await anyio.sleep(15)
        assert b.local.calls["ListJobs"] - before >= 8


async def test_details_learnt_late_are_no_change(bench: MakeBench) -> None:
    """After ten minutes, jobs that only lists reported are described for the first time."""
    limits = RateLimits(submit_per_second=20)
    async with bench(Script(startup=1, duration=None), limits=limits) as b:
        await b.batch.submit_many(_many(300))
        await anyio.sleep(560)
        before = b.local.calls.copy()
        await anyio.sleep(120)
        spent = b.local.calls - before
        assert spent["DescribeJobs"] >= 3
        assert spent["ListJobs"] <= 9


async def test_only_states_with_many_jobs_are_listed(bench: MakeBench) -> None:
    """Jobs in other states are described by id."""
    policy = PollPolicy(min_interval=15, max_interval=15, jitter=0)
    async with bench(Script(startup=0, duration=None), vcpus=350, poll=policy) as b:
        jobs = await b.batch.submit_many(_many())
        await anyio.sleep(60)
        states = Counter(job.status for job in jobs)
        assert states == {JobStatus.RUNNING: 350, JobStatus.RUNNABLE: 50}
        before = b.local.calls.copy()
        await anyio.sleep(150)
        spent = b.local.calls - before
        assert 9 <= spent["ListJobs"] <= 10
        assert 9 <= spent["DescribeJobs"] <= 11


async def test_listed_jobs_report_their_states_without_being_described(bench: MakeBench) -> None:
    async with bench(Script(startup=60, duration=300)) as b:
        jobs = await b.batch.submit_many(_many())
        await anyio.sleep(40)
        described = b.local.calls["DescribeJobs"]
        await anyio.sleep(60)
        assert {job.status for job in jobs} == {JobStatus.RUNNING}
        assert b.local.calls["DescribeJobs"] - described < 10


async def test_end_of_a_listed_job_is_reported_at_once_even_if_it_is_new(bench: MakeBench) -> None:
    """A new job may be missing from a list; a listed one that is missing has changed state."""
    limits = RateLimits(submit_per_second=400, describe_per_second=50)
    async with bench(Script(startup=0, duration=5), limits=limits) as b:
        begin = anyio.current_time()
        await b.batch.run(_many())
        assert anyio.current_time() - begin < 5 + 4
    assert b.local.calls["ListJobs"] > 5


@pytest.mark.parametrize(
    ("waiting", "described"),
    [("result", range(1, 3)), ("wait", range(3, 7))],
    ids=["end", "details"],
)
async def test_awaited_jobs_are_described_only_for_details_that_lists_lack(
    bench: MakeBench, waiting: str, described: range
) -> None:
    """Lists report that 250 jobs are RUNNING; only `wait` needs their descriptions."""

    def script(launch: Launch) -> Script:
        return Script(startup=0, duration=60 if launch.name == "first" else 500)

    async with bench(script, vcpus=400) as b:
        first = await b.batch.submit("hello", queue="default", name="first", vcpus=250)
        jobs = await b.batch.submit_many(_many())
        async with anyio.create_task_group() as group:
            for job in jobs:
                group.start_soon(getattr(job, waiting))
            await anyio.sleep(35)
            states = Counter(job.status for job in jobs)
            assert states == {JobStatus.RUNNING: 150, JobStatus.RUNNABLE: 250}
            before = b.local.calls["DescribeJobs"]
            await first
            await anyio.sleep(30)
            assert {job.status for job in jobs} == {JobStatus.RUNNING}
            # One or two of the calls describe the job that ended.
            assert b.local.calls["DescribeJobs"] - before in described
            group.cancel_scope.cancel()


async def test_changes_of_listed_jobs_cost_no_more_calls_than_their_results(
    bench: MakeBench,
) -> None:
    async def calls(waiting: Callable[[Job], Coroutine[Any, Any, object]]) -> int:
        async with bench(Script(startup=60, duration=300)) as b:
            b.session.settings.rng.seed(1)  # the same jitter for both
            jobs = await b.batch.submit_many(_many())
            async with anyio.create_task_group() as group:
                for job in jobs:
                    group.start_soon(waiting, job)
            assert b.local.calls["ListJobs"] > 5
            return b.local.calls["DescribeJobs"]

    async def changes(job: Job) -> None:
        statuses = [description.status async for description in job.changes()]
        assert statuses[-2:] == [JobStatus.RUNNING, JobStatus.SUCCEEDED]

    assert await calls(changes) == await calls(Job.result)


async def test_log_is_followed_live_although_lists_have_no_stream_name(bench: MakeBench) -> None:
    lines = [(float(t), f"line {t}") for t in range(0, 200, 20)]
    async with bench(Script(startup=60, duration=300, lines=lines)) as b:
        jobs = await b.batch.submit_many(_many())
        seen: list[tuple[str, JobStatus]] = []
        async for event in jobs[200].logs():
            seen.append((event.message, jobs[200].status))  # noqa: PERF401 - read in between
        assert [message for message, _ in seen] == [text for _, text in lines]
        assert seen[0][1] is JobStatus.RUNNING


async def test_attempt_that_begins_between_two_lists_is_a_change(bench: MakeBench) -> None:
    """The job is RUNNING in both lists; only its start time differs."""

    def script(launch: Launch) -> Script:
        if launch.name != "retried":
            return Script(startup=1, duration=1_000)
        line = (5.0, f"attempt {launch.attempt}")
        return Script(startup=1, duration=300, exit_code=2 - launch.attempt, lines=[line])

    async with bench(script) as b:
        await b.batch.submit_many(_many())
        job = await b.batch.submit("hello", queue="default", name="retried", retry=2)
        seen = [(event.message, job.status) async for event in job.logs()]
        assert seen == [("attempt 1", JobStatus.RUNNING), ("attempt 2", JobStatus.RUNNING)]


async def test_parents_of_arrays_are_followed_in_a_swept_queue(bench: MakeBench) -> None:
    async with bench(Script(duration=120)) as b:
        parent = await b.batch.submit("hello", array_size=50)
        jobs = await b.batch.submit_many(_many(150))
        assert (await parent).succeeded
        assert len([job async for job in b.batch.as_completed(jobs)]) == 150


async def test_idle_jobs_cost_one_list_per_interval(bench: MakeBench) -> None:
    policy = PollPolicy(max_interval=60)
    async with bench(Script(duration=None), vcpus=1, poll=policy) as b:
        await b.batch.submit_many(_many(1_500))
        await anyio.sleep(600)
        before = b.local.calls.copy()
        await anyio.sleep(3600)
        spent = b.local.calls - before
    assert spent["ListJobs"] < 6 * 3600 / 50
    # Each job is still described by id every ten minutes.
    assert spent["DescribeJobs"] <= 15 * 7
