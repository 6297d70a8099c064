"""Safe submission: a request makes exactly one job, even if its response is lost.

The oracle is the engine's ledger: it lists every submission that was carried out.
"""

import asyncio
import logging
from collections.abc import Callable

import anyio
import pytest

from asyncbatch import (
    AccessDenied,
    ClientClosed,
    ConnectionFailed,
    Job,
    JobRequest,
    JobStatus,
    JobSubmitted,
    ServiceFault,
    SubmitUncertain,
)
from asyncbatch.local import Fault, Script
from tests.fixtures.bench import Bench, MakeBench

pytestmark = pytest.mark.virtual_time

TAG = "asyncbatch-submission"

PASSING: dict[str, Callable[[], Fault]] = {
    "throttled": lambda: Fault.throttle(times=3),
    "refused connection": lambda: Fault.refuse(times=2),
    "dropped before": lambda: Fault.drop_before(times=1),
    "dropped after": lambda: Fault.drop_after(times=1),
    "reset before": lambda: Fault.reset_before(times=1),
    "reset after": lambda: Fault.reset_after(times=1),
    "truncated answer": lambda: Fault.truncated(times=1),
    "5xx": lambda: Fault.server_error(times=1),
    "5xx for minutes": lambda: Fault.server_error(times=12),
    "slow beyond the read timeout": lambda: Fault.latency(120, times=1),
    "arrives only after the read timeout": lambda: Fault.latency_before(120, times=1),
    "body stops": lambda: Fault.slow_body(120, times=1),
}

each_passing_fault = pytest.mark.parametrize("fault", PASSING)
each_name = pytest.mark.parametrize("name", [None, "mine"])


def submitted(b: Bench) -> list[str]:
    return [each.job_id for each in b.local.ledger.submissions]


def refuse_tags(b: Bench) -> None:
    """Deny the next submission, which has a tag, as AWS does without batch:TagResource."""
    said = "User: me is not authorized to perform: batch:TagResource"
    b.local.faults.add("SubmitJob", Fault.error("AccessDeniedException", said, status=403, times=1))


async def stop_tagging(b: Bench) -> Job:
    refuse_tags(b)
    return await b.batch.submit("hello", name="first")


# -- what passes -----------------------------------------------------------------------------------


@each_name
@each_passing_fault
async def test_temporary_fault_makes_exactly_one_job(
    bench: MakeBench, fault: str, name: str | None
) -> None:
    async with bench() as b:
        with b.local.faults.add("SubmitJob", PASSING[fault]()) as injected:
            job = await b.batch.submit("hello", name=name)
            result = await job
        assert injected.hits >= 1
        assert result.succeeded
        assert submitted(b) == [job.id]


@each_passing_fault
async def test_temporary_fault_without_tags_makes_exactly_one_job(
    bench: MakeBench, fault: str
) -> None:
    async with bench() as b:
        await stop_tagging(b)
        with b.local.faults.add("SubmitJob", PASSING[fault]()):
            job = await b.batch.submit("hello", name="mine", environment={"A": "1"})
        assert submitted(b)[1:] == [job.id]


@each_name
async def test_look_up_waits_for_a_list_that_lags(bench: MakeBench, name: str | None) -> None:
    async with bench() as b:
        b.local.faults.add("ListJobs", Fault.lag(6))
        b.local.faults.add("DescribeJobs", Fault.lag(9))
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        job = await b.batch.submit("hello", name=name)
        assert submitted(b) == [job.id]


async def test_submissions_of_one_name_are_distinguished_by_tag(bench: MakeBench) -> None:
    """Half of the responses are lost; all jobs have the same name."""
    async with bench() as b:
        b.local.faults.add("SubmitJob", Fault.drop_after(probability=0.5))
        jobs = await b.batch.submit_many(JobRequest("hello", name="mine") for _ in range(40))
        assert sorted(job.id for job in jobs) == sorted(submitted(b))


async def test_submissions_of_one_name_are_distinguished_without_tags(bench: MakeBench) -> None:
    async with bench() as b:
        await stop_tagging(b)
        # Without a mark they are distinguished by time: two at the same moment would be uncertain.
        b.local.faults.add("SubmitJob", Fault.drop_after(probability=0.5))
        jobs = await b.batch.submit_many(
            JobRequest("hello", name="mine", environment={"N": str(n)}) for n in range(20)
        )
        assert sorted(job.id for job in jobs) == sorted(submitted(b)[1:])


async def test_lost_response_of_an_array_makes_exactly_one_array(bench: MakeBench) -> None:
    async with bench() as b:
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        array = await b.batch.submit_array("hello", size=3, name="mine")
        b.local.faults.add("SubmitJob", Fault.server_error(times=1))
        together = await b.batch.submit_many(
            [JobRequest("hello", command=["true"], environment={"N": str(n)}) for n in range(5)],
            coalesce=True,
        )
        assert submitted(b) == [array.id, together[0].id.partition(":")[0]]


# -- tags ------------------------------------------------------------------------------------------


async def test_only_jobs_with_a_custom_name_are_tagged(bench: MakeBench) -> None:
    async with bench() as b:
        mine = await b.batch.submit("hello", name="mine", tags={"team": "red"})
        other = await b.batch.submit("hello", tags={"team": "red"})
        tags = {job.id: (await job.wait(until=JobStatus.RUNNABLE)).tags for job in (mine, other)}
    assert tags[other.id] == {"team": "red"}
    assert sorted(tags[mine.id]) == [TAG, "team"]


async def test_job_that_propagates_its_tags_gets_none_of_ours(bench: MakeBench) -> None:
    """The tags of its definition count as well, and beyond 50 AWS fails the job."""
    async with bench() as b:
        tags = {f"tag-{n}": "x" for n in range(30)}
        job = await b.batch.submit("hello", name="mine", tags=tags, propagate_tags=True)
        assert (await job.wait(until=JobStatus.RUNNABLE)).tags == tags


async def test_denied_tag_is_omitted_with_one_warning(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench() as b:
        with caplog.at_level(logging.WARNING, "asyncbatch"):
            jobs = [await stop_tagging(b)]
            jobs += [await b.batch.submit("hello", name="next") for _ in range(3)]
        for job in jobs:
            assert TAG not in (await job.wait()).tags
        assert b.local.calls["SubmitJob"] == 5
    assert len([r for r in caplog.records if "batch:TagResource" in r.message]) == 1


async def test_denied_submission_is_not_attributed_to_the_tag(bench: MakeBench) -> None:
    async with bench() as b:
        denied = Fault.error("AccessDeniedException", "batch:SubmitJob: no", status=403, times=2)
        b.local.faults.add("SubmitJob", denied)
        with pytest.raises(AccessDenied, match="batch:SubmitJob"):
            await b.batch.submit("hello", name="mine")
        job = await b.batch.submit("hello", name="mine")
        assert TAG in (await job.wait()).tags


async def test_job_with_fifty_tags_is_submitted_unchanged(bench: MakeBench) -> None:
    async with bench() as b:
        tags = {f"t{n}": "x" for n in range(50)}
        job = await b.batch.submit("hello", name="mine", tags=tags)
        assert dict((await job.wait()).tags) == tags


# -- what cannot be settled ------------------------------------------------------------------------


@each_name
async def test_failed_look_up_raises_submit_uncertain_and_sends_nothing_again(
    bench: MakeBench, name: str | None
) -> None:
    async with bench() as b:
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        b.local.faults.add("ListJobs", Fault.error("AccessDeniedException", "no", status=403))
        with pytest.raises(SubmitUncertain, match="list-jobs --job-queue default") as caught:
            await b.batch.submit("hello", name=name)
        assert b.local.calls["SubmitJob"] == 1
    error = caught.value
    assert (error.queue, error.job_definition) == ("default", "hello")
    assert error.name == b.local.ledger.submissions[0].name
    assert error.since.timestamp() <= b.local.ledger.submissions[0].at <= error.until.timestamp()
    assert error.mark == error.name if name is None else str(error.mark).startswith(f"{TAG}=")


async def test_look_up_during_an_outage_of_list_jobs_is_bounded(bench: MakeBench) -> None:
    async with bench() as b:
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        b.local.faults.add("ListJobs", Fault.server_error())
        with pytest.raises(SubmitUncertain), anyio.fail_after(300):
            await b.batch.submit("hello")


async def test_look_up_during_an_outage_of_the_service_is_bounded(bench: MakeBench) -> None:
    async with bench() as b:
        b.local.faults.add("SubmitJob", Fault.server_error())
        with pytest.raises(ServiceFault) as caught, anyio.fail_after(700):
            await b.batch.submit("hello", name="mine")
        assert caught.value.__notes__ == ["The job was looked up: it does not exist."]
        assert submitted(b) == []


async def test_job_that_is_listed_but_not_described_is_uncertain(bench: MakeBench) -> None:
    async with bench() as b:
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        with (
            b.local.faults.add("DescribeJobs", Fault.lag(1_000)),
            pytest.raises(SubmitUncertain, match="DescribeJobs does not"),
        ):
            await b.batch.submit("hello", name="mine")


UNMARKED: dict[str, tuple[dict[str, str], str]] = {
    "the same twice": ({"N": "1"}, "several such jobs"),
    "less content": ({}, "may be another submission's"),
}


@pytest.mark.parametrize("case", UNMARKED)
async def test_unmarked_submission_with_a_second_equal_job_is_uncertain(
    bench: MakeBench, case: str
) -> None:
    """Another program submits a job with this name at the same moment."""
    environment, said = UNMARKED[case]
    async with bench() as b:
        await stop_tagging(b)
        same = environment == {"N": "1"}
        fault = Fault.drop_after if same else Fault.drop_before
        b.local.faults.add("SubmitJob", fault(times=1))
        async with (
            anyio.create_task_group() as group,
            b.local.session.create_client("batch") as aws,
        ):

            async def submit() -> None:
                with pytest.raises(SubmitUncertain, match=said):
                    await b.batch.submit("hello", name="mine", environment={"N": "1"})

            group.start_soon(submit)
            await anyio.sleep(0.5)
            variables = [{"name": name, "value": value} for name, value in environment.items()]
            await aws.submit_job(
                jobName="mine",
                jobQueue="default",
                jobDefinition="hello",
                containerOverrides={"environment": variables},
            )


async def test_unmarked_submission_is_told_apart_from_jobs_with_other_values(
    bench: MakeBench,
) -> None:
    """AWS never changes a value that a request sets, so such a job is not ours."""
    async with bench() as b:
        await stop_tagging(b)
        b.local.faults.add("SubmitJob", Fault.drop_before(times=1))
        jobs: list[Job] = []
        other: dict[str, str] = {}

        async def submit() -> None:
            jobs.append(await b.batch.submit("hello", name="mine", environment={"N": "1"}))

        async with (
            b.local.session.create_client("batch") as aws,
            anyio.create_task_group() as group,
        ):
            group.start_soon(submit)
            await anyio.sleep(0.5)
            overrides = {"environment": [{"name": "N", "value": "2"}]}
            other = await aws.submit_job(
                jobName="mine",
                jobQueue="default",
                jobDefinition="hello",
                containerOverrides=overrides,
            )
        assert submitted(b)[1:] == [other["jobId"], jobs[0].id]


async def test_unmarked_submission_ignores_older_jobs(bench: MakeBench) -> None:
    async with bench() as b:
        await stop_tagging(b)
        async with b.local.session.create_client("batch") as aws:
            old = await aws.submit_job(jobName="mine", jobQueue="default", jobDefinition="hello")
        await anyio.sleep(600)
        b.local.faults.add("SubmitJob", Fault.drop_before(times=1))
        job = await b.batch.submit("hello", name="mine")
        assert job.id != old["jobId"]
        assert len(submitted(b)) == 3


async def test_unmarked_submission_with_an_equal_job_shortly_before_is_uncertain(
    bench: MakeBench,
) -> None:
    """Clocks may differ by up to five minutes, so it may be either submission."""
    async with bench() as b:
        await stop_tagging(b)
        async with b.local.session.create_client("batch") as aws:
            await aws.submit_job(jobName="mine", jobQueue="default", jobDefinition="hello")
        await anyio.sleep(60)
        b.local.faults.add("SubmitJob", Fault.drop_before(times=1))
        with pytest.raises(SubmitUncertain, match="or shortly before"):
            await b.batch.submit("hello", name="mine")


# -- cancelling and closing ------------------------------------------------------------------------


async def test_cancelled_caller_does_not_interrupt_a_submission(bench: MakeBench) -> None:
    """The job that AWS accepts is followed although no caller waits for it."""
    async with bench() as b:
        await b.batch.default_queue()
        with b.local.faults.add("SubmitJob", Fault.latency(5)), anyio.move_on_after(1) as scope:
            await b.batch.submit("hello")
        assert scope.cancelled_caught
        assert b.events_of(JobSubmitted) == []
        await anyio.sleep(10)
        assert [e.job_id for e in b.events_of(JobSubmitted)] == submitted(b)


ON_THE_WIRE: dict[str, Callable[[], Fault]] = {
    "slow": lambda: Fault.latency(5, times=1),
    "slow and lost": lambda: Fault.latency(60, times=1),
    "lost": lambda: Fault.drop_after(times=1),
    "not carried out": lambda: Fault.server_error(times=1),
}


@each_name
@pytest.mark.parametrize("lag", [0.0, 12.0])
@pytest.mark.parametrize("fault", ON_THE_WIRE)
async def test_closing_the_client_settles_submissions_in_progress(
    bench: MakeBench, fault: str, lag: float, name: str | None
) -> None:
    """The waiter gets the job if AWS accepted it, and ClientClosed otherwise."""
    received: list[str] = []
    refusals: list[str] = []

    async def submit(b: Bench) -> None:
        try:
            received.append((await b.batch.submit("hello", queue="default", name=name)).id)
        except ClientClosed as error:
            refusals.append(str(error))

    async with bench(Script(duration=60)) as b, anyio.create_task_group() as group:
        b.local.faults.add("SubmitJob", ON_THE_WIRE[fault]())
        b.local.faults.add("ListJobs", Fault.lag(lag))
        group.start_soon(submit, b)
        await anyio.sleep(0.5)
        with anyio.fail_after(60):
            await b.batch.aclose()
    assert received == submitted(b)
    if not received:
        assert refusals == ["the client was closed before the job was submitted"]


async def test_closing_during_an_outage_is_bounded_and_raises_submit_uncertain(
    bench: MakeBench,
) -> None:
    async with bench() as b, anyio.create_task_group() as group:
        b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
        b.local.faults.add("ListJobs", Fault.server_error())

        async def submit() -> None:
            with pytest.raises(SubmitUncertain):
                await b.batch.submit("hello", queue="default")

        group.start_soon(submit)
        await anyio.sleep(0.5)
        with anyio.fail_after(30):
            await b.batch.aclose()


async def test_shutdown_of_the_event_loop_settles_submissions_in_progress(bench: MakeBench) -> None:
    """`asyncio.run` cancels all tasks natively, which a shielded scope does not prevent."""
    async with bench(Script(duration=60)) as b:
        await b.batch.default_queue()
        b.local.faults.add("SubmitJob", Fault.latency(5, times=1))
        before = asyncio.all_tasks()
        jobs: list[Job] = []
        async with anyio.create_task_group() as group:

            async def submit() -> None:
                jobs.append(await b.batch.submit("hello"))

            group.start_soon(submit)
            await anyio.sleep(1)
            (sending,) = [t for t in asyncio.all_tasks() - before if "Session._run" in t.get_name()]
            sending.cancel()
        assert [job.id for job in jobs] == submitted(b)


async def test_endpoint_that_never_responded_raises_soon(bench: MakeBench) -> None:
    async with bench() as b:
        b.local.faults.add("*", Fault.refuse())
        await b.batch.aclose()
        await b.batch.open()
        with pytest.raises(ConnectionFailed, match="endpoint_url"), anyio.fail_after(10):
            await b.batch.submit("hello", queue="default", name="mine")
