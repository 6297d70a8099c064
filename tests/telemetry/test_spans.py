"""Spans: one for each job, whatever happens to it."""

from datetime import datetime
from pathlib import Path

import anyio
import pytest
from opentelemetry.trace import SpanKind, StatusCode

from asyncbatch import (
    APIError,
    Event,
    JobBlocked,
    JobFailed,
    JobRequest,
    JobVanished,
    RateLimits,
    RecoveryPolicy,
    SubmitUncertain,
)
from asyncbatch.local import Fault, Launch, Script
from asyncbatch.telemetry import instrument
from tests.fixtures.bench import MakeBench
from tests.session.programs import client, failed_once, submitted
from tests.telemetry.recorded import Recorded, attributes, context, events, states

pytestmark = pytest.mark.virtual_time

SPOT = Script(exit_code=None, status_reason="Host EC2 (instance i-1) terminated.")


async def test_job_has_one_span_with_its_submission_states_and_attempt(
    bench: MakeBench, recorded: Recorded
) -> None:
    async with bench(Script(duration=60)) as b:
        with instrument(b.batch, **recorded.providers):
            job = await b.batch.submit("hello", name="mine")
            result = await job
    span = recorded.span
    assert (span.name, span.kind) == ("job hello", SpanKind.CLIENT)
    assert span.status.status_code is StatusCode.UNSET
    facts = attributes(span)
    assert (
        facts
        | {
            "cloud.provider": "aws",
            "cloud.region": "local",
            "aws.batch.job.id": job.id,
            "aws.batch.job.name": "mine",
            "aws.batch.job.queue": "default",
            "aws.batch.job.status": "SUCCEEDED",
            "aws.batch.job.submissions": 1,
            "aws.batch.job.attempts": 1,
            "process.exit.code": 0,
        }
        == facts
    )
    assert (
        datetime.fromisoformat(facts["aws.batch.job.stopped_at"]) == result.description.stopped_at
    )
    names = [name for name, _ in events(span)]
    assert (names[0], names.count("submitted"), names.count("attempt")) == ("submitted", 1, 1)
    assert states(span)[-2:] == ["RUNNING", "SUCCEEDED"]


async def test_attempts_are_events_at_the_time_of_their_end(
    bench: MakeBench, recorded: Recorded
) -> None:
    async with bench(Script(duration=30, exit_code=3)) as b:
        with instrument(b.batch, **recorded.providers):
            result = await (await b.batch.submit("hello", retry=3)).result(check=False)
    attempts = [event for event in recorded.span.events if event.name == "attempt"]
    ends = [each.stopped_at for each in result.description.attempts]
    assert [round(each.timestamp / 1e9, 3) for each in attempts] == [
        round(end.timestamp(), 3) for end in ends if end
    ]
    facts = [dict(each.attributes or {}) for each in attempts]
    assert [each["aws.batch.job.attempt"] for each in facts] == [1, 2, 3]
    assert [each["process.exit.code"] for each in facts] == [3, 3, 3]
    assert all(each["aws.log.stream.names"] for each in facts)


async def test_failure_is_the_status_of_the_span(bench: MakeBench, recorded: Recorded) -> None:
    async with bench(Script(exit_code=3)) as b:
        with instrument(b.batch, **recorded.providers), pytest.raises(JobFailed):
            await (await b.batch.submit("hello"))
    span = recorded.span
    assert span.status.status_code is StatusCode.ERROR
    assert "exit code 3" in (span.status.description or "")
    assert attributes(span)["error.type"] == "exit_code"


async def test_parent_is_the_span_of_the_caller_for_each_way_to_submit(
    bench: MakeBench, recorded: Recorded
) -> None:
    tracer = recorded.tracers.get_tracer("test")
    request = JobRequest("hello")
    async with bench() as b:
        with instrument(b.batch, **recorded.providers):
            with tracer.start_as_current_span("caller"):
                await (await b.batch.submit(request))
                await (await b.batch.start_submit(request))
                await b.batch.run([request] * 3, max_in_flight=1)
                async with b.batch.job_group() as group:
                    await group.submit(request)
            await (await b.batch.submit(request))
    [caller] = [span for span in recorded.spans if span.name == "caller"]
    parents = [span.parent for span in recorded.spans if span is not caller]
    assert [each and each.span_id for each in parents] == [
        *[context(caller).span_id] * 6,
        None,
    ]


async def test_job_that_is_submitted_again_keeps_its_span(
    bench: MakeBench, recorded: Recorded
) -> None:
    scripts = iter([SPOT, SPOT, Script()])
    policy = RecoveryPolicy.for_spot(fallback_queue="reserve")
    async with bench(lambda _: next(scripts), recovery=policy) as b:
        async with b.local.session.create_client("batch") as aws:
            await aws.create_job_queue(
                jobQueueName="reserve", priority=1, computeEnvironmentOrder=[]
            )
        with instrument(b.batch, **recorded.providers):
            job = await b.batch.submit("hello", queue="default")
            last = (await job).description
        ids = submitted(b)
    span = recorded.span
    assert span.status.status_code is StatusCode.UNSET
    assert attributes(span)["aws.batch.job.submissions"] == 3
    assert attributes(span)["aws.batch.job.id"] == ids[2]
    assert attributes(span)["aws.batch.job.name"] == last.name
    assert attributes(span)["aws.batch.job.queue"] == "reserve"
    assert set(recorded.points("asyncbatch.jobs.ended")) == {("reserve", "SUCCEEDED")}
    sent = [facts for name, facts in events(span) if name == "submitted"]
    assert [facts["aws.batch.job.id"] for facts in sent] == ids
    assert [facts["aws.batch.job.submission"] for facts in sent] == [1, 2, 3]
    assert [facts.get("aws.batch.job.previous_id") for facts in sent] == [None, *ids[:2]]
    assert [facts.get("error.type") for facts in sent] == [None, "host_lost", "host_lost"]


async def test_array_job_has_one_span_with_the_parts_that_run_again(
    bench: MakeBench, recorded: Recorded
) -> None:
    def script(launch: Launch) -> Script:
        return SPOT if launch.array_index == 2 and "sh" not in launch.command else Script()

    async with bench(script, recovery=RecoveryPolicy.for_spot()) as b:
        with instrument(b.batch, **recorded.providers):
            array = await b.batch.submit_array("hello", 4, command=["etl"])
            assert (await array).succeeded
            assert (await array[2]).succeeded
        first, part = submitted(b)
    span = recorded.span
    facts = attributes(span)
    assert (facts["aws.batch.job.id"], facts["aws.batch.job.array.size"]) == (first, 4)
    assert facts["aws.batch.job.submissions"] == 2
    assert [each["aws.batch.job.id"] for name, each in events(span) if name == "submitted"] == [
        first,
        part,
    ]


async def test_coalesced_run_has_a_span_for_each_array(
    bench: MakeBench, recorded: Recorded
) -> None:
    requests = [JobRequest("hello", command=["etl"], environment={"N": str(n)}) for n in range(20)]
    async with bench() as b:
        with instrument(b.batch, **recorded.providers):
            await b.batch.run(requests, coalesce=True)
    assert attributes(recorded.span)["aws.batch.job.array.size"] == 20


async def test_refused_submission_ends_its_span_with_the_error(
    bench: MakeBench, recorded: Recorded
) -> None:
    async with bench() as b:
        with instrument(b.batch, **recorded.providers), pytest.raises(APIError):
            await b.batch.submit("unknown")
    span = recorded.span
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"] == "ClientException"


async def test_reason_why_a_job_waits_is_an_event(bench: MakeBench, recorded: Recorded) -> None:
    is_blocked = anyio.Event()

    def note(event: Event) -> None:
        if isinstance(event, JobBlocked):
            is_blocked.set()

    async with bench(vcpus=1) as b:
        with instrument(b.batch, **recorded.providers):
            b.batch.add_observer(note)
            job = await b.batch.submit("hello", vcpus=2)
            await is_blocked.wait()
            await job.terminate()
            await job.result(check=False)
    [reason] = [facts for name, facts in events(recorded.span) if name == "blocked"]
    assert reason["error.type"]
    assert reason["aws.batch.job.reason"]


async def test_vanished_job_ends_its_span_with_an_error(
    bench: MakeBench, recorded: Recorded
) -> None:
    async with bench(Script(duration=0.1)) as b:
        with instrument(b.batch, **recorded.providers):
            job = await b.batch.submit("hello")
            b.local.faults.add("DescribeJobs", Fault.forget(0))
            with pytest.raises(JobVanished):
                await job
    assert attributes(recorded.span)["error.type"] == "JobVanished"
    assert recorded.span.status.status_code is StatusCode.ERROR


async def test_job_that_an_error_keeps_from_being_submitted_again_ends_its_span_as_failed(
    bench: MakeBench, recorded: Recorded
) -> None:
    async with bench(SPOT, recovery=RecoveryPolicy.for_spot()) as b:
        with instrument(b.batch, **recorded.providers):
            job = await b.batch.submit("hello")
            b.local.faults.add("SubmitJob", Fault.drop_after())
            b.local.faults.add("ListJobs", Fault.error("AccessDeniedException", "no"))
            with pytest.raises(SubmitUncertain):
                await job
    assert attributes(recorded.span)["aws.batch.job.status"] == "FAILED"
    assert recorded.span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize("ends_by", ["close", "remove"])
async def test_job_that_has_not_ended_ends_its_span_as_no_longer_followed(
    bench: MakeBench, recorded: Recorded, ends_by: str
) -> None:
    async with bench(Script(duration=None)) as b:
        instrumentation = instrument(b.batch, **recorded.providers)
        await b.batch.submit("hello")
        if ends_by == "remove":
            instrumentation.remove()
            await b.batch.submit("hello")
        else:
            await b.batch.aclose()
        span = recorded.span
        assert events(span)[-1] == ("no longer followed", {})
        assert span.status.status_code is StatusCode.UNSET
        assert sum(recorded.points("asyncbatch.jobs.active").values()) == 0


@pytest.mark.parametrize(
    ("is_instrumented_before", "is_instrumented_after", "spans"),
    [
        (True, False, [["no longer followed"]]),
        (True, True, [["no longer followed"], ["status", "attempt", "status"]]),
        (False, True, [["status", "attempt", "status"]]),
    ],
)
async def test_instrumentation_changes_while_a_submission_is_on_its_way(
    bench: MakeBench,
    recorded: Recorded,
    *,
    is_instrumented_before: bool,
    is_instrumented_after: bool,
    spans: list[list[str]],
) -> None:
    async with bench(Script(duration=60)) as b:
        instrumentation = None
        if is_instrumented_before:
            instrumentation = instrument(b.batch, **recorded.providers)
        b.local.faults.add("SubmitJob", Fault.latency(10))
        submission = b.batch.start_submit("hello")
        await b.next_call("SubmitJob")
        if instrumentation is not None:
            instrumentation.remove()
        if is_instrumented_after:
            instrument(b.batch, **recorded.providers)
        await (await submission)
    assert [[name for name, _ in events(span)] for span in recorded.spans] == spans
    assert set(recorded.points("asyncbatch.jobs.active").values()) <= {0}


async def test_resumed_recovery_has_a_span_from_its_next_submission_on(
    bench: MakeBench, recorded: Recorded, tmp_path: Path
) -> None:
    request = JobRequest("hello", recovery=RecoveryPolicy.for_spot())
    scripts = iter([SPOT, SPOT, Script()])
    async with bench(lambda _: next(scripts)) as b:
        async with client(b, tmp_path / "run.db") as batch:
            await failed_once(b, await batch.submit(request))
        async with client(b, tmp_path / "run.db") as batch:
            with instrument(batch, **recorded.providers):
                await batch.run([request])
        ids = submitted(b)
    sent = [facts for name, facts in events(recorded.span) if name == "submitted"]
    assert [facts["aws.batch.job.id"] for facts in sent] == ids[1:]
    assert [facts["aws.batch.job.submission"] for facts in sent] == [2, 3]
    assert attributes(recorded.span)["aws.batch.job.submissions"] == 3


async def test_resumed_recovery_that_is_refused_ends_its_span(
    bench: MakeBench, recorded: Recorded, tmp_path: Path
) -> None:
    request = JobRequest("hello", recovery=RecoveryPolicy.for_spot())
    async with bench(SPOT) as b:
        async with client(b, tmp_path / "run.db") as batch:
            await failed_once(b, await batch.submit(request))
        b.local.faults.add("SubmitJob", Fault.error("ClientException", "no", status=400))
        async with client(b, tmp_path / "run.db") as batch:
            with instrument(batch, **recorded.providers):
                await batch.run([request], check=False)
    assert recorded.span.status.status_code is StatusCode.ERROR
    assert attributes(recorded.span)["error.type"] == "ClientException"


async def test_hostile_reason_is_cut_and_can_be_encoded(
    bench: MakeBench, recorded: Recorded
) -> None:
    async with bench(Script(exit_code=1, status_reason="\ud800<script>" * 200)) as b:
        with instrument(b.batch, **recorded.providers):
            await (await b.batch.submit("hello")).result(check=False)
    texts = [value for _, facts in events(recorded.span) for value in facts.values()]
    reasons = [text for text in texts if isinstance(text, str) and "<script>" in text]
    assert [len(reason.encode()) for reason in reasons] == [1024, 1024]
    assert len(recorded.span.status.description or "") == 1024


async def test_resumed_job_has_a_span_linked_to_its_earlier_one(
    bench: MakeBench, recorded: Recorded, tmp_path: Path
) -> None:
    async with bench(Script(duration=600)) as b:
        for _ in range(2):
            async with client(b, tmp_path / "run.db") as batch:
                with instrument(batch, **recorded.providers, propagate=True):
                    [job] = await batch.submit_many([JobRequest("hello")])
                    if recorded.spans:
                        await job
        assert len(submitted(b)) == 1
    earlier, later = recorded.spans
    assert [link.context.span_id for link in later.links] == [context(earlier).span_id]
    assert attributes(later)["aws.batch.job.id"] == attributes(earlier)["aws.batch.job.id"]
    assert states(later)[-1] == "SUCCEEDED"


async def test_attached_job_has_a_span_and_jobs_that_are_only_found_have_none(
    bench: MakeBench, recorded: Recorded
) -> None:
    async with bench(Script(duration=100)) as b:
        theirs, _ = await b.submitted_by_another(2)
        with instrument(b.batch, **recorded.providers):
            assert len(await b.batch.find(queue="default")) == 2
            await (await b.batch.job(theirs))
            await b.batch.job(theirs)  # it has ended: nothing is followed any more
    facts = attributes(recorded.span)
    assert (recorded.span.name, facts["aws.batch.job.id"]) == ("job hello", theirs)
    assert facts["aws.batch.job.name"] == "theirs"


async def test_job_that_is_followed_already_has_a_span_from_then_on(
    bench: MakeBench, recorded: Recorded
) -> None:
    async with bench(Script(duration=100)) as b:
        job = await b.batch.submit("hello")
        with instrument(b.batch, **recorded.providers):
            await job
    assert attributes(recorded.span)["aws.batch.job.id"] == job.id
    assert sum(recorded.points("asyncbatch.jobs.ended").values()) == 1


async def test_submission_of_a_cancelled_caller_ends_its_span_without_an_error(
    bench: MakeBench, recorded: Recorded
) -> None:
    async with bench(limits=RateLimits(submit_per_second=0.01)) as b:
        with instrument(b.batch, **recorded.providers):
            await b.batch.submit("hello", name="first")
            with anyio.move_on_after(1):
                await b.batch.submit("hello", name="second")
            await anyio.sleep(1)  # until it is withdrawn
            [span] = recorded.spans
    assert attributes(span)["aws.batch.job.name"] == "second"
    assert events(span) == [("withdrawn", {})]
    assert span.status.status_code is StatusCode.UNSET


async def test_children_that_are_awaited_have_no_spans_of_their_own(
    bench: MakeBench, recorded: Recorded
) -> None:
    async with bench() as b:
        with instrument(b.batch, **recorded.providers):
            array = await b.batch.submit_array("hello", 3)
            for child in array:
                await child
            await array
    assert len(recorded.spans) == 1
