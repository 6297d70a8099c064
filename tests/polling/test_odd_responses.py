"""One odd member, job or response affects only itself: the client goes on, so do all other jobs."""

import random
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from asyncbatch import (
    APIError,
    InternalError,
    InvalidRequest,
    JobRequest,
    JobStatus,
    PollPolicy,
)
from asyncbatch.local import Script
from tests.fixtures.bench import Bench, MakeBench
from tests.fixtures.odd_values import ODD_VALUES

pytestmark = pytest.mark.virtual_time

Response = dict[str, Any]
Change = Callable[[Response], None]


def change_responses(
    b: Bench, monkeypatch: pytest.MonkeyPatch, operation: str, change: Change
) -> None:
    """Change the responses of an operation before the client decodes them."""
    call = b.session.connection.call

    async def changed(service: str, name: str, *rest: Any, **more: Any) -> Response:  # noqa: ANN401
        response: Response = await call(service, name, *rest, **more)
        if name == operation:
            change(response)
        return response

    monkeypatch.setattr(b.session.connection, "call", changed)


@pytest.mark.parametrize("seed", range(30))
async def test_odd_members_of_one_job_harm_no_other(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)

    async with bench(Script(startup=1, duration=60)) as b:
        jobs = await b.batch.submit_many([JobRequest("hello")] * 20)
        victim = jobs[7].id

        def change(response: Response) -> None:
            for place, job in enumerate(response["jobs"]):
                if job.get("jobId") == victim:
                    member = rng.choice(sorted(job))
                    odd = ODD_VALUES[rng.randrange(len(ODD_VALUES))]
                    response["jobs"][place] = {**job, member: odd} if rng.random() < 0.9 else odd

        change_responses(b, monkeypatch, "DescribeJobs", change)
        with anyio.fail_after(600):
            for job in jobs:
                if job.id != victim:
                    assert (await job).succeeded
        assert b.batch.is_open
        assert (await (await b.batch.submit("hello"))).succeeded


@pytest.mark.parametrize("odd", [None, 5, "RUNNING ", [], {}], ids=repr)
async def test_an_unreadable_status_keeps_the_last_one(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch, odd: object
) -> None:
    async with bench(Script(startup=1, duration=60)) as b:
        job = await b.batch.submit("hello")
        await job.wait(JobStatus.RUNNING)
        seen: list[object] = []

        def change(response: Response) -> None:
            if len(seen) < 5:
                seen.append(response["jobs"][0]["status"])
                response["jobs"][0]["status"] = odd

        change_responses(b, monkeypatch, "DescribeJobs", change)
        while len(seen) < 5:
            await anyio.sleep(1)
            assert job.status in (JobStatus.RUNNING, odd)
        assert (await job).succeeded


async def test_a_job_without_an_id_proves_no_absence(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(Script(duration=600), poll=PollPolicy(missing_grace=20)) as b:
        job = await b.batch.submit("hello")

        def change(response: Response) -> None:
            for each in response["jobs"]:
                each["jobId"] = None

        change_responses(b, monkeypatch, "DescribeJobs", change)
        with pytest.raises(TimeoutError), anyio.fail_after(120):
            await job
        assert not job.is_finished


@pytest.mark.parametrize("odd", [None, 5, "jobs", {}], ids=repr)
async def test_an_odd_response_is_retried(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch, odd: object
) -> None:
    async with bench(Script(duration=5)) as b:
        job = await b.batch.submit("hello")
        await job.wait(JobStatus.SUBMITTED)
        left = [3]

        def change(response: Response) -> None:
            if left[0]:
                left[0] -= 1
                response["jobs"] = odd

        change_responses(b, monkeypatch, "DescribeJobs", change)
        assert (await job).succeeded
        assert not left[0]


async def test_an_id_that_aws_refuses_fails_only_its_own_job(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DescribeJobs refuses a call for one malformed id in it, and does not say which."""
    async with bench(Script(duration=60)) as b:
        jobs = await b.batch.submit_many([JobRequest("hello")] * 30)
        bad = b.session.records.record("refused")
        call = b.session.connection.call

        async def refuse(service: str, name: str, arguments: Any, *rest: Any, **more: Any) -> Any:  # noqa: ANN401
            if name == "DescribeJobs" and "refused" in arguments["jobs"]:
                raise APIError("DescribeJobs", "ClientException", "malformed id", status=400)
            return await call(service, name, arguments, *rest, **more)

        monkeypatch.setattr(b.session.connection, "call", refuse)
        async with anyio.create_task_group() as group:

            async def wait_for_bad() -> None:
                with pytest.raises(APIError, match="malformed id"):
                    await bad.wait_for_change()

            group.start_soon(wait_for_bad)
            for job in jobs:
                assert (await job).succeeded


@pytest.mark.parametrize(
    ("job_id", "rule"),
    [
        ("arn:aws:batch:eu-west-1:123456789012:job/0a", "the part of the ARN after 'job/'"),
        ("id\n", "a job id is letters"),
        ("a b", "a job id is letters"),
        ("a:b", "a job id is letters"),
        ("a" * 200, "a job id is letters"),
    ],
)
async def test_ids_that_aws_would_refuse_are_refused_before_the_call(
    bench: MakeBench, job_id: str, rule: str
) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match=rule):
            await b.batch.job(job_id)
        with pytest.raises(InvalidRequest, match=rule):
            await b.batch.describe([job_id])


async def test_a_bug_in_the_handling_of_one_job_reaches_its_waiters_only(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(Script(duration=30)) as b:
        jobs = await b.batch.submit_many([JobRequest("hello")] * 3)
        take = b.session.poller._take

        def broken(followed: Any, *rest: Any) -> None:  # noqa: ANN401 - as `_take`
            if followed.job.id == jobs[0].id:
                raise ZeroDivisionError("a bug")
            take(followed, *rest)

        monkeypatch.setattr(b.session.poller, "_take", broken)
        with pytest.raises(InternalError, match="ZeroDivisionError"):
            await jobs[0]
        assert not jobs[0].is_finished
        assert [(await job).succeeded for job in jobs[1:]] == [True, True]
    assert "please report this" in caplog.text


@pytest.mark.parametrize("token", ["always the same", "ever new", 5], ids=repr)
async def test_pages_that_never_end_are_a_fault(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch, token: object
) -> None:
    async with bench() as b:
        pages = [0]

        def change(response: Response) -> None:
            pages[0] += 1
            response["nextToken"] = f"{pages[0]}" if token == "ever new" else token
            if token == "ever new":
                response["jobQueues"] = []

        call = b.session.connection.call

        async def changed(service: str, name: str, *rest: Any, **more: Any) -> Response:  # noqa: ANN401
            response: Response = {"jobQueues": [{}]}
            if name != "DescribeJobQueues":
                return await call(service, name, *rest, **more)
            change(response)
            return response

        monkeypatch.setattr(b.session.connection, "call", changed)
        with pytest.raises(APIError, match="never end"):
            await b.batch.job_queues()
        assert pages[0] <= 101


async def test_bug_while_reading_a_response_reaches_only_the_job_that_it_is_about(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(Script(duration=5)) as b:
        jobs = await b.batch.submit_many([JobRequest("hello")] * 7)
        victim = jobs[3]
        call = b.session.connection.call

        async def failing(service: str, name: str, *rest: Any, **more: Any) -> Response:  # noqa: ANN401
            if name == "DescribeJobs" and victim.id in rest[0]["jobs"]:
                raise RecursionError
            response: Response = await call(service, name, *rest, **more)
            return response

        monkeypatch.setattr(b.session.connection, "call", failing)
        with pytest.raises(InternalError) as caught:
            await victim
        assert caught.value.job_id == victim.id
        for job in jobs:
            if job is not victim:
                assert (await job).succeeded
    assert "please report this" in caplog.text


async def test_page_that_comes_again_is_a_fault(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench() as b:
        pages = [0]
        call = b.session.connection.call

        async def changed(service: str, name: str, *rest: Any, **more: Any) -> Response:  # noqa: ANN401
            if name != "DescribeJobQueues":
                return await call(service, name, *rest, **more)
            pages[0] += 1
            return {"jobQueues": [{"jobQueueName": "q"}], "nextToken": str(pages[0])}

        monkeypatch.setattr(b.session.connection, "call", changed)
        with pytest.raises(APIError, match="never end"):
            await b.batch.job_queues()
        assert pages[0] == 2
