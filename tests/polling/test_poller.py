"""Polling jobs by id: few calls, each end reported once, every wait bounded."""

import random

import anyio
import pytest

from asyncbatch import (
    AccessDenied,
    CredentialsExpired,
    JobFailed,
    JobFinished,
    JobLost,
    JobRequest,
    JobStatus,
    JobVanished,
    PollPolicy,
    StatusChanged,
)
from asyncbatch.local import Fault, Script
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time

HOUR = 3600.0


async def test_result_returns_how_the_job_ended(bench: MakeBench) -> None:
    async with bench(Script(duration=90)) as b:
        result = await (await b.batch.submit("hello"))
    assert result.succeeded
    assert result.exit_code == 0
    assert result.failure is None
    assert result.duration is not None
    assert result.duration.total_seconds() == pytest.approx(90)


async def test_failed_job_raises_with_reason_exit_code_and_last_lines(bench: MakeBench) -> None:
    lines = [(t / 10, f"line {t}") for t in range(80)]
    async with bench(Script(duration=10, exit_code=3, lines=lines)) as b:
        job = await b.batch.submit("hello")
        with pytest.raises(JobFailed, match="exit code 3") as caught:
            await job
        assert [e.message for e in caught.value.log_tail] == [f"line {t}" for t in range(30, 80)]
        assert str(caught.value).endswith("| line 79")
        assert (await job.result(check=False)).failure == caught.value.failure


async def test_unreadable_log_does_not_hide_why_a_job_failed(bench: MakeBench) -> None:
    """Reading the log is denied; the error still has the reason, with a note on the log."""
    async with bench(Script(exit_code=3, lines=[(0.1, "secret")])) as b:
        b.local.faults.add("GetLogEvents", Fault.error("AccessDeniedException", "no logs for you"))
        with pytest.raises(JobFailed, match="exit code 3") as caught:
            await (await b.batch.submit("hello"))
    assert caught.value.log_tail == ()
    assert any("no logs for you" in note for note in caught.value.__notes__)


async def test_all_waiters_of_a_job_get_its_result(bench: MakeBench) -> None:
    async with bench(Script(duration=60)) as b:
        job = await b.batch.submit("hello")
        ends: list[bool] = []

        async def wait() -> None:
            ends.append((await job).succeeded)

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(wait)
        assert ends == [True] * 20
        assert len(b.events_of(JobFinished)) == 1


async def test_cancelled_waiter_affects_neither_the_job_nor_other_waiters(bench: MakeBench) -> None:
    async with bench(Script(duration=60)) as b:
        job = await b.batch.submit("hello")
        with anyio.move_on_after(5) as scope:
            await job
        assert scope.cancelled_caught
        assert (await job).succeeded
        assert b.local.calls["TerminateJob"] == 0


async def test_wait_until_a_state_returns_when_it_is_reached(bench: MakeBench) -> None:
    async with bench(Script(startup=30, duration=60)) as b:
        job = await b.batch.submit("hello")
        assert (await job.wait(until=JobStatus.RUNNING)).status is JobStatus.RUNNING
        assert (await job.wait()).status is JobStatus.SUCCEEDED
        assert (await job.wait(until=JobStatus.RUNNING)).status is JobStatus.SUCCEEDED


async def test_wait_until_a_state_returns_when_the_job_ends_before(bench: MakeBench) -> None:
    async with bench(Script(exit_code=1)) as b:
        job = await b.batch.submit("hello")
        assert (await job.wait(until=JobStatus.SUCCEEDED)).status is JobStatus.FAILED


async def test_observers_get_status_changes_in_order_and_the_end_once(bench: MakeBench) -> None:
    async with bench(Script(startup=20, duration=60)) as b:
        job = await b.batch.submit("hello")
        await job
        changes = b.events_of(StatusChanged)
    seen = [change.description.status for change in changes]
    assert seen[-1] is JobStatus.SUCCEEDED
    assert [c.previous for c in changes] == [None, *seen[:-1]]
    assert JobStatus.RUNNING in seen
    assert [e.job_id for e in b.events_of(JobFinished)] == [job.id]


async def test_observer_that_raises_is_logged_and_stops_nothing(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: object) -> None:
        raise RuntimeError("no bar to draw on")

    async with bench(observers=[broken]) as b:
        assert (await (await b.batch.submit("hello"))).succeeded
    assert "no bar to draw on" in caplog.text


async def test_retried_job_returns_to_an_earlier_state_and_reports_its_attempts(
    bench: MakeBench,
) -> None:
    script = lambda job: Script(duration=60, exit_code=0 if job.attempt == 2 else 1)  # noqa: E731
    async with bench(script) as b:
        result = await (await b.batch.submit("hello", retry=2))
    assert [a.exit_code for a in result.description.attempts] == [1, 0]
    assert result.succeeded


# -- very many -------------------------------------------------------------------------------------


def _hours(job: object) -> Script:
    """Run for a minute to six hours; one job in ten fails."""
    rng: random.Random = job.random  # type: ignore[attr-defined]
    return Script(duration=rng.uniform(60, 6 * HOUR), exit_code=int(rng.random() < 0.1))


def _polls(seconds: float, policy: PollPolicy) -> int:
    """Return how often the policy polls a job that runs for some time without a change."""
    age, polls = 0.0, 0
    while age < seconds:
        age += policy.interval(age, random.Random(0))
        polls += 1
    return polls


@pytest.mark.timeout(90)  # all computation: some seconds on an idle core
async def test_thousand_jobs_over_hours_cost_few_calls_and_none_is_lost(bench: MakeBench) -> None:
    """Upper bound: the policy's polls in full calls of 100 ids, plus those of the longest job."""
    policy = PollPolicy(max_interval=1200, growth=0.2)
    async with bench(_hours, poll=policy) as b:
        results = await b.batch.run((JobRequest("hello") for _ in range(1_000)), check=False)
    assert len({r.job_id for r in results}) == 1_000
    assert sorted(e.job_id for e in b.events_of(JobFinished)) == sorted(r.job_id for r in results)
    assert 50 < sum(not r.succeeded for r in results) < 150
    lasted = [r.duration.total_seconds() for r in results if r.duration]
    assert max(lasted) > 5 * HOUR
    full = sum(_polls(seconds, policy) for seconds in lasted) / 100
    assert b.local.calls["DescribeJobs"] < 1.5 * full + _polls(max(lasted), policy)
    assert b.local.ledger.throttled.total() == 0


async def test_one_describe_jobs_call_serves_a_hundred_jobs(bench: MakeBench) -> None:
    async with bench(Script(duration=100)) as b:
        await b.batch.run(JobRequest("hello") for _ in range(100))
    # At most one call a second for all; one call a second for each job would be 10,000.
    assert b.local.calls["DescribeJobs"] < 130


async def test_describe_rate_limit_is_never_exceeded(bench: MakeBench) -> None:
    async with bench(Script(duration=60)) as b:
        started = anyio.current_time()
        await b.batch.run(JobRequest("hello") for _ in range(1_000))
        lasted = anyio.current_time() - started
    assert b.local.calls["DescribeJobs"] <= 5 * lasted + 1


# -- missing and vanished --------------------------------------------------------------------------


async def test_submitted_job_that_is_not_visible_yet_is_followed(bench: MakeBench) -> None:
    async with bench() as b:
        with b.local.faults.add("DescribeJobs", Fault.lag(30)):
            assert (await (await b.batch.submit("hello"))).succeeded


async def test_submitted_job_that_stays_unknown_vanishes_after_its_grace(bench: MakeBench) -> None:
    async with bench() as b:
        b.local.faults.add("DescribeJobs", Fault.lag(10 * HOUR))
        job = await b.batch.submit("hello")
        started = anyio.current_time()
        with pytest.raises(JobVanished, match="has not returned job"):
            await job
        assert 270 <= anyio.current_time() - started < 300
        assert [e.job_id for e in b.events_of(JobLost)] == [job.id]
        with pytest.raises(JobVanished):
            await job.wait()


async def test_attached_id_that_aws_does_not_know_vanishes_sooner(bench: MakeBench) -> None:
    async with bench() as b:
        [job] = await b.batch.attach(["no-such-job"])
        started = anyio.current_time()
        with pytest.raises(JobVanished, match="Check the id"):
            await job
        assert 30 <= anyio.current_time() - started < 40


async def test_job_that_aws_removed_before_its_end_was_seen_vanishes(bench: MakeBench) -> None:
    async with bench(Script(duration=0.1)) as b:
        b.local.faults.add("DescribeJobs", Fault.forget(0))
        with pytest.raises(JobVanished):
            await (await b.batch.submit("hello"))


# -- faults ----------------------------------------------------------------------------------------

PASSING = {
    "throttled": Fault.throttle(probability=0.5),
    "5xx": Fault.server_error(probability=0.5),
    "dropped before": Fault.drop_before(probability=0.5),
    "dropped after": Fault.drop_after(probability=0.5),
    "truncated": Fault.truncated(probability=0.5),
    "slow beyond the read timeout": Fault.latency(120, probability=0.3),
    "slow": Fault.latency(5),
}


@pytest.mark.parametrize("fault", PASSING)
async def test_polling_continues_after_temporary_faults(bench: MakeBench, fault: str) -> None:
    """The jobs need two calls."""
    async with bench(Script(duration=120)) as b:
        with b.local.faults.add("DescribeJobs", PASSING[fault]) as injected:
            results = await b.batch.run(JobRequest("hello") for _ in range(110))
        assert injected.hits > 2
        assert all(result.succeeded for result in results)


async def test_polling_continues_after_an_outage_of_hours(bench: MakeBench) -> None:
    async with bench(Script(duration=60)) as b:
        job = await b.batch.submit("hello")
        await job.wait(until=JobStatus.RUNNING)
        outage = b.local.faults.add("*", Fault.drop_before())
        await anyio.sleep(5 * HOUR)
        assert not job.is_finished
        assert b.local.calls["DescribeJobs"] < 1_000  # retries back off
        outage.remove()
        with anyio.fail_after(60):
            assert (await job).succeeded


async def test_polling_continues_after_expired_credentials_are_renewed(bench: MakeBench) -> None:
    async with bench(Script(duration=60)) as b:
        job = await b.batch.submit("hello")
        await job.wait(until=JobStatus.RUNNING)
        expired = b.local.faults.add("*", _expired())
        await anyio.sleep(20)
        expired.remove()
        assert (await job).succeeded


async def test_credentials_that_stay_expired_are_raised_to_every_waiter(bench: MakeBench) -> None:
    async with bench(Script(duration=HOUR)) as b:
        jobs = await b.batch.submit_many(JobRequest("hello") for _ in range(3))
        await jobs[0].wait(until=JobStatus.RUNNING)
        b.local.faults.add("*", _expired())
        await _assert_all_waiters_raise(jobs, CredentialsExpired, "Log in again")


async def test_denied_access_is_raised_to_every_waiter_and_a_later_wait_succeeds(
    bench: MakeBench,
) -> None:
    async with bench(Script(duration=60)) as b:
        jobs = await b.batch.submit_many(JobRequest("hello") for _ in range(3))
        denial = Fault.error("AccessDeniedException", "no batch:DescribeJobs", status=403)
        with b.local.faults.add("DescribeJobs", denial):
            await _assert_all_waiters_raise(jobs, AccessDenied, "Add the permission in IAM")
        assert (await jobs[0]).succeeded


def _expired() -> Fault:
    return Fault.error("ExpiredTokenException", "The security token has expired", status=403)


async def _assert_all_waiters_raise(jobs: list, error: type[Exception], message: str) -> None:  # type: ignore[type-arg]
    async def wait(job: object) -> None:
        with pytest.raises(error, match=message):
            await job  # type: ignore[misc]

    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(wait, job)


async def test_crash_of_the_background_task_is_raised_to_every_waiter(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of this package must not leave a caller waiting without end."""

    def bug(*_: object) -> None:
        raise RuntimeError("a bug")

    async with bench(Script(duration=60)) as b:
        job = await b.batch.submit("hello")
        monkeypatch.setattr(b.session.poller, "_deliver", bug)
        with pytest.raises(Exception, match="background task crashed"):
            await job
        with pytest.raises(Exception, match="background task crashed"):
            await b.batch.submit("hello")
