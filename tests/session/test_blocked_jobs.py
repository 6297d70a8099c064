"""Jobs that cannot start are reported: an event for each, one warning for many."""

import logging

import anyio
import pytest

from asyncbatch import FailureKind, JobBlocked, JobRequest, JobStatus
from asyncbatch.local import Script
from tests.fixtures.bench import Bench, MakeBench

pytestmark = pytest.mark.virtual_time

TOO_LARGE = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, logger="asyncbatch")
    return caplog


def warnings(log: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in log.messages if "blocked" in message]


async def all_blocked(b: Bench, jobs: int) -> None:
    """Wait until the client knows of each job that it is blocked."""
    while len(b.events_of(JobBlocked)) < jobs:  # noqa: ASYNC110 - events are counted
        await anyio.sleep(1)


async def test_job_larger_than_its_queue_is_reported_while_it_waits(
    bench: MakeBench, log: pytest.LogCaptureFixture
) -> None:
    async with bench(vcpus=4) as b:
        job = await b.batch.submit("hello", vcpus=64, name="huge")
        assert job.wait_reason is None
        await all_blocked(b, 1)
        assert job.status is JobStatus.RUNNABLE
        reason = job.wait_reason
        assert reason is not None
        assert reason.kind is FailureKind.MISCONFIGURATION
        assert not reason.transient
        await anyio.sleep(600)
        [event] = b.events_of(JobBlocked)
        assert (event.job_id, event.reason) == (job.id, reason)
        assert event.description.status_reason.startswith(TOO_LARGE)
        [warning] = warnings(log)
        assert f"job huge ({job.id}) is blocked in queue default" in warning
        assert "request less, or use another queue" in warning
        await job.terminate()
        await job.wait()
        assert job.wait_reason is None


@pytest.mark.parametrize("jobs", [30, 300], ids=["described", "listed"])
async def test_many_jobs_blocked_for_one_reason_log_one_warning_with_their_number(
    bench: MakeBench, log: pytest.LogCaptureFixture, jobs: int
) -> None:
    async with bench(vcpus=4) as b:
        await b.batch.submit_many(JobRequest("hello", vcpus=64) for _ in range(jobs))
        await all_blocked(b, jobs)
        await anyio.sleep(900)
        assert len(b.events_of(JobBlocked)) == jobs
        [warning] = warnings(log)
        assert f"{jobs:,} jobs, such as hello-" in warning
        assert "are blocked in queue default" in warning


async def test_further_jobs_are_warned_about_after_an_hour(
    bench: MakeBench, log: pytest.LogCaptureFixture
) -> None:
    async with bench(vcpus=4) as b:
        await b.batch.submit("hello", vcpus=64)
        await anyio.sleep(120)
        await b.batch.submit_many(JobRequest("hello", vcpus=64) for _ in range(3))
        await anyio.sleep(600)
        assert len(warnings(log)) == 1
        await anyio.sleep(3600)
        assert len(warnings(log)) == 2
        assert "3 jobs, such as" in warnings(log)[1]


async def test_warning_that_was_held_back_is_logged_when_the_client_closes(
    bench: MakeBench, log: pytest.LogCaptureFixture
) -> None:
    async with bench(vcpus=4) as b:
        await b.batch.submit("hello", vcpus=64)
        await all_blocked(b, 1)
        assert warnings(log) == []
        await b.batch.aclose()
        assert len(warnings(log)) == 1
    assert len(warnings(log)) == 1


async def test_jobs_that_wait_for_free_vcpus_are_not_blocked(
    bench: MakeBench, log: pytest.LogCaptureFixture
) -> None:
    async with bench(Script(duration=300), vcpus=1) as b:
        jobs = await b.batch.submit_many(JobRequest("hello") for _ in range(3))
        await anyio.sleep(120)
        assert [job.wait_reason for job in jobs] == [None, None, None]
        assert b.events_of(JobBlocked) == []
        assert warnings(log) == []
