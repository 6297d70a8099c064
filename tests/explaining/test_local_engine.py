"""Explanations of jobs of the local engine, whose responses the real SDK signs and parses."""

import pytest

from asyncbatch import FindingKind, InvalidRequest, JobStatus, JobVanished, RetryStrategy
from asyncbatch.local import Fault, Launch, Script
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


def as_told(launch: Launch) -> Script:
    """Fail where the command says so; else run for an hour."""
    if "fail" in launch.command:
        return Script(duration=10.0, exit_code=3)
    if "big" in launch.command:
        return Script.out_of_memory(after=5.0)
    return Script(duration=3600.0)


async def test_job_that_fits_nowhere_is_explained(bench: MakeBench) -> None:
    async with bench(vcpus=4) as b:
        job = await b.batch.submit("hello", queue="default", vcpus=8)
        await job.wait(JobStatus.RUNNABLE)
        explanation = await b.batch.explain(job)
        assert explanation.status is JobStatus.RUNNABLE
        assert "no compute environment of the queue is large enough" in explanation.verdict
        assert explanation.failure == job.wait_reason
        environments = [f.resource for f in explanation.findings if "UNMANAGED" in f.value]
        assert environments == ["local"]


async def test_job_behind_others_knows_its_position(bench: MakeBench) -> None:
    async with bench(as_told, vcpus=1) as b:
        jobs = [await b.batch.submit("hello", queue="default") for _ in range(4)]
        await jobs[0].wait(JobStatus.RUNNING)
        before = b.local.calls.copy()
        explanation = await b.batch.explain(jobs[3].id)
        assert "2 RUNNABLE jobs are before it in the queue" in explanation.verdict
        snapshot = next(f for f in explanation.findings if f.source.startswith("GetJobQueue"))
        assert snapshot.value == "position 3 of 3"
        assert (b.local.calls - before).total() <= 5
        first = await b.batch.explain(jobs[1])
        assert "waits for room in queue default" in first.verdict


async def test_dependency_is_followed_to_the_root_that_failed(bench: MakeBench) -> None:
    async with bench(as_told) as b:
        root = await b.batch.submit("hello", queue="default", command=["fail"])
        middle = await b.batch.submit("hello", queue="default", depends_on=[root])
        last = await b.batch.submit("hello", queue="default", depends_on=[middle])
        waiting = await b.batch.explain(last)
        assert f"depends on job {root.id}" in waiting.verdict
        await last.result(check=False)
        explanation = await b.batch.explain(last)
        assert f"(through {middle.id}), which FAILED: exit code 3" in explanation.verdict


async def test_failed_children_are_explained(bench: MakeBench) -> None:
    async with bench(as_told) as b:
        array = await b.batch.submit_array("hello", 3, queue="default", command=["big"])
        await array.result(check=False)
        explanation = await b.batch.explain(array)
        assert "child " in explanation.verdict
        assert "raise memory_mib" in explanation.verdict
        texts = [finding.text for finding in explanation.findings]
        assert "failed children, of the first 3 that are listed: 3 × out of memory" in texts
        asked = [f.value for f in explanation.findings if "MEMORY" in f.source]
        assert asked == ["128 MiB"]


async def test_earlier_attempts_of_a_job_that_waits_are_facts(bench: MakeBench) -> None:
    async with bench(as_told) as b:
        job = await b.batch.submit(
            "hello", queue="default", command=["fail"], retry=RetryStrategy(attempts=2)
        )
        await job.result(check=False)
        explanation = await b.batch.explain(job)
        attempts = [f for f in explanation.findings if f.source == "DescribeJobs attempts[0]"]
        assert [(each.kind, each.value) for each in attempts] == [(FindingKind.FACT, "3")]


async def test_denied_and_broken_calls_are_named(bench: MakeBench) -> None:
    async with bench(vcpus=4) as b:
        job = await b.batch.submit("hello", queue="default", vcpus=8)
        await job.wait(JobStatus.RUNNABLE)
        denial = Fault.error("AccessDeniedException", "no", status=403)
        with (
            b.local.faults.add("DescribeJobQueues", denial),
            b.local.faults.add("GetJobQueueSnapshot", Fault.server_error()),
        ):
            explanation = await b.batch.explain(job)
        assert list(explanation.missing_permissions) == ["batch:DescribeJobQueues"]
        assert list(explanation.not_read) == ["GetJobQueueSnapshot"]
        assert "large enough" in explanation.verdict


async def test_unknown_and_invalid_ids_raise(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(JobVanished, match="Check the id"):
            await b.batch.explain("6dd5a3a4-0000-4000-8000-000000000000")
        with pytest.raises(InvalidRequest):
            await b.batch.explain("")
