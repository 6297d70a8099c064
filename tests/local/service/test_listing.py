"""DescribeJobs and ListJobs: contents, order and pages."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from asyncbatch.local import Launch, Script
from tests.local.harness import Json, LocalEngine, open_engine, pass_time

pytestmark = pytest.mark.virtual_time

DEFINITIONS = "arn:aws:batch:local:000000000000:job-definition/"

DIGITS = "9" * 5_000  # more than Python converts to a number


async def _pages(engine: LocalEngine, **params: Any) -> list[list[Json]]:  # noqa: ANN401 (AWS's own members)
    pages: list[list[Json]] = []
    token: dict[str, str] = {}
    while True:
        response = await engine.batch.list_jobs(**params, **token)
        pages.append(response["jobSummaryList"])
        if "nextToken" not in response:
            return pages
        token = {"nextToken": response["nextToken"]}


async def _names(engine: LocalEngine, **params: Any) -> list[str]:  # noqa: ANN401 (AWS's own members)
    return [job["jobName"] for page in await _pages(engine, **params) for job in page]


def _filter(name: str, *values: str) -> list[dict[str, Any]]:
    return [{"name": name, "values": list(values)}]


async def test_describe_jobs_accepts_100_ids_and_omits_unknown_ones() -> None:
    async with open_engine() as engine:
        job_id = await engine.submit()
        arn = f"arn:aws:batch:local:000000000000:job/{job_id}"
        response = await engine.batch.describe_jobs(jobs=["unknown", job_id, arn, job_id])
        assert [job["jobId"] for job in response["jobs"]] == [job_id]
        assert (await engine.batch.describe_jobs(jobs=[]))["jobs"] == []
        with pytest.raises(ClientError) as rejected:
            await engine.batch.describe_jobs(jobs=[job_id] * 101)
    assert rejected.value.response["Error"] == {
        "Code": "ClientException",
        "Message": "Maximum number of jobs supported is  100 .",
    }


async def test_without_a_status_only_running_jobs_are_listed() -> None:
    def script(launch: Launch) -> Script:
        return Script(startup=0, duration=None if launch.name == "running" else 1)

    async with open_engine(script) as engine:
        for name in ("running", "done"):
            await engine.submit(name)
        await pass_time(10)
        assert await _names(engine, jobQueue="default") == ["running"]
        assert await _names(engine, jobQueue="default", jobStatus="SUCCEEDED") == ["done"]
        assert await _names(engine, jobQueue="default", jobStatus="FAILED") == []


async def test_a_job_summary_has_exit_code_and_reason_but_no_attempts() -> None:
    async with open_engine(Script(exit_code=3, reason="because")) as engine:
        job = await engine.ended(await engine.submit())
        [[summary]] = await _pages(engine, jobQueue="default", jobStatus="FAILED")
    shared = ("jobArn", "jobId", "jobName", "createdAt", "startedAt", "stoppedAt", "statusReason")
    assert {key: summary[key] for key in shared} == {key: job[key] for key in shared}
    assert summary["container"] == {"exitCode": 3, "reason": "because"}
    assert "attempts" not in summary


@pytest.mark.parametrize(("size", "pages"), [(None, [1000, 500]), (700, [700, 700, 100])])
async def test_jobs_of_a_status_are_listed_in_pages_of_at_most_1000(
    size: int | None, pages: list[int]
) -> None:
    extra = {} if size is None else {"maxResults": size}
    async with open_engine(Script(duration=None), vcpus=1500) as engine:
        ids = [await engine.submit(f"job-{i}") for i in range(1500)]
        await pass_time(10)
        found = await _pages(engine, jobQueue="default", jobStatus="RUNNING", **extra)
    assert [len(page) for page in found] == pages
    assert sorted(job["jobId"] for page in found for job in page) == sorted(ids)


async def test_a_listing_continues_after_its_last_job_although_jobs_leave_the_status() -> None:
    async with open_engine(Script(startup=0, duration=None)) as engine:
        ids = [await engine.submit(f"job-{i}") for i in range(6)]
        await pass_time(1)
        response = await engine.batch.list_jobs(jobQueue="default", maxResults=3)
        for job_id in ids[:2]:
            await engine.batch.terminate_job(jobId=job_id, reason="gone")
        await engine.submit("late")
        await pass_time(1)
        rest = await _names(engine, jobQueue="default", nextToken=response["nextToken"])
    assert [job["jobName"] for job in response["jobSummaryList"]] == ["job-0", "job-1", "job-2"]
    assert rest == ["job-3", "job-4", "job-5", "late"]


async def test_array_children_are_listed_by_their_parent_only() -> None:
    async with open_engine(Script(startup=0, duration=None)) as engine:
        parent = await engine.submit("array", arrayProperties={"size": 3})
        await pass_time(1)
        await engine.batch.terminate_job(jobId=f"{parent}:1", reason="one")
        await pass_time(1)
        assert await _names(engine, jobQueue="default", jobStatus="PENDING") == ["array"]
        assert await _names(engine, jobQueue="default", jobStatus="RUNNING") == []
        running = (await _pages(engine, arrayJobId=parent))[0]
        failed = (await _pages(engine, arrayJobId=parent, jobStatus="FAILED"))[0]
    assert [job["arrayProperties"]["index"] for job in running] == [0, 2]
    assert [job["jobId"] for job in failed] == [f"{parent}:1"]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (_filter("JOB_NAME", "alpha"), ["Alpha"]),
        (_filter("JOB_NAME", "ALPHA*"), ["alpha2", "Alpha"]),
        (_filter("JOB_NAME", "unknown"), []),
        (_filter("JOB_DEFINITION", "task"), ["gamma", "alpha2", "Alpha"]),
        (_filter("JOB_DEFINITION", "Task"), []),
        (_filter("JOB_DEFINITION", "o*"), ["beta"]),
        (_filter("JOB_DEFINITION", f"{DEFINITIONS}other:1"), ["beta"]),
        (_filter("AFTER_CREATED_AT", "1705312805000"), ["gamma", "beta"]),
        (_filter("BEFORE_CREATED_AT", "1705312805000"), ["alpha2", "Alpha"]),
        (_filter("SHARE_IDENTIFIER", "team"), []),
    ],
)  # fmt: skip
async def test_a_filter_finds_jobs_in_any_status_newest_first(
    filters: list[Any], names: list[str]
) -> None:
    async with open_engine(Script(startup=0, duration=5)) as engine:
        await engine.define("other")
        await engine.submit("Alpha")
        await engine.submit("alpha2")
        await pass_time(10)
        await engine.submit("beta", jobDefinition="other")
        await engine.submit("gamma")
        await engine.submit(
            "array", arrayProperties={"size": 2}, jobDefinition="other", jobQueue="default"
        )
        await engine.batch.cancel_job(jobId="none", reason="nothing")
        found = await _names(engine, jobQueue="default", jobStatus="RUNNING", filters=filters)
    assert [name for name in found if name != "array"] == names


async def test_filter_results_are_listed_in_pages_of_at_most_100() -> None:
    async with open_engine() as engine:
        for i in range(250):
            await engine.submit(f"job-{i}")
        pages = await _pages(engine, jobQueue="default", filters=_filter("JOB_NAME", "job-*"))
    assert [len(page) for page in pages] == [100, 100, 50]
    names = [job["jobName"] for page in pages for job in page]
    assert names == [f"job-{i}" for i in reversed(range(250))]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "Exactly one of"),
        ({"jobQueue": "default", "arrayJobId": "x"}, "Exactly one of"),
        ({"jobQueue": "nowhere"}, "JobQueue nowhere not found."),
        ({"jobQueue": "default", "jobStatus": "DONE"}, "DONE is not one of"),
        ({"jobQueue": "default", "maxResults": 0}, "greater than 0"),
        ({"jobQueue": "default", "nextToken": "made up"}, "nextToken is not valid"),
        ({"jobQueue": "default", "filters": _filter("JOB_NAME", "a") * 2}, "Only one filter"),
        ({"jobQueue": "default", "filters": _filter("COLOUR", "red")}, "COLOUR is not supported"),
        ({"jobQueue": "default", "filters": _filter("JOB_NAME")}, "needs a value"),
        ({"jobQueue": "default", "filters": _filter("AFTER_CREATED_AT", "noon")}, "milliseconds"),
        ({"jobQueue": "default", "filters": _filter("AFTER_CREATED_AT", DIGITS)}, "milliseconds"),
        ({"multiNodeJobId": "x"}, "does not support multi-node"),
    ],
)
async def test_an_invalid_list_request_is_rejected(params: Json, message: str) -> None:
    async with open_engine() as engine:
        with pytest.raises(ClientError, match=message):
            await engine.batch.list_jobs(**params)
