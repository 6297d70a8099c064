"""The log of one job: live, complete, every line once, in order, and it ends by itself."""

import random
from datetime import datetime

import anyio
import pytest

from asyncbatch import (
    InvalidRequest,
    Job,
    JobDescription,
    JobStatus,
    LogsUnavailable,
    PodProperties,
)
from asyncbatch.local import Fault, Script
from tests.fixtures.bench import DEFINITION, MakeBench

pytestmark = pytest.mark.virtual_time

TEN_LINES = [(float(t), f"line {t}") for t in range(10)]
PAGES = [(t // 250 / 4, f"line {t}") for t in range(25_000)]  # three pages


async def _messages(job: Job, **how: object) -> list[str]:
    return [event.message async for event in job.logs(**how)]  # type: ignore[arg-type]


async def test_lines_are_yielded_while_the_job_runs(bench: MakeBench) -> None:
    async with bench(Script(duration=60, lines=[(0, "first"), (30, "half"), (59, "last")])) as b:
        job = await b.batch.submit("hello")
        seen = [(event.message, job.status) async for event in job.logs()]
    assert seen[0] == ("first", JobStatus.RUNNING)
    assert seen[1] == ("half", JobStatus.RUNNING)
    assert [message for message, _ in seen] == ["first", "half", "last"]


async def test_event_names_its_job_attempt_and_stream(bench: MakeBench) -> None:
    async with bench(Script(lines=[(0, "hello")])) as b:
        job = await b.batch.submit("hello")
        [event] = [event async for event in job.logs()]
        assert job.description is not None
        [stream] = job.description.attempts[0].log_stream_names
    assert (event.job_id, event.attempt, event.stream) == (job.id, 1, stream)
    assert event.timestamp.tzinfo is not None
    assert event.ingestion_time is not None


async def test_following_may_start_before_the_stream_exists(bench: MakeBench) -> None:
    async with bench(Script(startup=300, lines=TEN_LINES)) as b:
        job = await b.batch.submit("hello")
        assert len(await _messages(job)) == 10


async def test_lines_that_become_readable_after_the_jobs_end_are_yielded(bench: MakeBench) -> None:
    """CloudWatch Logs shows lines some seconds after they were written."""
    async with bench(Script(duration=2, lines=[(0, "a"), (1.9, "b")]), log_delay=8) as b:
        job = await b.batch.submit("hello")
        assert await _messages(job) == ["a", "b"]


async def test_all_attempts_are_read_in_order(bench: MakeBench) -> None:
    def script(job: object) -> Script:
        attempt = job.attempt  # type: ignore[attr-defined]
        lines = [(t, f"{attempt}.{t}") for t in range(3)]
        return Script(duration=5, exit_code=0 if attempt == 3 else 1, lines=lines)

    async with bench(script) as b:
        job = await b.batch.submit("hello", retry=3)
        events = [event async for event in job.logs()]
    assert [e.message for e in events] == [f"{a}.{t}" for a in (1, 2, 3) for t in range(3)]
    assert [e.attempt for e in events] == [1, 1, 1, 2, 2, 2, 3, 3, 3]


async def test_log_of_several_pages_is_read_once(bench: MakeBench) -> None:
    async with bench(Script(duration=60, lines=PAGES)) as b:
        job = await b.batch.submit("hello")
        assert await _messages(job) == [text for _, text in PAGES]


async def test_job_without_a_log_yields_nothing(bench: MakeBench) -> None:
    async with bench(Script(fails_to_start=True, exit_code=None)) as b:
        job = await b.batch.submit("hello")
        assert await _messages(job) == []
        assert job.status is JobStatus.FAILED


async def test_follow_false_yields_what_is_there_and_stops(bench: MakeBench) -> None:
    async with bench(Script(duration=100, lines=TEN_LINES)) as b:
        job = await b.batch.submit("hello")
        assert await _messages(job, follow=False) == []
        await job.wait(until=JobStatus.RUNNING)
        await anyio.sleep(5)
        partial = await _messages(job, follow=False)
        assert 4 <= len(partial) < 10
        await job
        assert len(await _messages(job, follow=False)) == 10


async def test_tail_is_read_from_the_end_with_one_call(bench: MakeBench) -> None:
    async with bench(Script(duration=60, lines=PAGES)) as b:
        job = await b.batch.submit("hello")
        await job
        before = b.local.calls["GetLogEvents"]
        last = await _messages(job, tail=3, follow=False)
        assert last == ["line 24997", "line 24998", "line 24999"]
        assert b.local.calls["GetLogEvents"] - before == 1


async def test_tail_larger_than_the_log_yields_all_lines(bench: MakeBench) -> None:
    async with bench(Script(duration=20, lines=TEN_LINES)) as b:
        job = await b.batch.submit("hello")
        await job
        assert len(await _messages(job, tail=1_000, follow=False)) == 10


async def test_tail_zero_is_an_invalid_request(bench: MakeBench) -> None:
    async with bench() as b:
        job = await b.batch.submit("hello")
        with pytest.raises(InvalidRequest, match="tail=0"):
            await _messages(job, tail=0)


async def test_leaving_the_loop_early_does_not_affect_the_job(bench: MakeBench) -> None:
    async with bench(Script(duration=60, lines=TEN_LINES)) as b:
        job = await b.batch.submit("hello")
        async for event in job.logs():
            assert event.message == "line 0"
            break
        assert (await job).succeeded


async def test_two_consumers_of_one_job_each_get_every_line(bench: MakeBench) -> None:
    async with bench(Script(duration=60, lines=TEN_LINES)) as b:
        job = await b.batch.submit("hello")
        read: list[list[str]] = []

        async def reader() -> None:
            read.append(await _messages(job))

        async with anyio.create_task_group() as group:
            group.start_soon(reader)
            group.start_soon(reader)
    assert read == [[text for _, text in TEN_LINES]] * 2


async def test_since_leaves_out_earlier_lines(bench: MakeBench) -> None:
    async with bench(Script(duration=20, lines=TEN_LINES)) as b:
        job = await b.batch.submit("hello")
        events = [event async for event in job.logs()]
        fourth = events[4].timestamp
        later = [text for _, text in TEN_LINES[4:]]
        assert await _messages(job, since=fourth) == later
        assert await _messages(job, since=fourth, follow=False) == later
        assert await _messages(job, since=fourth, tail=100) == later
        assert await _messages(job, since=fourth, tail=2) == later[-2:]


async def test_since_without_a_time_zone_is_an_invalid_request(bench: MakeBench) -> None:
    async with bench() as b:
        job = await b.batch.submit("hello")
        with pytest.raises(InvalidRequest, match="since="):
            await _messages(job, since=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the error


FAULTS = {
    "throttled": Fault.throttle(probability=0.5),
    "5xx": Fault.server_error(probability=0.5),
    "dropped": Fault.drop_after(probability=0.5),
    "truncated": Fault.truncated(probability=0.5),
    "slow": Fault.latency(3),
    "empty pages": Fault.empty_page(probability=0.5),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_transient_faults_lose_and_repeat_no_line(bench: MakeBench, fault: str) -> None:
    rng = random.Random(7)
    lines = sorted((rng.uniform(0, 300), f"line {n}") for n in range(2_000))
    async with bench(Script(duration=310, lines=lines)) as b:
        b.local.faults.add("GetLogEvents", FAULTS[fault])
        job = await b.batch.submit("hello")
        assert await _messages(job) == [text for _, text in lines]


async def test_custom_log_group_is_read(bench: MakeBench) -> None:
    logs = {"logDriver": "awslogs", "options": {"awslogs-group": "/my/own"}}
    async with bench(Script(lines=[(0, "hello")])) as b:
        await _define(b.batch, "grouped", logConfiguration=logs)
        job = await b.batch.submit("grouped")
        assert await _messages(job) == ["hello"]


async def test_other_log_driver_raises_logs_unavailable(bench: MakeBench) -> None:
    async with bench(Script(lines=[(0, "hello")])) as b:
        await _define(b.batch, "splunked", logConfiguration={"logDriver": "splunk"})
        job = await b.batch.submit("splunked")
        with pytest.raises(LogsUnavailable, match="log driver is splunk"):
            await _messages(job)


async def _define(batch: object, name: str, **container: object) -> None:
    properties = {**DEFINITION["containerProperties"], **container}
    definition = {**DEFINITION, "jobDefinitionName": name, "containerProperties": properties}
    await batch.register_job_definition(definition)  # type: ignore[attr-defined]


async def test_eks_job_raises_logs_unavailable_with_a_kubectl_command(bench: MakeBench) -> None:
    """The local engine runs no EKS jobs, so the test makes the description."""
    async with bench() as b:
        job = b.handle(
            JobDescription(
                job_id="eks", status=JobStatus.RUNNING, pod=PodProperties(name="aws-batch.1234")
            )
        )
        with pytest.raises(LogsUnavailable, match=r"pod aws-batch\.1234") as caught:
            await _messages(job)
    assert "kubectl logs" in caught.value.next_step
