"""The context of a trace in the environment of containers, which changes nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, use_span

from asyncbatch import APIError, ArrayJob, Job, JobRequest, RecoveryPolicy
from asyncbatch._aws.wire import requests as wire
from asyncbatch._journal.entries import identity_of
from asyncbatch._submitting.marks import Submission
from asyncbatch._submitting.matching import Likeness, likeness
from asyncbatch.local import Fault, Launch, Script
from asyncbatch.telemetry import instrument
from tests.fixtures.bench import Bench, MakeBench
from tests.session.programs import client, submitted
from tests.telemetry.recorded import Recorded, context

pytestmark = pytest.mark.virtual_time

SPOT = Script(exit_code=None, status_reason="Host EC2 (instance i-1) terminated.")
CONTEXT = {"TRACEPARENT", "TRACESTATE"}


def watch(b: Bench, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the arguments of each SubmitJob, as they are sent."""
    sent: list[dict[str, Any]] = []
    connection = b.session.connection
    real = connection.call

    async def call(
        service: str,
        operation: str,
        arguments: Mapping[str, Any],
        region: str | None = None,
        *,
        validate: bool = True,
    ) -> dict[str, Any]:
        if operation == "SubmitJob":
            sent.append(dict(arguments))
        return await real(service, operation, arguments, region, validate=validate)

    monkeypatch.setattr(connection, "call", call)
    return sent


def variables(arguments: Mapping[str, Any]) -> dict[str, str]:
    environment = arguments.get("containerOverrides", {}).get("environment", [])
    return {each["name"]: each["value"] for each in environment}


def without_context(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a SubmitJob without what differs between two equal requests."""
    overrides = arguments["containerOverrides"]
    kept = {n: v for n, v in variables(arguments).items() if n not in CONTEXT}
    return {**arguments, "jobName": "", "containerOverrides": {**overrides, "environment": kept}}


async def environment(job: Job) -> Mapping[str, str]:
    result = await job.result(check=False)
    return result.description.containers[0].environment


async def test_container_gets_the_context_of_its_job(bench: MakeBench, recorded: Recorded) -> None:
    async with bench() as b:
        with instrument(b.batch, **recorded.providers, propagate=True):
            given = await environment(await b.batch.submit("hello"))
    own = context(recorded.span)
    assert given["TRACEPARENT"].startswith(f"00-{own.trace_id:032x}-{own.span_id:016x}-")
    assert given["TRACESTATE"] == "asyncbatch=1"


async def test_state_of_the_caller_is_passed_on(bench: MakeBench, recorded: Recorded) -> None:
    full = TraceState([(f"k{n}", "v") for n in range(32)])
    caller = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1), trace_state=full)
    async with bench() as b:
        with (
            instrument(b.batch, **recorded.providers, propagate=True),
            use_span(NonRecordingSpan(caller)),
        ):
            given = await environment(await b.batch.submit("hello"))
    members = given["TRACESTATE"].split(",")
    assert members == ["asyncbatch=1", *(f"k{n}=v" for n in range(31))]
    assert given["TRACEPARENT"].split("-")[1] == f"{1:032x}"


async def test_nothing_is_added_unless_asked(bench: MakeBench, recorded: Recorded) -> None:
    async with bench() as b:
        with instrument(b.batch, **recorded.providers):
            assert not CONTEXT & (await environment(await b.batch.submit("hello"))).keys()


@pytest.mark.parametrize("own", [{"TRACEPARENT": "00-a"}, {"TRACESTATE": "mine=1"}])
async def test_request_with_a_context_of_its_own_keeps_it(
    bench: MakeBench, recorded: Recorded, own: dict[str, str]
) -> None:
    async with bench() as b:
        with instrument(b.batch, **recorded.providers, propagate=True):
            job = await b.batch.submit("hello", environment=own)
            given = await environment(job)
            assert {name: given[name] for name in CONTEXT & given.keys()} == own
            assert job.description is not None
            assert JobRequest.from_description(job.description).environment == own


# -- identity, clone, rerun, coalescing ------------------------------------------------------------


async def test_request_from_a_description_has_none_of_it(
    bench: MakeBench, recorded: Recorded
) -> None:
    request = JobRequest("hello", environment={"DAY": "mon"})
    async with bench() as b:
        with instrument(b.batch, **recorded.providers, propagate=True):
            job = await b.batch.submit(request)
            assert (await environment(job)).keys() == {"DAY", *CONTEXT}
            assert job.description is not None
            assert JobRequest.from_description(job.description).environment == {"DAY": "mon"}
            again = await environment(await b.batch.submit(job.clone()))
    first, second = recorded.spans
    assert again["TRACEPARENT"].split("-")[2] == f"{context(second).span_id:016x}"
    assert context(first).span_id != context(second).span_id


async def test_journal_finds_the_job_of_a_request_that_was_sent_with_a_context(
    bench: MakeBench, recorded: Recorded, tmp_path: Path
) -> None:
    request = JobRequest("hello", environment={"DAY": "mon"})
    before = identity_of(request)
    async with bench() as b:
        for propagate in (True, False, True):
            async with client(b, tmp_path / "run.db") as batch:
                with instrument(batch, **recorded.providers, propagate=propagate):
                    await batch.run([request])
        assert len(submitted(b)) == 1
    assert identity_of(request) == before


async def test_coalesced_requests_are_the_same_arrays_with_and_without(
    bench: MakeBench, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [JobRequest("hello", command=["etl"], environment={"N": str(n)}) for n in range(50)]
    async with bench() as b:
        sent = watch(b, monkeypatch)
        await b.batch.run(requests, coalesce=True)
        with instrument(b.batch, **recorded.providers, propagate=True):
            jobs = await b.batch.submit_many(requests, coalesce=True)
            for job in jobs:
                await job
            again = await b.batch.rerun_failed(jobs)
            assert again == jobs
    plain, traced = sent
    assert variables(traced).keys() - variables(plain).keys() == CONTEXT
    assert without_context(plain) == without_context(traced)


async def test_failed_children_run_again_with_a_new_context_only(
    bench: MakeBench, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(launch: Launch) -> Script:
        return Script(exit_code=launch.array_index == 1 and "sh" not in launch.command)

    async with bench(script) as b:
        with instrument(b.batch, **recorded.providers, propagate=True):
            array = await b.batch.submit("hello", command=["etl"], array_size=3)
            assert isinstance(array, ArrayJob)
            await array.result(check=False)
            sent = watch(b, monkeypatch)
            rerun = await array.rerun_failed()
            await rerun
    (arguments,) = sent
    names = [each["name"] for each in arguments["containerOverrides"]["environment"]]
    assert sorted(names) == sorted(set(names))
    assert variables(arguments)["TRACEPARENT"].split("-")[2] == (
        f"{context(recorded.spans[1]).span_id:016x}"
    )


async def test_submissions_of_one_job_have_the_same_context(
    bench: MakeBench, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = iter([SPOT, Script()])
    async with bench(lambda _: next(scripts), recovery=RecoveryPolicy.for_spot()) as b:
        sent = watch(b, monkeypatch)
        with instrument(b.batch, **recorded.providers, propagate=True):
            assert (await (await b.batch.submit("hello"))).succeeded
    assert len(sent) == 2
    assert variables(sent[0]) == variables(sent[1])


# -- lost responses --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "mine"])
@pytest.mark.parametrize("may_tag", [True, False])
async def test_lost_response_is_looked_up_as_without_a_context(
    bench: MakeBench,
    recorded: Recorded,
    monkeypatch: pytest.MonkeyPatch,
    name: str | None,
    *,
    may_tag: bool,
) -> None:
    request = JobRequest("hello", name=name, environment={"DAY": "mon"})
    async with bench() as b:
        b.session._submitter._may_tag = may_tag
        sent = watch(b, monkeypatch)
        with instrument(b.batch, **recorded.providers, propagate=True):
            b.local.faults.add("SubmitJob", Fault.drop_before(times=1))
            b.local.faults.add("SubmitJob", Fault.drop_after(times=1))
            job = await b.batch.submit(request)
        assert submitted(b) == [job.id]
    assert len(sent) > 1
    assert all(arguments == sent[0] for arguments in sent)
    assert len(recorded.spans) == 1


async def test_job_with_other_content_is_not_taken_for_a_lost_one(bench: MakeBench) -> None:
    """Likeness compares what the request has, and nothing that was added to it."""
    async with bench() as b:
        job = await b.batch.submit("hello", name="x", environment={"DAY": "mon"})
        description = (await job).description
    for day, expected in (("mon", Likeness.FULL), ("tue", Likeness.NONE)):
        request = JobRequest("hello", name="x", environment={"DAY": day})
        submission = _submission(request)
        assert likeness(submission, description) is expected


def _submission(request: JobRequest) -> Submission:
    return Submission(
        name="x",
        queue="default",
        job_definition="hello",
        since=0.0,
        has_unique_name=False,
        request=request,
        variables={"TRACEPARENT": "00", "TRACESTATE": "asyncbatch=1"},
    )


# -- no room, other kinds of jobs ------------------------------------------------------------------

ADDED = {"TRACEPARENT": f"00-{'1' * 32}-{'2' * 16}-01", "TRACESTATE": "asyncbatch=1"}


@pytest.mark.parametrize(
    "fields",
    [
        {"node_overrides": {"numNodes": 2}},
        {"ecs_properties_override": {"taskProperties": [{"containers": [{"name": "a"}]}]}},
        {"eks_properties_override": {"podProperties": {"containers": [{"name": "a"}]}}},
        {"environment": {"TRACEPARENT": "mine"}},
        {"environment": {"traceparent": "mine"}},
        {"extra": {"containerOverrides": {"environment": [{"name": "TRACESTATE", "value": ""}]}}},
        {"extra": {"containerOverrides": "odd"}},
        {"extra": {"containerOverrides": {"environment": "odd"}}},
    ],
)
def test_arguments_without_an_environment_to_extend_stay_as_they_are(
    fields: dict[str, Any],
) -> None:
    arguments = wire.submit_job(JobRequest("d", **fields), name="n", queue="q")
    assert wire.with_variables(arguments, ADDED) is arguments


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"command": ["a"]},
        {"environment": {"A": "1"}},
        {"extra": {"containerOverrides": {"environment": [{"name": "A", "value": "1"}]}}},
    ],
)
def test_variables_are_added_after_those_of_the_request(fields: dict[str, Any]) -> None:
    arguments = wire.submit_job(JobRequest("d", **fields), name="n", queue="q")
    before = repr(arguments)
    extended = wire.with_variables(arguments, ADDED)
    assert extended is not None
    assert variables(extended) == {**variables(arguments), **ADDED}
    assert list(variables(extended))[-2:] == list(ADDED)
    assert repr(arguments) == before


@pytest.mark.parametrize(
    ("fields", "has_room"),
    [
        ({"environment": {"A": "x" * 6_800}}, True),
        ({"environment": {"A": "x" * 7_100}}, False),
        ({"parameters": {"A": "x" * 29_000}}, True),
        ({"parameters": {"A": "x" * 29_600}}, False),
    ],
)
def test_variables_leave_room_in_the_limits(fields: dict[str, Any], *, has_room: bool) -> None:
    arguments = wire.submit_job(JobRequest("d", **fields), name="n", queue="q")
    assert (wire.with_variables(arguments, ADDED) is not None) is has_room


async def test_request_without_room_is_sent_as_it_is_and_logged_once(
    bench: MakeBench, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    large = JobRequest("hello", environment={"A": "x" * 8_000})
    async with bench() as b:
        with instrument(b.batch, **recorded.providers, propagate=True):
            for _ in range(2):
                given = await environment(await b.batch.submit(large))
                assert not CONTEXT & given.keys()
    logged = [each for each in caplog.records if "no room for TRACEPARENT" in each.message]
    assert len(logged) == 1
    assert len(recorded.spans) == 2


async def test_refused_variables_are_left_out_for_jobs_of_that_definition(
    bench: MakeBench,
    recorded: Recorded,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Jobs on EKS and multi-node jobs accept no overrides of a container."""
    async with bench() as b:
        sent = watch(b, monkeypatch)
        with instrument(b.batch, **recorded.providers, propagate=True):
            refusal = Fault.error("ClientException", "overrides", status=400, times=1)
            b.local.faults.add("SubmitJob", refusal)
            for _ in range(2):
                assert not CONTEXT & (await environment(await b.batch.submit("hello"))).keys()
        assert len(submitted(b)) == 2
    assert [bool(variables(arguments)) for arguments in sent] == [True, False, False]
    logged = [each for each in caplog.records if "accept no environment" in each.message]
    assert len(logged) == 1


async def test_request_that_is_wrong_anyway_raises_its_own_error(
    bench: MakeBench, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench() as b:
        sent = watch(b, monkeypatch)
        with instrument(b.batch, **recorded.providers, propagate=True):
            b.local.faults.add("SubmitJob", Fault.error("ClientException", "no", status=400))
            with pytest.raises(APIError, match="no"):
                await b.batch.submit("hello")
            with pytest.raises(APIError, match="no"):
                await b.batch.submit("hello", command=["a"])
    assert [bool(variables(arguments)) for arguments in sent] == [True, False, True]
