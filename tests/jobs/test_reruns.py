"""Running again only what failed: children of arrays keep their indexes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from asyncbatch import (
    ArrayJob,
    AsyncBatchClient,
    Dependency,
    DependencyType,
    InvalidRequest,
    Job,
    JobDescription,
    JobRequest,
    LogPolicy,
    PollPolicy,
)
from asyncbatch._jobs.reruns import request_of_children
from asyncbatch.local import Launch, LocalBatch, Script
from tests.fixtures.bench import DEFINITION, MakeBench
from tests.fixtures.decoding import described, listed

virtual = pytest.mark.virtual_time
WORK = ["work"]


def _failing(*indexes: int) -> Callable[[Launch], Script]:
    """Return a script in which these children fail, unless the command was changed."""

    def script(child: Launch) -> Script:
        is_first = child.command == ("work",)
        return Script(exit_code=3 if is_first and child.array_index in indexes else 0)

    return script


# -- real commands ---------------------------------------------------------------------------------

# Fails for the indexes 2, 5 and 6 of the first run, and prints what it sees.
SHOW = (
    'echo "$AWS_BATCH_JOB_ARRAY_INDEX of $AWS_BATCH_JOB_ARRAY_SIZE: $X";'
    ' case "$AGAIN$AWS_BATCH_JOB_ARRAY_INDEX" in 2|5|6) exit 3;; esac'
)


async def _lines(job: Job) -> list[str]:
    return sorted([event.message async for event in job.logs()])


async def test_failed_children_run_again_with_their_original_indexes() -> None:
    async with LocalBatch(vcpus=8) as local:
        client = AsyncBatchClient(
            session=local.session,
            poll=PollPolicy(min_interval=0.02, max_interval=0.1),
            logs=LogPolicy(interval=0.02, drain=0),
        )
        async with client as batch:
            await batch.register_job_definition(DEFINITION)
            array = await batch.submit_array(
                "hello", 8, command=["sh", "-c", SHOW], environment={"X": "a b"}
            )
            await array.result(check=False)
            again = await array.rerun_failed(environment={"X": "a b", "AGAIN": "-"})
            assert isinstance(again, ArrayJob)
            assert len(again) == 3
            await again
            assert await _lines(again) == ["2 of 8: a b", "5 of 8: a b", "6 of 8: a b"]
            one = await batch.rerun_failed([array[5]], environment={"X": "1", "AGAIN": "-"})
            assert not isinstance(one[0], ArrayJob)
            await one[0]
            assert await _lines(one[0]) == ["5 of 8: 1"]


# -- arrays ----------------------------------------------------------------------------------------


@virtual
async def test_rerun_of_a_rerun_has_only_what_failed_again(bench: MakeBench) -> None:
    commands: list[tuple[int | None, tuple[str, ...]]] = []

    def script(child: Launch) -> Script:
        commands.append((child.array_index, child.command))
        return Script(exit_code=3 if child.array_index in (1, 3) else 0)

    async with bench(script) as b:
        array = await b.batch.submit_array("hello", size=5, command=WORK)
        await array.result(check=False)
        second = await array.rerun_failed()
        assert isinstance(second, ArrayJob)
        assert len(second) == 2
        await second.result(check=False)
        third = await second.rerun_failed()
        assert not isinstance(third, ArrayJob)
        assert (await third).succeeded
        assert len(commands) == 5 + 2 + 1


@virtual
async def test_array_whose_children_all_failed_runs_again_as_it_was(bench: MakeBench) -> None:
    async with bench(_failing(0, 1, 2)) as b:
        array = await b.batch.submit_array("hello", size=3, command=WORK)
        await array.result(check=False)
        again = await array.rerun_failed(memory_mib=512)
        await again.result(check=False)
        assert again.description is not None
        assert again.description.containers[0].command == ("work",)
        assert again.description.containers[0].memory_mib == 512


@virtual
async def test_array_that_cannot_run_again_is_refused(bench: MakeBench) -> None:
    async with bench(_failing(1)) as b:
        array = await b.batch.submit_array("hello", size=3, command=WORK)
        with pytest.raises(InvalidRequest, match="has not ended"):
            await array.rerun_failed()
        await array.result(check=False)
        with pytest.raises(InvalidRequest, match="decides the size"):
            await array.rerun_failed(array_size=3)
        good = await b.batch.submit_array("hello", size=2, command=["other"])
        await good
        with pytest.raises(InvalidRequest, match="no child of it FAILED"):
            await good.rerun_failed()


# -- many jobs -------------------------------------------------------------------------------------


@virtual
async def test_of_many_jobs_only_those_that_failed_run_again(bench: MakeBench) -> None:
    def script(job: Launch) -> Script:
        return Script(exit_code=3 if job.environment.get("BAD") == "1" else 0)

    async with bench(script) as b:
        good = await b.batch.submit("hello")
        bad = await b.batch.submit("hello", environment={"BAD": 1})
        await good
        with pytest.raises(InvalidRequest, match=r"has not ended|Await it first"):
            await b.batch.rerun_failed([good, await b.batch.submit("hello")])
        await bad.result(check=False)
        before = b.local.calls["SubmitJob"]
        again = await b.batch.rerun_failed([bad, good, bad], environment={})
        assert again[1] is good
        assert again[0] is again[2]
        assert (await again[0]).succeeded
        assert b.local.calls["SubmitJob"] - before == 1


@virtual
async def test_failed_requests_of_a_coalesced_run_become_one_smaller_array(
    bench: MakeBench,
) -> None:
    async with bench(_coalesced_failing(2, 4)) as b:
        requests = [JobRequest("hello", command=WORK, environment={"X": str(n)}) for n in range(6)]
        jobs = await b.batch.submit_many(requests, coalesce=True)
        results = [await job.result(check=False) for job in jobs]
        assert [r.succeeded for r in results] == [True, True, False, True, False, True]
        again = await b.batch.rerun_failed(jobs)
        assert [job is old for job, old in zip(again, jobs, strict=True)] == [
            *(True, True, False, True, False, True)
        ]
        assert [(await job).succeeded for job in again] == [True] * 6
        assert b.local.calls["SubmitJob"] == 2
        assert again[2].id.partition(":")[0] == again[4].id.partition(":")[0]


def _coalesced_failing(*indexes: int) -> Callable[[Launch], Script]:
    """Return a script in which children of an array of six fail."""

    def script(child: Launch) -> Script:
        size = child.environment.get("AWS_BATCH_JOB_ARRAY_SIZE")
        return Script(exit_code=3 if size == "6" and child.array_index in indexes else 0)

    return script


@virtual
async def test_failed_jobs_of_a_finished_journal_run_again(
    bench: MakeBench, tmp_path: Path
) -> None:
    async with bench(_failing(1)) as b:
        path = tmp_path / "run.db"
        async with AsyncBatchClient(session=b.local.session, journal=path) as batch:
            array = await batch.submit_array("hello", size=4, command=WORK)
            await batch.submit("hello")
            await array.result(check=False)
        async with AsyncBatchClient(session=b.local.session, journal=path) as batch:
            resumed = await batch.resume()
            for job in resumed:
                await job.result(check=False)
            again = await batch.rerun_failed(resumed)
            assert (await again[0]).succeeded
            assert again[1] is resumed[1]
        assert b.local.calls["SubmitJob"] == 3


@virtual
async def test_found_job_that_failed_runs_again(bench: MakeBench) -> None:
    async with bench(lambda job: Script(exit_code=3 if job.command == ("work",) else 0)) as b:
        await (await b.batch.submit("hello", command=WORK)).result(check=False)
        await b.batch.aclose()
        await b.batch.open()
        again = await b.batch.rerun_failed(await b.batch.find(), command=["fixed"])
        assert (await again[0]).succeeded


# -- what a rerun must know ------------------------------------------------------------------------


def _array(**members: object) -> JobDescription:
    return described(
        {
            "jobId": "a",
            "jobName": "a",
            "status": "FAILED",
            "jobQueue": "q",
            "jobDefinition": "arn:aws:batch:r:0:job-definition/etl:1",
            "arrayProperties": {"size": 4},
            "container": {"command": ["work"]},
            **members,
        }
    )


def _child(**members: object) -> JobDescription:
    return listed({"jobId": "a:1", "jobName": "a", "status": "FAILED", **members}, queue="q")


WITHOUT_SH = {
    "Windows": (
        _array(
            container={
                "command": ["work"],
                "runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2019_CORE"},
            }
        ),
        _child(),
        "WINDOWS_SERVER_2019_CORE, which has no sh",
    ),
    "an image without sh": (
        _array(),
        _child(container={"reason": 'CannotStartContainerError: exec: "sh": not found in $PATH'}),
        "its image has no sh",
    ),
    "no command": (_array(container={"image": "x"}), _child(), "not known here"),
}


@pytest.mark.parametrize(("array", "child", "rule"), WITHOUT_SH.values(), ids=WITHOUT_SH)
def test_children_without_a_shell_are_refused(
    array: JobDescription, child: JobDescription, rule: str
) -> None:
    with pytest.raises(InvalidRequest, match=rule):
        request_of_children(array, [child], [1], {})


def test_dependencies_that_were_met_are_left_out_and_the_own_order_is_kept() -> None:
    array = _array(dependsOn=[{"jobId": "x", "type": "N_TO_N"}, {"type": "SEQUENTIAL"}])
    request = request_of_children(array, [_child()], [1, 2], {})
    assert request.depends_on == (Dependency(type=DependencyType.SEQUENTIAL),)


def test_child_whose_dependency_failed_needs_a_new_dependency() -> None:
    child = _child(statusReason="Dependent Job failed")
    with pytest.raises(InvalidRequest, match=r"pass depends_on=\[new_job\]"):
        request_of_children(_array(), [child], [1], {})
    request = request_of_children(_array(), [child], [1], {"depends_on": ["new"]})
    assert request.depends_on == (Dependency("new"),)


def test_key_of_a_rerun_is_that_of_the_caller() -> None:
    assert request_of_children(_array(), [_child()], [1], {"key": "again"}).key == "again"
