"""What mutated responses have found, one deterministic test each."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from asyncbatch import ConnectionFailed, InternalError, JobRequest, JobStatus, SubmitUncertain
from asyncbatch._aws.wire.responses import ListedJob, listed_job
from asyncbatch._polling import queues
from asyncbatch.local import Script
from asyncbatch.local._service.messages import Request, Response
from tests.fixtures.bench import Bench, MakeBench
from tests.fixtures.rewriting import rewrite_responses
from tests.logs.jobs import SECONDS, assert_all_once_in_order, chatty, submit

pytestmark = pytest.mark.virtual_time

Wire = dict[str, Any]
DEEP = b"[" * 5_000 + b"]" * 5_000


def rewrite(b: Bench, operation: str, change: Callable[[Response], Response]) -> None:
    """Rewrite the responses of one operation."""

    def rewritten(called: str, _request: Request, response: Response) -> Response:
        return change(response) if called == operation else response

    rewrite_responses(b.local, rewritten)


def with_items(response: Response, member: str, change: Callable[[list[Wire]], None]) -> Response:
    """Change the list of items of a response."""
    body = json.loads(response.body)
    change(body[member])
    return dataclasses.replace(response, body=json.dumps(body).encode())


async def three_jobs(b: Bench) -> tuple[str, list[Any]]:
    """Submit three jobs and return the id of one with odd responses, and the others."""
    victim, *others = await b.batch.submit_many([JobRequest("hello")] * 3)
    return victim.id, others


# -- bodies that Python or the SDK cannot parse ----------------------------------------------------


@pytest.mark.parametrize("body", [DEEP, b'{"jobs":' + DEEP + b"}", b"5", b"null"])
async def test_body_that_cannot_be_parsed_is_requested_again(bench: MakeBench, body: bytes) -> None:
    async with bench(Script(duration=5)) as b:
        left = [3]

        def change(response: Response) -> Response:
            left[0] -= 1
            return dataclasses.replace(response, body=body) if left[0] >= 0 else response

        rewrite(b, "DescribeJobs", change)
        assert (await (await b.batch.submit("hello"))).succeeded
        assert left[0] < 0


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize(
    "body", [b'{"message":{"a":1},"code":[]}', b'{"__type":5,"message":[]}', b"[]", DEEP, b"\xff"]
)
async def test_error_with_an_odd_body_is_a_fault_that_passes(
    bench: MakeBench, status: int, body: bytes
) -> None:
    async with bench(Script(duration=5)) as b:
        left = [3]

        def change(response: Response) -> Response:
            left[0] -= 1
            odd = dataclasses.replace(response, body=body, status=status)
            return odd if left[0] >= 0 else response

        rewrite(b, "DescribeJobs", change)
        assert (await (await b.batch.submit("hello"))).succeeded
        assert left[0] < 0


async def test_redirect_is_no_response_of_aws(bench: MakeBench) -> None:
    async with bench() as b:
        rewrite(b, "ListJobs", lambda response: dataclasses.replace(response, status=307))
        with pytest.raises(ConnectionFailed, match="HTTP status 307 is not from AWS"):
            await b.batch.find(queue="default")


@pytest.mark.parametrize("odd", [b'"a\xff\xc3b"', b"9" * 5_000, DEEP])
async def test_value_that_cannot_be_parsed_costs_its_own_job_only(
    bench: MakeBench, odd: bytes
) -> None:
    """The whole response is unreadable where a value is nested too deeply: jobs are divided."""
    async with bench(Script(duration=60)) as b:
        victim, others = await three_jobs(b)

        def change(response: Response) -> Response:
            body = json.loads(response.body)
            for job in body["jobs"]:
                if job["jobId"] == victim:
                    job["statusReason"] = "ODD"
            odd_body = json.dumps(body).encode().replace(b'"ODD"', odd)
            return dataclasses.replace(response, body=odd_body)

        rewrite(b, "DescribeJobs", change)
        with anyio.fail_after(300):
            for job in others:
                assert (await job).succeeded
        assert b.batch.is_open


# -- responses that contradict themselves ----------------------------------------------------------


@pytest.mark.parametrize("place", [0, 3])
async def test_two_different_jobs_of_one_id_prove_nothing(bench: MakeBench, place: int) -> None:
    async with bench(Script(duration=60)) as b:
        _, (job, _) = await three_jobs(b)
        left = [10]

        def change(response: Response) -> Response:
            def add(jobs: list[Wire]) -> None:
                left[0] -= 1
                if left[0] >= 0:
                    jobs.insert(place, {"jobId": job.id, "status": "FAILED"})

            return with_items(response, "jobs", add)

        rewrite(b, "DescribeJobs", change)
        result = await job
        assert result.succeeded
        assert result.exit_code == 0


async def test_end_of_a_job_in_a_list_is_described(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS may list a job under a state that it has left; a summary has no exit code."""
    monkeypatch.setattr(queues, "_ENOUGH_JOBS", 3)
    monkeypatch.setattr(queues, "_TOO_FEW_JOBS", 2)
    monkeypatch.setattr(queues, "_WORTH", 100.0)
    async with bench(Script(startup=1, duration=60)) as b:
        _, (job, _) = await three_jobs(b)

        def change(response: Response) -> Response:
            def end(jobs: list[Wire]) -> None:
                for each in jobs:
                    if each["jobId"] == job.id:
                        each["status"] = "FAILED"

            return with_items(response, "jobSummaryList", end)

        rewrite(b, "ListJobs", change)
        result = await job
        assert (result.status, result.exit_code) == (JobStatus.SUCCEEDED, 0)
        assert b.local.calls["ListJobs"] > 3


# -- look-ups --------------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", [" ", "a b", "\ufffd", "x" * 5_000, "arn:aws:batch:job/5"])
async def test_id_that_is_none_is_looked_up(bench: MakeBench, odd: str) -> None:
    async with bench(Script(duration=5)) as b:

        def change(response: Response) -> Response:
            body = {**json.loads(response.body), "jobId": odd}
            return dataclasses.replace(response, body=json.dumps(body).encode())

        rewrite(b, "SubmitJob", change)
        job = await b.batch.submit("hello", name="mine")
        assert [made.job_id for made in b.local.ledger.submissions] == [job.id]


@pytest.mark.parametrize("odd", ["x" * 5_000, "a b", "another-job"])
async def test_described_job_that_was_not_asked_for_is_not_the_one_of_a_look_up(
    bench: MakeBench, odd: str
) -> None:
    async with bench(Script(duration=600)) as b:
        described = 0

        def rewritten(called: str, _request: Request, response: Response) -> Response:
            nonlocal described
            if called == "SubmitJob":
                return dataclasses.replace(response, body=b"{}")
            if called == "DescribeJobs" and described < 2:
                described += 1
                return with_items(response, "jobs", lambda jobs: jobs[0].update(jobId=odd))
            return response

        rewrite_responses(b.local, rewritten)
        job = await b.batch.submit("hello", name="mine")
        assert [made.job_id for made in b.local.ledger.submissions] == [job.id]
        assert described == 2


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ({"jobId": "a b", "jobName": "n", "createdAt": 1.7e12}, (None, "n", 1.7e9)),
        ({"jobId": "a", "jobName": "\ufffd", "createdAt": 0}, ("a", None, None)),
        ({"jobId": "a", "jobName": "\ud800", "createdAt": 10**400}, ("a", None, None)),
        ({"jobId": "a", "jobName": "", "createdAt": float("nan")}, ("a", None, None)),
        ({"jobId": "a:1", "jobName": "n", "createdAt": 10**18}, ("a:1", "n", None)),
    ],
)
def test_listed_job_without_odd_members(
    summary: Wire, expected: tuple[str | None, str | None, float | None]
) -> None:
    assert listed_job(summary) == ListedJob(*expected)


@pytest.mark.parametrize("tags", [None, 5, {"asyncbatch-submission": 5}], ids=repr)
async def test_unreadable_tags_prove_no_absence(bench: MakeBench, tags: object) -> None:
    async with bench(Script(duration=5)) as b:

        def rewritten(operation: str, _request: Request, response: Response) -> Response:
            if operation == "SubmitJob":
                return dataclasses.replace(response, body=b'{"jobId":null}')
            if operation != "DescribeJobs":
                return response
            body = json.loads(response.body)
            jobs = [{**job, "tags": tags} for job in body["jobs"]]
            return dataclasses.replace(response, body=json.dumps({"jobs": jobs}).encode())

        rewrite_responses(b.local, rewritten)
        with pytest.raises(SubmitUncertain, match="no tags that can be read"):
            await b.batch.submit("hello", name="mine")
        assert len(b.local.ledger.submissions) == 1


# -- logs ------------------------------------------------------------------------------------------


async def test_token_of_an_earlier_read_repeats_no_line(bench: MakeBench) -> None:
    async with bench(chatty) as b:
        (job,) = await submit(b, 1)
        sent: list[str] = []

        def rewritten(operation: str, request: Request, response: Response) -> Response:
            token = json.loads(request.body).get("nextToken") if operation == "GetLogEvents" else ""
            if token and token not in sent:
                sent.append(token)
                if len(sent) == 6:
                    body = {**json.loads(response.body), "nextForwardToken": sent[2]}
                    return dataclasses.replace(response, body=json.dumps(body).encode())
            return response

        rewrite_responses(b.local, rewritten)
        assert_all_once_in_order([job], [event async for event in b.batch.logs([job])])
        assert len(sent) > 6


async def test_unreadable_pages_of_many_streams_are_read_one_by_one(bench: MakeBench) -> None:
    async with bench(chatty) as b:
        jobs = await submit(b, 20)
        rewrite(b, "FilterLogEvents", lambda response: dataclasses.replace(response, body=DEEP))
        with anyio.fail_after(20 * SECONDS):
            events = [event async for event in b.batch.logs(jobs)]
        assert_all_once_in_order(jobs, events)
        assert b.local.calls["FilterLogEvents"] > 1


# -- bugs of our own -------------------------------------------------------------------------------


async def test_a_bug_with_one_response_leaves_the_client_open(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(Script(duration=30)) as b:
        job = await b.batch.submit("hello")

        async def broken(choose: Callable[[], object], *_: object) -> None:
            choose()
            raise ZeroDivisionError("a bug")

        with monkeypatch.context() as patch:
            patch.setattr(b.session.api, "poll_jobs", broken)
            with pytest.raises(InternalError, match="ZeroDivisionError"):
                await job
        assert b.batch.is_open
        assert (await (await b.batch.submit("hello"))).succeeded
    assert "please report this" in caplog.text
