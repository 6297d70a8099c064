"""Many jobs: results in order, bounded windows, and no job lost when a request fails."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest
from botocore.exceptions import ClientError

from asyncbatch import (
    AccessDenied,
    ClientClosed,
    Event,
    FailureKind,
    InvalidRequest,
    JobDefinitionNotFound,
    JobFailed,
    JobFinished,
    JobQueueNotFound,
    JobRequest,
    JobResults,
    JobSubmitted,
    JobVanished,
    RecoveryPolicy,
    RecoveryRule,
)
from asyncbatch.local import Fault, Launch, Script
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


def _by_name(job: object) -> Script:
    """Return the script that a job's name describes: ``r-<seconds>-<exit code>``."""
    _, seconds, code = job.name.split("-")[:3]  # type: ignore[attr-defined]
    return Script(startup=0, duration=float(seconds), exit_code=int(code))


def _requests(*names: str) -> list[JobRequest]:
    return [JobRequest("hello", name=name) for name in names]


async def test_run_returns_results_in_the_order_of_the_requests(bench: MakeBench) -> None:
    async with bench(_by_name) as b:
        results = await b.batch.run(_requests("r-50-0", "r-5-0", "r-20-0"))
    assert [r.name for r in results] == ["r-50-0", "r-5-0", "r-20-0"]


async def test_run_accepts_an_asynchronous_iterable(bench: MakeBench) -> None:
    async def requests() -> AsyncIterator[JobRequest]:
        for request in _requests("r-1-0", "r-2-0"):
            yield request

    async with bench(_by_name) as b:
        assert len(await b.batch.run(requests())) == 2


async def test_run_and_submit_many_accept_no_requests(bench: MakeBench) -> None:
    async with bench() as b:
        assert await b.batch.run([]) == []
        assert await b.batch.submit_many([]) == []
        assert b.local.calls["SubmitJob"] == 0


async def test_run_raises_the_first_failure_after_all_ended_and_names_the_others(
    bench: MakeBench,
) -> None:
    async with bench(_by_name) as b:
        with pytest.raises(JobFailed, match=r"r-5-3.*exit code 3") as caught:
            await b.batch.run(_requests("r-100-0", "r-5-3", "r-50-4"))
        error = caught.value
        assert "2 of 3 jobs failed; also:\n  r-50-4: exit code 4; " in error.__notes__[-1]
        assert isinstance(error.results, JobResults)
        assert [r.exit_code for r in error.results] == [0, 3, 4]
        assert error.results[1] is error.result
        assert [*error.results.logs] == [each.job_id for each in error.results.failed]


async def test_run_reads_the_last_lines_of_ten_failed_jobs_some_of_each_kind(
    bench: MakeBench,
) -> None:
    def script(job: Launch) -> Script:
        number = int(job.name)
        return Script.out_of_memory() if number >= 20 else Script(exit_code=1, lines=[(0, "bad")])

    async with bench(script) as b:
        with pytest.raises(JobFailed) as caught:
            await b.batch.run(_requests(*map(str, range(22))))
        assert b.local.calls["GetLogEvents"] <= 2 * 10
    error = caught.value
    names = {each.job_id: each.name for each in error.results}
    assert [names[each] for each in error.results.logs] == ["0", "20", "1", "21", *"234567"]
    [note] = [each for each in error.__notes__ if each.startswith("22 of 22 jobs failed; also:\n")]
    assert "  20: " in note
    assert "\n  1: exit code 1; " in note
    assert note.count("\n    | bad") == 7
    assert note.endswith("\n  and 12 more, see error.results.failed")


async def test_run_with_check_false_returns_failures(bench: MakeBench) -> None:
    async with bench(_by_name) as b:
        results = await b.batch.run(_requests("r-1-0", "r-1-3"), check=False)
    assert [r.succeeded for r in results] == [True, False]


async def test_run_keeps_at_most_max_in_flight_jobs(bench: MakeBench) -> None:
    running: set[str] = set()
    ended: set[str] = set()
    most = 0

    def watch(job: object) -> Script:
        nonlocal most
        running.add(job.id)  # type: ignore[attr-defined]
        most = max(most, len(running - ended))
        return Script(startup=0, duration=10)

    def note_end(event: Event) -> None:
        if isinstance(event, JobFinished):
            ended.add(event.job_id)

    async with bench(watch, observers=[note_end]) as b:
        results = await b.batch.run((JobRequest("hello") for _ in range(25)), max_in_flight=4)
    assert len(results) == 25
    assert most == 4


async def test_run_with_max_in_flight_zero_raises(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="max_in_flight=0"):
            await b.batch.run([], max_in_flight=0)


async def test_requests_are_read_no_faster_than_they_are_submitted(bench: MakeBench) -> None:
    """A million requests from a generator must not pile up in memory."""
    read = 0

    def requests() -> Iterator[JobRequest]:
        nonlocal read
        for _ in range(1_000):
            read += 1
            yield JobRequest("hello")

    async with bench() as b:
        with anyio.move_on_after(2):
            await b.batch.submit_many(requests())
    assert read < 45 * 2 + 100


async def test_asynchronous_generator_is_iterated_in_the_callers_task(bench: MakeBench) -> None:
    """A cancel scope around a `yield` has to be left by the task that entered it."""
    tasks: set[object] = set()

    async def requests() -> AsyncIterator[JobRequest]:
        for number in range(150):
            with anyio.fail_after(60):
                await anyio.sleep(0.01)
                tasks.add(asyncio.current_task())
                yield JobRequest("hello", environment={"NUMBER": number})

    async with bench() as b:
        for coalesce in (False, True):
            assert len(await b.batch.submit_many(requests(), coalesce=coalesce)) == 150
        async with b.batch.job_group() as group:
            assert len(await group.submit_many(requests())) == 150
    assert tasks == {asyncio.current_task()}


async def test_at_most_64_submissions_are_in_progress(bench: MakeBench) -> None:
    started = ended = most = 0

    def requests() -> Iterator[JobRequest]:
        nonlocal started, most
        for _ in range(1_000):
            # This request is about to be started, in addition to those in progress.
            started += 1
            most = max(most, started - ended)
            yield JobRequest("hello", queue="default")

    def note_submission(event: Event) -> None:
        nonlocal ended
        ended += isinstance(event, JobSubmitted)

    async with bench(observers=[note_submission]) as b:
        b.local.faults.add("SubmitJob", Fault.latency(5, probability=0.2))
        jobs = await b.batch.submit_many(requests())
        assert len({job.id for job in jobs}) == 1_000
    # One more has been read from the iterable when the window is full.
    assert most == 64 + 1


async def test_slow_submissions_do_not_delay_others(bench: MakeBench) -> None:
    async with bench(Script(duration=None)) as b:
        b.local.faults.add("SubmitJob", Fault.latency(25, times=49))
        async with anyio.create_task_group() as group:
            group.start_soon(b.batch.submit_many, [JobRequest("hello")] * 150)
            await anyio.sleep(15)
            assert b.local.calls["SubmitJob"] == 150


async def test_submit_many_error_has_the_jobs_submitted_before(bench: MakeBench) -> None:
    async with bench() as b:
        wrong = [JobRequest("hello")] * 70 + [JobRequest("nothing")] + [JobRequest("hello")] * 500
        with pytest.raises(JobDefinitionNotFound) as caught:
            await b.batch.submit_many(wrong)
        submitted = caught.value.submitted
        assert {job.id for job in submitted} == {s.job_id for s in b.local.ledger.submissions}
        assert 70 <= len(submitted) < 200
        assert (await submitted[0]).succeeded


async def test_submit_many_with_something_else_than_a_request_raises(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(
            InvalidRequest, match="requests='hello': every item must be a JobRequest"
        ):
            await b.batch.submit_many(["hello"])  # type: ignore[list-item]


async def test_exception_of_the_callers_generator_is_raised_unchanged(bench: MakeBench) -> None:
    def requests() -> Iterator[JobRequest]:
        yield JobRequest("hello")
        raise LookupError("no more rows")

    async with bench() as b:
        with pytest.raises(LookupError, match="no more rows"):
            await b.batch.submit_many(requests())
        assert b.local.calls["SubmitJob"] == 1


async def test_run_raises_job_vanished_after_the_others_ended(bench: MakeBench) -> None:
    async with bench(_by_name) as b:
        forget = b.local.faults.add("DescribeJobs", Fault.forget(0))
        with forget, pytest.raises(JobVanished) as caught:
            await b.batch.run(_requests("r-1-0", "r-2-0"))
    assert caught.value.results == []  # it forgot the other one as well


async def test_refused_submission_has_the_results_of_jobs_that_ended_before(
    bench: MakeBench,
) -> None:
    async def requests() -> AsyncIterator[JobRequest]:
        yield JobRequest("hello")
        await anyio.sleep(60)
        yield JobRequest("hello", queue="other")
        yield JobRequest("hello")

    async with bench() as b:
        with pytest.raises(JobQueueNotFound) as caught:
            await b.batch.run(requests())
        first, _in_progress = caught.value.submitted
        assert [r.job_id for r in caught.value.results] == [first.id]


async def test_traceback_of_a_refused_submission_has_the_callers_frames_only(
    bench: MakeBench,
) -> None:
    async with bench() as b:
        with pytest.raises(JobQueueNotFound) as caught:
            await b.batch.submit("hello", queue="other")
        with pytest.raises(JobQueueNotFound) as caught_in_run:
            await b.batch.run([JobRequest("hello", queue="other")])
    for error in (caught.value, caught_in_run.value):
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        assert len(frames) == 2
        assert error.__cause__ is None
        assert error.__suppress_context__
        assert isinstance(error.__context__, ClientError)  # for debugging


async def test_run_has_the_results_of_earlier_submissions(bench: MakeBench) -> None:
    codes = [1, 1, 0]
    rule = RecoveryRule(kinds=[FailureKind.EXIT_CODE], times=2)
    async with bench(lambda _launch: Script(exit_code=codes.pop(0))) as b:
        results = await b.batch.run(_requests("r"), recovery=RecoveryPolicy([rule]))
    [result] = results
    assert [each.exit_code for each in results.earlier[result.job_id]] == [1, 1]


# -- as_completed ----------------------------------------------------------------------------------


async def test_as_completed_yields_jobs_as_they_end(bench: MakeBench) -> None:
    async with bench(_by_name) as b:
        jobs = await b.batch.submit_many(_requests("r-90-0", "r-30-1", "r-60-0"))
        order = [job.name async for job in b.batch.as_completed([*jobs, jobs[0]])]
    assert order == ["r-30-1", "r-60-0", "r-90-0"]


async def test_as_completed_yields_jobs_that_have_ended_already(bench: MakeBench) -> None:
    async with bench(_by_name) as b:
        jobs = await b.batch.submit_many(_requests("r-1-0", "r-2-0"))
        for job in jobs:
            await job
        assert [job.name async for job in b.batch.as_completed(jobs)] == ["r-1-0", "r-2-0"]


async def test_as_completed_raises_an_error_of_polling(bench: MakeBench) -> None:
    async with bench(_by_name) as b:
        jobs = await b.batch.submit_many(_requests("r-900-0", "r-900-0"))
        denial = Fault.error("AccessDeniedException", "no", status=403)
        with b.local.faults.add("DescribeJobs", denial), pytest.raises(AccessDenied):
            async for _ in b.batch.as_completed(jobs):
                pass


async def test_as_completed_raises_client_closed(bench: MakeBench) -> None:
    async with bench(_by_name) as b:
        jobs = await b.batch.submit_many(_requests("r-900-0"))
        async with anyio.create_task_group() as group:

            async def wait() -> None:
                with pytest.raises(ClientClosed):
                    async for _ in b.batch.as_completed(jobs):
                        pass

            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await b.batch.aclose()


# -- terminate -------------------------------------------------------------------------------------


async def test_terminated_jobs_fail_with_the_reason(bench: MakeBench) -> None:
    async with bench(Script(duration=9_000)) as b:
        jobs = await b.batch.submit_many(JobRequest("hello") for _ in range(3))
        await b.batch.terminate([jobs[0], jobs[1].id], reason="enough")
        for job in jobs[:2]:
            result = await job.result(check=False)
            assert result.failure is not None
            assert "enough" in result.failure.message
        assert not jobs[2].is_finished


async def test_terminating_an_ended_job_changes_nothing(bench: MakeBench) -> None:
    async with bench() as b:
        job = await b.batch.submit("hello")
        await job
        await job.terminate()
        assert (await b.batch.describe([job]))[job.id].status == "SUCCEEDED"


@pytest.mark.parametrize("reason", ["", "x" * 1025])
async def test_invalid_termination_reason_raises_before_sending(
    bench: MakeBench, reason: str
) -> None:
    async with bench(Script(duration=9_000)) as b:
        job = await b.batch.submit("hello")
        with pytest.raises(InvalidRequest, match="reason="):
            await job.terminate(reason)
        with pytest.raises(InvalidRequest, match="reason="):
            await b.batch.terminate([job], reason=reason)
        assert b.local.calls["TerminateJob"] == 0
