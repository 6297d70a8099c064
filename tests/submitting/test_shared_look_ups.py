"""Many lost responses: look-ups share their calls, and find every job or prove its absence."""

from collections.abc import AsyncGenerator, Iterable

import anyio
import pytest

from asyncbatch import (
    AsyncBatchClient,
    Job,
    JobDescription,
    JobRequest,
    RateLimits,
    SubmitUncertain,
)
from asyncbatch._aws.wire.responses import ListedJob
from asyncbatch._submitting import look_up, marks, submitter
from asyncbatch.local import Fault, Script
from bench.lost import Loss, submit_with_losses
from tests.fixtures.bench import Bench, MakeBench

pytestmark = pytest.mark.virtual_time

each_name = pytest.mark.parametrize("name", [None, "mine"])


def submitted(b: Bench) -> list[str]:
    return [each.job_id for each in b.local.ledger.submissions]


async def submit_all(b: Bench, requests: Iterable[JobRequest]) -> list[tuple[Job, float]]:
    """Submit jobs at once; return each with the time that its submission took."""
    started = anyio.current_time()
    done: list[tuple[Job, float]] = []

    async def submit(request: JobRequest) -> None:
        job = await b.batch.submit(request)
        done.append((job, anyio.current_time() - started))

    async with anyio.create_task_group() as group:
        for request in requests:
            group.start_soon(submit, request)
    return done


# -- how long look-ups take, and what they cost ----------------------------------------------------


@each_name
@pytest.mark.parametrize("seed", [1, 2])
async def test_300_submissions_with_lost_responses_and_faults(name: str | None, seed: int) -> None:
    """The faults end early: a submission that fails twice takes 15 s more."""
    loss = Loss(title="300", jobs=300, name=name, failed=0.1, max_failed=15, lag=2.0)
    outcome = await submit_with_losses(loss, seed)
    assert not outcome.errors
    assert (outcome.handles, outcome.doubled) == (300, 0)
    assert outcome.after(0.9) <= 7
    assert outcome.after(1) <= 32
    assert outcome.look_up_calls.total() <= 40
    assert outcome.floor < outcome.after(1) < outcome.floor + 5


@pytest.mark.parametrize(
    "loss",
    [
        Loss(title="many losses", jobs=300, name="mine", lost=0.5),
        Loss(title="without tags", jobs=300, name="mine", lag=2.0, may_tag=False),
        Loss(title="rare losses", jobs=500, name="mine", lost=0.02),
    ],
    ids=lambda loss: loss.title,
)
async def test_look_ups_cost_at_most_forty_calls(loss: Loss) -> None:
    outcome = await submit_with_losses(loss, seed=1)
    assert not outcome.errors
    assert (outcome.handles, outcome.doubled) == (loss.jobs, 0)
    assert outcome.look_up_calls.total() <= 40


async def test_jobs_known_as_own_are_not_described(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    described: set[str] = set()
    async with bench(Script(duration=600)) as b:
        own = await b.batch.submit_many([JobRequest("hello", name="mine")] * 50)
        describe = b.session.api.describe_for_look_up

        async def spy(ids: list[str]) -> list[JobDescription]:
            described.update(ids)
            return await describe(ids)

        monkeypatch.setattr(b.session.api, "describe_for_look_up", spy)
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        job = await b.batch.submit("hello", name="mine")
        assert described == {job.id}
        assert job not in own


async def test_one_unique_name_is_listed_by_name(bench: MakeBench) -> None:
    """The listing of the queue would take three pages."""
    async with bench(Script(duration=600)) as b:
        await b.submitted_by_another(250)
        b.local.faults.add("SubmitJob", Fault.server_error(times=1))
        await b.batch.submit("hello", queue="default")
        assert b.local.calls["ListJobs"] == 4


async def test_listing_that_decides_ends_where_the_submission_was_first_sent(
    bench: MakeBench,
) -> None:
    """All jobs of the name would take two pages."""
    async with bench(Script(duration=600)) as b:
        request = JobRequest("hello", queue="default", name="mine")
        await b.batch.submit_many([request] * 150)
        await anyio.sleep(20)
        b.local.faults.add("SubmitJob", Fault.server_error(times=1))
        await b.batch.submit(request)
        assert b.local.calls["ListJobs"] == 4


async def test_listing_that_is_not_sorted_by_time_is_read_to_its_end(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(Script(duration=600)) as b:
        request = JobRequest("hello", queue="default", name="mine")
        await b.batch.submit_many([request] * 150)
        await anyio.sleep(20)
        pages = b.session.api.list_for_look_up

        async def oldest_first(queue: str, **options: object) -> AsyncGenerator[list[ListedJob]]:
            listed = [page async for page in pages(queue, **options)]  # type: ignore[arg-type]
            for page in reversed(listed):
                yield page[::-1]

        monkeypatch.setattr(b.session.api, "list_for_look_up", oldest_first)
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        job = await b.batch.submit(request)
        assert submitted(b)[150:] == [job.id]


# -- when it is decided ----------------------------------------------------------------------------


@each_name
async def test_absence_is_decided_when_15_seconds_are_over(
    bench: MakeBench, name: str | None
) -> None:
    """Also if another look-up makes rounds shortly before, and ListJobs fails at that moment."""
    async with bench(Script(duration=600)) as b, anyio.create_task_group() as group:
        request = JobRequest("hello", queue="default", name=name)
        b.local.faults.add("SubmitJob", Fault.server_error(times=1))

        async def submit_another() -> None:
            await anyio.sleep(13.5)
            b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
            await b.batch.submit(request)

        group.start_soon(submit_another)
        group.start_soon(fail_next_listing, b, 14.9)
        ((_, seconds),) = await submit_all(b, [request])
        assert 15 <= seconds <= 15.2


async def fail_next_listing(b: Bench, after: float) -> None:
    await anyio.sleep(after)
    b.local.faults.add("ListJobs", Fault.server_error(times=1))


async def test_submissions_that_fail_within_a_second_are_decided_by_one_listing(
    bench: MakeBench,
) -> None:
    async with bench(Script(duration=600), limits=RateLimits(submit_per_second=2)) as b:
        b.local.faults.add("SubmitJob", Fault.server_error(times=3))
        requests = [JobRequest("hello", queue="default", name="mine")] * 3
        before = 0
        async with anyio.create_task_group() as group:
            group.start_soon(submit_all, b, requests)
            await anyio.sleep(14.9)
            before = b.local.calls["ListJobs"]
            await anyio.sleep(3)
        assert b.local.calls["ListJobs"] == before + 1
        assert len(submitted(b)) == 3


async def test_absence_is_decided_when_another_job_of_the_name_is_described(
    bench: MakeBench,
) -> None:
    """That job is listed 15 s after the fault, but not described before 15.5 s after it."""
    async with bench(Script(duration=600)) as b, b.local.session.create_client("batch") as aws:
        b.local.faults.add("DescribeJobs", Fault.lag(2))
        b.local.faults.add("SubmitJob", Fault.server_error(times=1))

        async def submit_another() -> None:
            await anyio.sleep(13.5)
            await aws.submit_job(jobName="mine", jobQueue="default", jobDefinition="hello")

        done: list[tuple[Job, float]] = []
        async with anyio.create_task_group() as group:
            group.start_soon(submit_another)
            done += await submit_all(b, [JobRequest("hello", queue="default", name="mine")])
        assert [15.5 <= seconds <= 16.1 for _, seconds in done] == [True]


async def test_submission_begins_when_it_is_first_sent(bench: MakeBench) -> None:
    """Not when it begins to wait for its rate limit: a look-up would list more jobs."""
    async with bench(limits=RateLimits(submit_per_second=0.1)) as b:
        await b.batch.submit("hello", queue="default")
        started = marks.wall_clock()
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        b.local.faults.add("ListJobs", Fault.error("AccessDeniedException", "no", status=403))
        with pytest.raises(SubmitUncertain) as caught:
            await b.batch.submit("hello", queue="default")
        assert caught.value.since.timestamp() >= started + 9


# -- what is found ---------------------------------------------------------------------------------


@pytest.mark.parametrize("arrives", [True, False])
async def test_jobs_of_the_same_name_meanwhile_leave_no_doubt(
    bench: MakeBench, *, arrives: bool
) -> None:
    """At each moment, the newest of them are listed but not described."""
    async with bench(Script(duration=600)) as b, b.local.session.create_client("batch") as aws:
        b.local.faults.add("DescribeJobs", Fault.lag(2))
        b.local.faults.add(
            "SubmitJob", Fault.drop_after(times=1) if arrives else Fault.drop_before(times=1)
        )
        jobs: list[Job] = []

        async def submit() -> None:
            jobs.append(await b.batch.submit("hello", queue="default", name="mine"))
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(submit)
            while True:
                await anyio.sleep(1)
                await aws.submit_job(jobName="mine", jobQueue="default", jobDefinition="hello")
        ours = [job_id for job_id in submitted(b) if job_id == jobs[0].id]
        assert len(ours) == 1
        assert b.local.calls["SubmitJob"] == len(submitted(b)) + (0 if arrives else 1)


async def test_lost_job_that_the_program_found_itself_is_still_found(bench: MakeBench) -> None:
    """That `find` returned the job does not make it the job of another submission."""
    async with bench(Script(duration=600)) as b, anyio.create_task_group() as group:
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        done: list[Job] = []

        async def submit() -> None:
            done.append(await b.batch.submit("hello", queue="default", name="mine"))

        group.start_soon(submit)
        await anyio.sleep(0.5)
        (found,) = await b.batch.find(name="mine", queue="default")
        await anyio.sleep(20)
        assert [job.id for job in done] == submitted(b) == [found.id]


@each_name
@pytest.mark.parametrize("lag", [5.0, 12.0])
@pytest.mark.parametrize("wrong_by", [-290.0, 0.0, 290.0])
async def test_wrong_clock_does_not_hide_a_job(
    bench: MakeBench,
    monkeypatch: pytest.MonkeyPatch,
    name: str | None,
    lag: float,
    wrong_by: float,
) -> None:
    """Also a clock that becomes wrong after it was compared with AWS's."""
    async with bench(Script(duration=600)) as b:
        b.local.faults.add("ListJobs", Fault.lag(lag))
        b.local.faults.add("SubmitJob", Fault.drop_after(probability=0.3))
        requests = [JobRequest("hello", queue="default", name=name)] * 20
        await submit_all(b, requests)
        for module in (submitter, look_up):
            monkeypatch.setattr(module, "wall_clock", lambda: marks.wall_clock() + wrong_by)
        await submit_all(b, requests)
        async with AsyncBatchClient(session=b.local.session) as b.batch:
            await submit_all(b, requests)
        assert len(submitted(b)) == 60


@pytest.mark.parametrize(("wrong_by", "others"), [(0.0, 0), (0.0, 3), (290.0, 3)])
async def test_wrong_time_of_creation_hides_no_job(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch, wrong_by: float, others: int
) -> None:
    """One job of our own was created in the future, it seems.

    Our clock shows that this is wrong, or other jobs of our own do.
    """
    async with bench(Script(duration=600)) as b:
        request = JobRequest("hello", queue="default", name="mine")
        odd = await b.batch.submit(request)
        for _ in range(others):
            await b.batch.submit(request)
        pages = b.session.api.list_for_look_up

        async def with_odd_time(queue: str, **options: object) -> AsyncGenerator[list[ListedJob]]:
            async for page in pages(queue, **options):  # type: ignore[arg-type]
                yield [
                    job._replace(created_at=(job.created_at or 0) + 250)
                    if job.job_id == odd.id
                    else job
                    for job in page
                ]

        monkeypatch.setattr(b.session.api, "list_for_look_up", with_odd_time)
        for module in (submitter, look_up):
            monkeypatch.setattr(module, "wall_clock", lambda: marks.wall_clock() + wrong_by)
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        job = await b.batch.submit(request)
        assert submitted(b)[-1] == job.id
        assert len(submitted(b)) == others + 2


UNREADABLE = {
    "no id": ListedJob(None, "mine", None),
    "nothing": ListedJob(None, None, None),
    "no name": ListedJob("some-id", None, None),
}


@pytest.mark.parametrize("case", UNREADABLE)
async def test_job_that_cannot_be_read_proves_no_absence(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    async with bench() as b:
        add_to_listings(b, monkeypatch, UNREADABLE[case])
        b.local.faults.add("SubmitJob", Fault.drop_before(times=1))
        with pytest.raises(SubmitUncertain, match="cannot be read"):
            await b.batch.submit("hello", name="mine")
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        job = await b.batch.submit("hello", name="mine")
        assert [job.id] == submitted(b)


async def test_unreadable_job_of_another_name_does_no_harm(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench() as b:
        add_to_listings(b, monkeypatch, ListedJob(None, "theirs", None))
        b.local.faults.add("SubmitJob", Fault.drop_before(times=1))
        job = await b.batch.submit("hello", name="mine")
        assert [job.id] == submitted(b)


def add_to_listings(b: Bench, monkeypatch: pytest.MonkeyPatch, odd: ListedJob) -> None:
    pages = b.session.api.list_for_look_up

    async def with_odd_job(queue: str, **options: object) -> AsyncGenerator[list[ListedJob], None]:
        async for page in pages(queue, **options):  # type: ignore[arg-type]
            yield [*page, odd]

    monkeypatch.setattr(b.session.api, "list_for_look_up", with_odd_job)


async def test_denied_descriptions_leave_generated_names_alone(bench: MakeBench) -> None:
    """Only look-ups of custom names need DescribeJobs."""
    async with bench(Script(duration=600)) as b:
        b.local.faults.add("SubmitJob", Fault.drop_after(times=2))
        b.local.faults.add("DescribeJobs", Fault.error("AccessDeniedException", "", status=403))
        jobs: list[Job] = []

        async def submit_generated() -> None:
            jobs.append(await b.batch.submit("hello", queue="default"))

        async with anyio.create_task_group() as group:
            group.start_soon(submit_generated)
            with pytest.raises(SubmitUncertain, match="DescribeJobs"):
                await b.batch.submit("hello", queue="default", name="mine")
        assert jobs[0].id in submitted(b)


# -- without tags ----------------------------------------------------------------------------------


async def stop_tagging(b: Bench) -> None:
    denied = Fault.error("AccessDeniedException", "batch:TagResource", status=403, times=1)
    b.local.faults.add("SubmitJob", denied)
    await b.batch.submit("hello", name="first")


async def test_equal_untagged_submissions_do_not_wait_for_each_other(bench: MakeBench) -> None:
    async with bench(Script(duration=600)) as b:
        await stop_tagging(b)
        b.local.faults.add("SubmitJob", Fault.drop_before(times=1))
        request = JobRequest("hello", queue="default", name="mine")
        done = await submit_all(b, [request] * 20)
        assert sorted(seconds for _, seconds in done)[18] < 2
        assert sorted(job.id for job, _ in done) == sorted(submitted(b)[1:])


async def test_untagged_job_in_progress_is_not_given_to_an_equal_submission(
    bench: MakeBench,
) -> None:
    """The response of the second one is slow, so its job is listed before its id is known."""
    async with bench(Script(duration=600)) as b:
        await stop_tagging(b)
        b.local.faults.add("SubmitJob", Fault.drop_before(times=1))
        b.local.faults.add("SubmitJob", Fault.latency(25, times=1))
        done = await submit_all(b, [JobRequest("hello", queue="default", name="mine")] * 2)
        assert sorted(job.id for job, _ in done) == sorted(submitted(b)[1:])
        assert len({job.id for job, _ in done}) == 2


@pytest.mark.parametrize("fault", [Fault.drop_after, Fault.drop_before])
async def test_many_equal_untagged_submissions_get_one_job_each(
    bench: MakeBench, fault: type[Fault]
) -> None:
    async with bench(Script(duration=600)) as b:
        await stop_tagging(b)
        b.local.faults.add("SubmitJob", fault(probability=0.3))  # type: ignore[call-arg]
        done = await submit_all(b, [JobRequest("hello", queue="default", name="mine")] * 60)
        assert sorted(job.id for job, _ in done) == sorted(submitted(b)[1:])
