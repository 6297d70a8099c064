"""Metrics: jobs, submissions, calls, and the delay until an end is reported."""

import pytest

from asyncbatch import JobRequest, JobStatus, RequestCompleted
from asyncbatch.local import Fault, Launch, Script
from asyncbatch.telemetry import instrument
from asyncbatch.telemetry._attributes import Codes
from tests.fixtures.bench import MakeBench
from tests.telemetry.recorded import Recorded

pytestmark = pytest.mark.virtual_time

QUEUE = "default"


async def test_jobs_count_by_state_and_failure(bench: MakeBench, recorded: Recorded) -> None:
    def script(launch: Launch) -> Script:
        return Script(exit_code=3 if launch.command == ("bad",) else 0)

    requests = [JobRequest("hello", command=["bad"]), *[JobRequest("hello")] * 4]
    async with bench(script) as b:
        with instrument(b.batch, **recorded.providers):
            await b.batch.run(requests, check=False)
    assert recorded.points("asyncbatch.jobs.ended") == {
        (QUEUE, "SUCCEEDED"): 4,
        (QUEUE, "FAILED", "exit_code"): 1,
    }
    assert recorded.points("asyncbatch.submissions") == {(QUEUE,): 5}
    assert set(recorded.points("asyncbatch.jobs.active").values()) == {0}


async def test_array_counts_as_its_children(bench: MakeBench, recorded: Recorded) -> None:
    def script(launch: Launch) -> Script:
        return Script(duration=60, exit_code=launch.array_index == 1)

    async with bench(script) as b:
        with instrument(b.batch, **recorded.providers):
            array = await b.batch.submit_array("hello", 5)
            assert recorded.points("asyncbatch.jobs.active") == {(QUEUE, "SUBMITTED"): 5}
            async for description in array.changes():
                if description.array and description.array.status_summary.get(JobStatus.RUNNING):
                    break
            assert sum(recorded.points("asyncbatch.jobs.active").values()) == 5
            await array.result(check=False)
    assert recorded.points("asyncbatch.jobs.ended") == {
        (QUEUE, "SUCCEEDED"): 4,
        (QUEUE, "FAILED", "array_child"): 1,
    }
    assert recorded.points("asyncbatch.submissions") == {(QUEUE,): 1}
    assert set(recorded.points("asyncbatch.jobs.active").values()) == {0}


async def test_delay_is_the_time_from_the_end_of_a_job_to_its_report(
    bench: MakeBench, recorded: Recorded
) -> None:
    async with bench(Script(duration=100)) as b:
        with instrument(b.batch, **recorded.providers):
            await b.batch.run([JobRequest("hello")] * 3)
        longest = b.session.settings.poll.max_interval
    point = recorded.points("asyncbatch.job.end.delay")[(QUEUE,)]
    assert point.count == 3
    assert 0 <= point.min <= point.max <= longest + 1


async def test_calls_count_by_operation_and_error(bench: MakeBench, recorded: Recorded) -> None:
    async with bench() as b:
        with instrument(b.batch, **recorded.providers):
            b.local.faults.add("SubmitJob", Fault.throttle(times=2))
            b.local.faults.add("DescribeJobs", Fault.server_error(times=1))
            await (await b.batch.submit("hello"))
        calls = b.local.calls
        codes = {each.code for each in b.events_of(RequestCompleted)}
    points = recorded.points("rpc.client.call.duration")
    counts = {values[1:]: point.count for values, point in points.items()}
    assert counts[("SubmitJob",)] == 1
    assert counts[("DescribeJobs",)] == calls["DescribeJobs"] - 1
    failed = {values: count for values, count in counts.items() if len(values) > 1}
    assert sum(failed.values()) == 3
    assert {values[0] for values in failed} == {"SubmitJob", "DescribeJobs"}
    assert {values[1] for values in failed} == codes - {None}
    assert recorded.points("asyncbatch.calls.throttled") == {("SubmitJob",): 2}
    assert sum(counts.values()) == calls.total() - calls["RegisterJobDefinition"] - 1


def test_error_codes_are_bounded() -> None:
    codes = Codes()
    values = {codes.bounded(f"code-{number}") for number in range(1000)}
    assert len(values) == 51
    assert codes.bounded("code-1") == "code-1"
    assert codes.bounded("code-999") == "_OTHER"
