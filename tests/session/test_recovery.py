"""Recovery: a failed job is submitted again as its policy decides, and stays one job."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from asyncbatch import (
    ArrayJob,
    AsyncBatchClient,
    ClientClosed,
    CredentialsExpired,
    Dependency,
    DependencyType,
    FailureKind,
    FailureLimit,
    InvalidRequest,
    JobFailed,
    JobFinished,
    JobLost,
    JobNotStarted,
    JobRequest,
    JobResubmitted,
    JobResult,
    JobStatus,
    JobSubmitted,
    RecoveryPolicy,
    RecoveryRule,
    RunStopped,
    SubmitUncertain,
)
from asyncbatch.local import Fault, Launch, Script
from tests.fixtures.bench import MakeBench
from tests.session.programs import failed_once

pytestmark = pytest.mark.virtual_time

SPOT = Script(exit_code=None, status_reason="Host EC2 (instance i-1) terminated.")
OOM = Script(exit_code=137, reason="OutOfMemoryError: Container killed due to memory usage")
GOOD = Script()
SAME_QUEUE = RecoveryPolicy.for_spot()


class Outcomes:
    """Scripts of the submissions of one job, in order; the last one is repeated."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.launches: list[Launch] = []

    def __call__(self, launch: Launch) -> Script:
        self.launches.append(launch)
        return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]


async def test_a_reclaimed_job_is_submitted_again_and_stays_one_handle(bench: MakeBench) -> None:
    async with bench(Outcomes(SPOT, SPOT, GOOD), recovery=SAME_QUEUE) as b:
        job = await b.batch.submit("hello")
        first = job.id
        result = await job
        assert result.succeeded
        assert result.job_id == job.id != first
        assert [each.failure and each.failure.kind for each in job.submissions] == [
            FailureKind.HOST_LOST,
            FailureKind.HOST_LOST,
            None,
        ]
        assert job.submissions[0].job_id == first
        assert await b.batch.job(first) is job
        assert b.local.calls["SubmitJob"] == 3
        resubmitted = b.events_of(JobResubmitted)
        assert [event.submission for event in resubmitted] == [2, 3]
        assert resubmitted[-1].job_id == job.id
        assert [event.job_id for event in b.events_of(JobFinished)] == [job.id]
        assert len(b.events_of(JobSubmitted)) == 3


async def test_the_first_poll_of_a_further_submission_depends_on_how_long_the_job_ran(
    bench: MakeBench,
) -> None:
    outcomes = Outcomes(replace(SPOT, duration=200), Script(duration=60))
    async with bench(outcomes, recovery=SAME_QUEUE) as b:
        job = await b.batch.submit("hello")
        async with anyio.create_task_group() as group:
            group.start_soon(job.result)
            await b.next_call("SubmitJob")
            calls = b.local.calls["DescribeJobs"]
            await anyio.sleep(9)  # 5 % of the time that it ran, with jitter
            assert b.local.calls["DescribeJobs"] == calls


async def test_without_a_policy_a_failed_job_ends(bench: MakeBench) -> None:
    async with bench(SPOT) as b:
        job = await b.batch.submit("hello")
        with pytest.raises(JobFailed):
            await job
        assert job.submissions == ()
        assert b.local.calls["SubmitJob"] == 1


async def test_an_exhausted_policy_raises_and_names_every_submission(bench: MakeBench) -> None:
    policy = RecoveryPolicy.more_memory(max_memory_mib=1024)
    async with bench(OOM, recovery=policy) as b:
        job = await b.batch.submit("hello")
        with pytest.raises(JobFailed) as caught:
            await job
        assert [each.memory_mib for each in job.submissions] == [128, 256, 512]
        (note,) = [note for note in caught.value.__notes__ if "submitted 3 times" in note]
        for submission in job.submissions:
            assert submission.job_id in note
        assert "512 MiB: out of memory" in note


async def test_run_and_max_in_flight_count_a_recovered_job_once(bench: MakeBench) -> None:
    lost: set[str] = set()

    def script(launch: Launch) -> Script:
        number = launch.environment["NUMBER"]
        if number in lost:
            return GOOD
        lost.add(number)
        return SPOT

    requests = [JobRequest("hello", environment={"NUMBER": n}) for n in range(6)]
    async with bench(script) as b:
        results = await b.batch.run(requests, max_in_flight=2, recovery=SAME_QUEUE)
        assert [result.succeeded for result in results] == [True] * 6
        assert b.local.calls["SubmitJob"] == 12


async def test_the_policy_of_a_request_takes_precedence(bench: MakeBench) -> None:
    async with bench(SPOT, recovery=SAME_QUEUE) as b:
        none = await b.batch.submit("hello", recovery=RecoveryPolicy())
        two = await b.batch.submit("hello", recovery="spot:2")
        for job in (none, two):
            with pytest.raises(JobFailed):
                await job
        assert len(two.submissions) == 2
        assert none.submissions == ()


async def test_changes_go_on_until_the_end_of_the_last_submission(bench: MakeBench) -> None:
    slow = Script(startup=20, duration=60)
    async with bench(Outcomes(SPOT, slow), recovery=SAME_QUEUE) as b:
        job = await b.batch.submit("hello")
        seen = [(each.job_id, each.status) async for each in job.changes()]
        first, last = job.submissions[0].job_id, job.submissions[1].job_id
        assert (first, JobStatus.FAILED) in seen
        assert seen[-1] == (last, JobStatus.SUCCEEDED)


async def test_terminate_during_the_delay_ends_the_job_with_its_failure(bench: MakeBench) -> None:
    policy = RecoveryPolicy.for_spot(delay=600)
    async with bench(SPOT, recovery=policy) as b:
        job = await b.batch.submit("hello")
        await failed_once(b, job)
        assert not job.is_finished
        assert job.status is JobStatus.FAILED
        await job.terminate()
        with pytest.raises(JobFailed) as caught:
            await job
        assert caught.value.failure is not None
        assert caught.value.failure.kind is FailureKind.HOST_LOST
        assert b.local.calls["SubmitJob"] == 1


async def test_a_terminated_job_is_not_submitted_again(bench: MakeBench) -> None:
    everything = RecoveryRule(exit_codes=range(256), times=5)
    policy = RecoveryPolicy([everything], max_submissions=5)
    async with bench(Script(duration=None), recovery=policy) as b:
        job = await b.batch.submit("hello")
        await job.wait(until=JobStatus.RUNNING)
        await job.terminate("enough")
        with pytest.raises(JobFailed):
            await job
        assert len(job.submissions) == 1


async def test_a_group_waits_for_the_recovery_of_its_jobs(bench: MakeBench) -> None:
    async with bench(Outcomes(SPOT, GOOD), recovery=SAME_QUEUE) as b:
        async with b.batch.job_group() as group:
            job = await group.submit("hello")
        assert job.is_finished
        assert len(job.submissions) == 2


async def test_a_refused_resubmission_ends_the_job_with_its_failure(bench: MakeBench) -> None:
    policy = RecoveryPolicy.for_spot(fallback_queue="missing")
    async with bench(SPOT, recovery=policy) as b:
        job = await b.batch.submit("hello")
        with pytest.raises(JobFailed) as caught:
            await job
        assert any("It was not submitted again" in note for note in caught.value.__notes__)
        assert [event.job_id for event in b.events_of(JobFinished)] == [job.id]


@pytest.mark.parametrize("has_journal", [False, True])
@pytest.mark.parametrize("array_size", [None, 2])
async def test_the_next_queue_is_tried_where_aws_refuses_the_first(
    bench: MakeBench, tmp_path: Path, array_size: int | None, *, has_journal: bool
) -> None:
    policy = RecoveryPolicy.for_spot(fallback_queue=["missing", "default"])
    journal = tmp_path / "journal" if has_journal else None
    async with bench(Outcomes(SPOT, GOOD)) as b:
        client = AsyncBatchClient(session=b.local.session, journal=journal, recovery=policy)
        async with client as batch:
            job = await batch.submit(
                "hello", queue="default", command=["etl"], array_size=array_size
            )
            assert (await job).succeeded
        assert [each.queue for each in b.local.ledger.submissions] == ["default", "default"]
        assert b.local.calls["SubmitJob"] == 3  # one refused


async def test_later_submissions_stay_on_the_queue_that_accepted_one(bench: MakeBench) -> None:
    spot = RecoveryPolicy.for_spot(fallback_queue=["missing", "default"])
    policy = spot | RecoveryPolicy.more_memory()
    async with bench(Outcomes(SPOT, Script.out_of_memory(), GOOD), recovery=policy) as b:
        job = await b.batch.submit("hello", queue="default", memory_mib=128)
        assert (await job).succeeded
        assert [each.memory_mib for each in job.submissions] == [128, 128, 256]


async def test_an_uncertain_resubmission_is_raised_to_everyone(bench: MakeBench) -> None:
    async with bench(Outcomes(SPOT, GOOD), recovery=SAME_QUEUE) as b:
        job = await b.batch.submit("hello")
        b.local.faults.add("SubmitJob", Fault.drop_after())
        b.local.faults.add("ListJobs", Fault.error("AccessDeniedException", "no"))
        for wait in (job.result, job.wait, partial(job.result, check=False)):
            with pytest.raises(SubmitUncertain):
                await wait()
        with pytest.raises(SubmitUncertain):
            _ = [description async for description in job.changes()]
        [lost] = b.events_of(JobLost)
        assert (lost.job_id, lost.result.status) == (job.id, JobStatus.FAILED)


async def test_logs_go_on_with_the_next_submission_and_label_it(bench: MakeBench) -> None:
    lost = Script(exit_code=None, status_reason=SPOT.status_reason, lines=[(0.1, "first")])
    good = Script(lines=[(0.1, "second")])
    async with bench(Outcomes(lost, good), recovery=SAME_QUEUE) as b:
        job = await b.batch.submit("hello")
        seen = [(event.message, event.submission, event.label) async for event in job.logs()]
        assert seen == [("first", 1, ""), ("second", 2, "submission 2")]
        again = [event.message async for event in job.logs(follow=False)]
        assert again == ["first", "second"]
        together = [event.message async for event in b.batch.logs([job])]
        assert together == ["first", "second"]
        tail = [event.message async for event in job.logs(tail=5)]
        assert tail == ["second"]


async def test_closing_the_client_during_the_delay_ends_every_wait(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    policy = RecoveryPolicy.for_spot(delay=600)
    async with bench(SPOT, recovery=policy) as b:
        job = await b.batch.submit("hello")
        async with anyio.create_task_group() as group:

            async def wait() -> None:
                with pytest.raises(ClientClosed):
                    await job

            group.start_soon(wait)
            await failed_once(b, job)
            await b.batch.aclose()
        with pytest.raises(ClientClosed):
            await job
    assert "client closed before 1 failed jobs were submitted again" in caplog.text
    assert "submit them yourself" in caplog.text


async def test_a_job_that_depends_on_a_recovered_one_is_submitted_on_the_new_id(
    bench: MakeBench,
) -> None:
    def script(launch: Launch) -> Script:
        launches[launch.name] = launches.get(launch.name, 0) + 1
        return SPOT if launch.name == "first" and launches["first"] < 3 else GOOD

    launches: dict[str, int] = {}
    async with bench(script) as b:
        first = await b.batch.submit("hello", name="first", recovery="spot:3")
        second = await b.batch.submit("hello", name="second", depends_on=[first])
        third = await b.batch.submit("hello", name="third", depends_on=[second, first])
        for job in (third, second, first):
            assert (await job).succeeded
        assert launches == {"first": 3, "second": 1, "third": 1}
        assert second.description is not None
        assert second.description.depends_on == (first.id,)
        assert [each.failure and each.failure.kind for each in second.submissions] == [
            FailureKind.DEPENDENCY,
            FailureKind.DEPENDENCY,
            None,
        ]


async def test_a_job_fails_with_a_dependency_that_is_not_submitted_again(bench: MakeBench) -> None:
    async with bench(SPOT) as b:
        first = await b.batch.submit("hello", name="first", recovery="spot:2")
        second = await b.batch.submit("hello", name="second", depends_on=[first])
        for job in (first, second):
            with pytest.raises(JobFailed):
                await job
        assert len(first.submissions) == len(second.submissions) == 2


async def test_a_job_that_fails_with_another_dependency_is_not_submitted_again(
    bench: MakeBench,
) -> None:
    """The recovered one has succeeded, so a further submission would fail in the same way."""

    def script(launch: Launch) -> Script:
        return Script(duration=100, exit_code=1) if launch.name == "theirs" else GOOD

    async with bench(script) as b:
        [theirs] = await b.submitted_by_another(1)
        first = await b.batch.submit("hello", name="first", recovery="spot:3")
        second = await b.batch.submit("hello", depends_on=[first, theirs])
        result = await second.result(check=False)
        assert result.failure is not None
        assert result.failure.kind is FailureKind.DEPENDENCY
        assert (await first).succeeded
        assert b.local.calls["SubmitJob"] == 3


@pytest.mark.parametrize("kind", [None, DependencyType.N_TO_N])
async def test_arrays_are_submitted_again_with_what_they_depend_on(
    bench: MakeBench, kind: DependencyType | None
) -> None:
    def script(launch: Launch) -> Script:
        launches.append(launch.name)
        is_lost = launch.name == "first" and launch.array_index in (None, 1)
        return SPOT if is_lost and launches.count("first") < 4 else GOOD

    launches: list[str] = []
    array = JobRequest("hello", command=["x"], array_size=3, recovery=SAME_QUEUE)
    async with bench(script) as b:
        first = await b.batch.submit(array, name="first")
        on_first = Dependency(first.id, kind)
        second = await b.batch.submit(array, name="second", depends_on=[on_first])
        assert isinstance(second, ArrayJob)
        child = second[2]
        third = await b.batch.submit("hello", name="third", depends_on=[second])
        for job in (third, child, second, first):
            assert (await job).succeeded
        assert launches.count("first") == 4
        assert launches.count("second") == 3
        assert launches.count("third") == 1


async def test_jobs_that_depend_on_one_whose_end_is_not_known_get_its_error(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    request = JobRequest("hello", queue="default", command=["x"])
    async with bench(Outcomes(SPOT, GOOD)) as b:
        first = await b.batch.submit(request, recovery="spot:3")
        second = await b.batch.submit(request, depends_on=[first])
        third = await b.batch.submit(request, depends_on=[first], array_size=2)
        b.local.faults.add("SubmitJob", Fault.error("ExpiredTokenException", "no", status=403))
        for job in (third, second, first):
            with pytest.raises(CredentialsExpired):
                await job
        assert "please report this" not in caplog.text


# -- jobs that do not start ------------------------------------------------------------------------

ENDLESS = Script(duration=None)


async def test_a_job_that_does_not_start_in_time_is_cancelled(bench: MakeBench) -> None:
    async with bench(ENDLESS, vcpus=1) as b:
        first = await b.batch.submit("hello")
        second = await b.batch.submit("hello", recovery="start:60")
        await first.wait(until=JobStatus.RUNNING)
        with pytest.raises(JobNotStarted, match="not started within 60 s"):
            await second
        assert first.status is JobStatus.RUNNING


async def test_a_job_that_starts_in_time_is_left_alone(bench: MakeBench) -> None:
    async with bench(Script(duration=50), vcpus=1) as b:
        jobs = [await b.batch.submit("hello", recovery="start:60") for _ in range(2)]
        for job in jobs:
            assert (await job).succeeded
        assert b.local.calls["CancelJob"] == b.local.calls["CancelJobs"] == 0


async def test_a_blocked_job_is_submitted_to_the_fallback_queue(bench: MakeBench) -> None:
    policy = RecoveryPolicy.start_limit(fallback_queue="large")
    async with bench(vcpus=4) as b:
        async with b.local.session.create_client("batch") as aws:
            [queue] = (await aws.describe_job_queues())["jobQueues"]
            order = queue["computeEnvironmentOrder"]
            await aws.create_job_queue(
                jobQueueName="large", priority=1, computeEnvironmentOrder=order
            )
        job = await b.batch.submit("hello", queue="default", vcpus=64, recovery=policy)
        with pytest.raises(JobNotStarted, match="JOB_RESOURCE_REQUIREMENT"):
            await job
        queues = [str(each.queue).rpartition("/")[2] for each in job.submissions]
        assert queues == ["default", "large"]
        assert {each.failure and each.failure.kind for each in job.submissions} == {
            FailureKind.NOT_STARTED
        }


# -- limits of a run -------------------------------------------------------------------------------

BAD_IMAGE = Script(
    fails_to_start=True,
    exit_code=None,
    status_reason="Task failed to start",
    reason="CannotPullContainerError: image not found: manifest unknown",
)


async def test_all_jobs_of_a_client_share_a_limit_of_resubmissions(bench: MakeBench) -> None:
    rules = SAME_QUEUE.rules
    policy = RecoveryPolicy(rules, max_resubmissions=3)
    async with bench(SPOT, recovery=policy) as b:
        await b.batch.run([JobRequest("hello") for _ in range(4)], check=False)
        assert b.local.calls["SubmitJob"] == 4 + 3


async def test_a_job_beyond_the_limit_of_resubmissions_says_so(bench: MakeBench) -> None:
    policy = RecoveryPolicy(SAME_QUEUE.rules, max_resubmissions=0)
    async with bench(Outcomes(SPOT, BAD_IMAGE), recovery=policy) as b:
        with pytest.raises(JobFailed) as caught:
            await (await b.batch.submit("hello"))
        assert "not submitted again: max_resubmissions=0" in caught.value.__notes__[0]
        with pytest.raises(JobFailed) as caught:  # no rule is about this failure
            await (await b.batch.submit("hello"))
        assert not hasattr(caught.value, "__notes__")


async def test_the_log_has_the_first_resubmissions_and_the_number_of_the_others(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    policy = RecoveryPolicy.for_spot(max_submissions=2)
    async with bench(SPOT, recovery=policy) as b:
        await b.batch.run([JobRequest("hello") for _ in range(30)], check=False)
    lines = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    warnings = [line for line in lines if "is submitted again" in line]
    assert len(warnings) == 4
    assert all(line.startswith("job ") for line in warnings[:3])
    assert warnings[3].startswith("27 more warnings like this: job ")


@pytest.mark.parametrize("error", [ValueError("boom"), StopIteration(), asyncio.CancelledError()])
async def test_a_policy_that_raises_ends_its_job_only_and_the_job_says_so(
    bench: MakeBench, error: BaseException
) -> None:
    def fail(result: JobResult) -> dict[str, object]:
        raise error

    policy = RecoveryPolicy([RecoveryRule(kinds=[FailureKind.HOST_LOST], change=fail)])
    async with bench(SPOT) as b:
        job = await b.batch.submit("hello", recovery=policy)
        with anyio.fail_after(1000):
            with pytest.raises(JobFailed) as caught:
                await job
            assert repr(error) in caught.value.__notes__[0]
            other = await b.batch.submit("hello")
            assert (await other.result(check=False)).failure is not None


async def test_run_stops_submitting_when_jobs_fail_for_the_same_permanent_reason(
    bench: MakeBench,
) -> None:
    requests = [JobRequest("hello", name=f"job-{number}") for number in range(50)]

    def script(launch: Launch) -> Script:
        return BAD_IMAGE if int(launch.name.removeprefix("job-")) >= 10 else GOOD

    limit = FailureLimit(share=0.3, at_least=4)
    async with bench(script) as b:
        with pytest.raises(RunStopped, match=r"jobs failed \(image pull\)") as caught:
            await b.batch.run(requests, max_in_flight=2, stop_on=limit)
        assert caught.value.failed == 5
        assert 15 <= len(caught.value.submitted) <= 17
        assert len(caught.value.results.succeeded) == 10
        assert len(caught.value.results.failed) >= 5


@pytest.mark.parametrize("scripts", [SPOT, GOOD, Script(exit_code=1)])
async def test_run_submits_all_where_its_limit_is_not_reached(
    bench: MakeBench, scripts: Script
) -> None:
    """Transient failures do not count, and each reason counts for itself."""
    limit = FailureLimit(share=1, at_least=11)
    async with bench(scripts) as b:
        requests = [JobRequest("hello") for _ in range(10)]
        await b.batch.run(requests, max_in_flight=3, stop_on=limit, check=False)
        assert b.local.calls["SubmitJob"] == 10


@pytest.mark.parametrize("stop_on", [5, "half", True])
async def test_run_refuses_a_limit_of_another_type(bench: MakeBench, stop_on: Any) -> None:  # noqa: ANN401
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="stop_on"):
            await b.batch.run([], stop_on=stop_on)
