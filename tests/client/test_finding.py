"""Finding, attaching, describing, and registering definitions once."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from asyncbatch import AccessDenied, InvalidRequest, JobRequest, JobStatus
from asyncbatch.local import Fault, LocalBatch, Script
from tests.fixtures.bench import DEFINITION, MakeBench

pytestmark = pytest.mark.virtual_time


async def test_second_client_attaches_to_jobs_of_the_first(bench: MakeBench) -> None:
    async with bench(Script(duration=60)) as b:
        submitted = await b.batch.submit_many(JobRequest("hello") for _ in range(150))
        await b.batch.aclose()
        await b.batch.open()
        attached = await b.batch.attach(job.id for job in submitted)
        assert [job.id for job in attached] == [job.id for job in submitted]
        assert all(job.description for job in attached)
        for job in attached:
            assert (await job).succeeded


async def test_attach_and_find_return_the_handle_in_use(bench: MakeBench) -> None:
    async with bench(Script(duration=60)) as b:
        job = await b.batch.submit("hello")
        assert await b.batch.attach([job.id]) == [job]
        assert await b.batch.find(name=job.name) == [job]


async def test_attach_with_a_single_id_or_an_empty_one_raises(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="give a list of jobs"):
            await b.batch.attach("abc")
        with pytest.raises(InvalidRequest, match="every item must be a Job or a job id"):
            await b.batch.attach([""])


async def test_describe_leaves_out_unknown_ids(bench: MakeBench) -> None:
    async with bench() as b:
        job = await b.batch.submit("hello")
        assert set(await b.batch.describe([job, "no-such-job"])) == {job.id}


async def test_describe_accepts_any_number_of_jobs(bench: MakeBench) -> None:
    async with bench(Script(duration=60)) as b:
        jobs = await b.batch.submit_many(JobRequest("hello") for _ in range(230))
        before = b.local.calls["DescribeJobs"]
        assert len(await b.batch.describe(jobs)) == 230
        assert b.local.calls["DescribeJobs"] - before <= 3 + 10  # calls of the poller included


async def test_describe_accepts_children_of_an_array(bench: MakeBench) -> None:
    async with bench() as b:
        parent = await b.batch.submit("hello", array_size=3)
        assert (await parent).succeeded
        assert parent.description is not None
        assert parent.description.array is not None
        assert parent.description.array.status_summary[JobStatus.SUCCEEDED] == 3
        children = await b.batch.describe(f"{parent.id}:{i}" for i in range(3))
        assert [c.array.index for c in children.values() if c.array] == [0, 1, 2]


async def test_find_by_name_and_by_prefix(bench: MakeBench) -> None:
    async with bench(Script(duration=600)) as b:
        for name in ("etl-1", "etl-2", "report-1"):
            await b.batch.submit("hello", name=name)
        assert {job.name for job in await b.batch.find(name="etl-*")} == {"etl-1", "etl-2"}
        assert [job.name for job in await b.batch.find(name="report-1")] == ["report-1"]
        assert await b.batch.find(name="nothing") == []


async def test_find_by_state(bench: MakeBench) -> None:
    async with bench(lambda job: Script(duration=1 if "short" in job.name else 9_000)) as b:
        short = await b.batch.submit("hello", name="short")
        long = await b.batch.submit("hello", name="long")
        await short
        await long.wait(until=JobStatus.RUNNING)
        assert await b.batch.find(status=JobStatus.SUCCEEDED) == [short]
        assert await b.batch.find(status=[JobStatus.RUNNING, JobStatus.FAILED]) == [long]
        assert set(await b.batch.find()) == {short, long}
        assert await b.batch.find(name="*", status=JobStatus.RUNNING) == [long]


async def test_find_by_job_definition_and_revision(bench: MakeBench) -> None:
    async with bench(Script(duration=9_000)) as b:
        other = {**DEFINITION, "jobDefinitionName": "hello-2"}
        await b.batch.register_job_definition(other)
        newer = await b.batch.register_job_definition(DEFINITION, reuse=False)
        first = await b.batch.submit("hello:1")
        second = await b.batch.submit("hello:2")
        third = await b.batch.submit("hello-2")
        assert set(await b.batch.find(definition="hello")) == {first, second}
        assert set(await b.batch.find(definition="hello*")) == {first, second, third}
        assert await b.batch.find(definition="hello:1") == [first]
        assert await b.batch.find(definition=newer.arn) == [second]
        assert await b.batch.find(definition="HELLO") == []


async def test_find_by_time_of_submission(bench: MakeBench) -> None:
    async with bench(Script(duration=90_000)) as b:
        early = await b.batch.submit("hello")
        await anyio.sleep(3_600)
        late = await b.batch.submit("hello")
        await late.wait(until=JobStatus.RUNNING)
        assert late.description is not None
        at = late.description.created_at
        assert at is not None
        assert await b.batch.find(created_after=at) == [late]
        assert await b.batch.find(created_before=at) == [early]
        assert await b.batch.find(created_before=at, status=JobStatus.RUNNING) == [early]
        assert set(await b.batch.find(created_after=at - timedelta(days=1))) == {early, late}
        assert await b.batch.find(created_after=at - timedelta(days=2), created_before=at) == [
            early
        ]


async def test_find_with_several_conditions_returns_jobs_that_meet_all(bench: MakeBench) -> None:
    async with bench(Script(duration=9_000)) as b:
        for name in ("etl-1", "etl-2"):
            await b.batch.submit("hello", name=name)
        await b.batch.register_job_definition({**DEFINITION, "jobDefinitionName": "other"})
        wanted = await b.batch.submit("other", name="etl-3")
        await wanted.wait(until=JobStatus.RUNNING)
        before = b.local.calls["ListJobs"]
        found = await b.batch.find(name="etl-*", definition="other", status=JobStatus.RUNNING)
        assert found == [wanted]
        assert b.local.calls["ListJobs"] - before == 1


async def test_find_between_times_in_the_wrong_order_raises(bench: MakeBench) -> None:
    async with bench() as b:
        now = datetime.now(UTC)
        with pytest.raises(InvalidRequest, match="must be later than created_after"):
            await b.batch.find(created_after=now, created_before=now)
        with pytest.raises(InvalidRequest, match="created_after"):
            await b.batch.find(created_after="yesterday")  # type: ignore[arg-type]


async def test_found_job_that_ended_has_its_complete_result(bench: MakeBench) -> None:
    """ListJobs returns no attempts, so awaiting a found job describes it."""
    async with bench(Script(exit_code=3)) as b:
        await (await b.batch.submit("hello")).result(check=False)
        await b.batch.aclose()
        await b.batch.open()
        [found] = await b.batch.find(status=JobStatus.FAILED)
        assert found.description is not None
        assert found.description.is_summary
        result = await found.result(check=False)
        assert [a.exit_code for a in result.description.attempts] == [3]


async def test_find_with_an_unknown_state_raises(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="status='CANCELLED': must be one of SUBMITTED"):
            await b.batch.find(status="CANCELLED")  # type: ignore[arg-type]


# -- job definitions -------------------------------------------------------------------------------


async def test_equal_content_is_registered_once(bench: MakeBench) -> None:
    async with bench() as b:
        first = await b.batch.register_job_definition(DEFINITION)
        reordered = dict(reversed(DEFINITION.items()))
        assert await b.batch.register_job_definition(reordered) == first
        assert str(first) == "hello:1"
        assert b.local.calls["RegisterJobDefinition"] == 1


async def test_different_content_is_a_new_revision(bench: MakeBench) -> None:
    async with bench() as b:
        changed = {**DEFINITION, "parameters": {"x": "1"}}
        assert (await b.batch.register_job_definition(changed)).revision == 2
        assert (await b.batch.register_job_definition(DEFINITION)).revision == 1
        assert (await b.batch.register_job_definition(DEFINITION, reuse=False)).revision == 3


async def test_copy_with_the_tags_of_its_original_is_not_taken_for_it(bench: MakeBench) -> None:
    async with bench() as b:
        content = {**DEFINITION, "jobDefinitionName": "copied"}
        first = await b.batch.register_job_definition(content)
        [original] = await _described(b.local, "copied")
        copy = {**content, "parameters": {"x": "1"}, "tags": original["tags"]}
        second = await b.batch.register_job_definition(copy, reuse=False)
        assert await b.batch.register_job_definition(content) == first
        await _deregister(b.local, first.arn)
        third = await b.batch.register_job_definition(content)
        assert third.revision == second.revision + 1


async def test_definition_with_fifty_tags_is_registered_once(bench: MakeBench) -> None:
    content = {
        **DEFINITION,
        "jobDefinitionName": "tagged",
        "tags": {f"tag-{n}": "x" for n in range(50)},
    }
    async with bench() as b:
        first = await b.batch.register_job_definition(content)
        assert await b.batch.register_job_definition(content) == first


async def test_description_of_a_definition_finds_its_revision(bench: MakeBench) -> None:
    async with bench() as b:
        first = await b.batch.register_job_definition(DEFINITION)
        described = await _described(b.local, "hello")
        assert await b.batch.register_job_definition({"jobDefinitions": described}) == first


async def test_newest_revision_of_a_page_is_found_with_one_call(bench: MakeBench) -> None:
    async with bench() as b:
        for n in range(120):
            await b.batch.register_job_definition({**DEFINITION, "parameters": {"n": str(n)}})
        calls = b.local.calls["DescribeJobDefinitions"]
        await b.batch.register_job_definition({**DEFINITION, "parameters": {"n": "119"}})
        assert b.local.calls["DescribeJobDefinitions"] == calls + 1


async def _described(local: LocalBatch, name: str) -> list[dict[str, Any]]:
    async with local.session.create_client("batch") as client:
        response = await client.describe_job_definitions(jobDefinitionName=name)
        found: list[dict[str, Any]] = response["jobDefinitions"]
        return found


async def _deregister(local: LocalBatch, arn: str) -> None:
    async with local.session.create_client("batch") as client:
        await client.deregister_job_definition(jobDefinition=arn)


async def test_definition_is_read_from_a_file(bench: MakeBench, tmp_path: Path) -> None:
    path = tmp_path / "hello.json"
    path.write_text(json.dumps(DEFINITION))
    async with bench() as b:
        assert (await b.batch.register_job_definition(path)).revision == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), ("{", "readable JSON"), ("[]", "must contain a JSON object")],
)
async def test_invalid_definition_file_is_named_in_the_error(
    bench: MakeBench, tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "wrong.json"
    if content is not None:
        path.write_text(content)
    async with bench() as b:
        with pytest.raises(InvalidRequest, match=message) as caught:
            await b.batch.register_job_definition(str(path))
        assert "wrong.json" in str(caught.value)


async def test_denied_tag_registers_an_untagged_revision(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench() as b:
        denial = Fault.error("AccessDeniedException", "no batch:TagResource", status=403, times=1)
        with b.local.faults.add("RegisterJobDefinition", denial):
            other = {**DEFINITION, "jobDefinitionName": "untagged"}
            assert (await b.batch.register_job_definition(other)).revision == 1
    assert "batch:TagResource denied" in caplog.text


async def test_denied_registration_raises_access_denied(bench: MakeBench) -> None:
    async with bench() as b:
        denial = Fault.error("AccessDeniedException", "no", status=403)
        with b.local.faults.add("RegisterJobDefinition", denial), pytest.raises(AccessDenied):
            await b.batch.register_job_definition({**DEFINITION, "jobDefinitionName": "x"})
