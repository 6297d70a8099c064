"""`asyncbatch cancel` and `asyncbatch terminate`, in this process."""

import json

import pytest

from tests.cli.harness import Terminal, golden
from tests.cli.scenario import VCPUS, script, submit_jobs
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


async def test_jobs_are_listed_before_the_question(bench: MakeBench, terminal: Terminal) -> None:
    async with bench(script, vcpus=VCPUS) as opened:
        await submit_jobs(opened)
        called = await terminal.call(opened, "terminate", "--all", answer="n")
        assert opened.local.calls["TerminateJobs"] == 0
    assert (called.code, called.out) == (0, "")
    golden("terminate.txt", called.err)


async def test_jobs_that_were_listed_end_and_no_others(
    bench: MakeBench, terminal: Terminal
) -> None:
    async with bench(script, vcpus=VCPUS) as opened:
        jobs = await submit_jobs(opened)
        called = await terminal.call(
            opened, "terminate", "long-*", "--reason", "too slow", answer="y"
        )
        for job in jobs[4:6]:
            result = await job.result(check=False)
            assert result.description.status_reason == "too slow"
        assert (await jobs[6].result()).succeeded
    assert (called.code, called.out) == (0, "Terminated 2 jobs; FAILED within some seconds.\n")


async def test_cancel_leaves_jobs_that_run(bench: MakeBench, terminal: Terminal) -> None:
    async with bench(script, vcpus=VCPUS) as opened:
        jobs = await submit_jobs(opened)
        called = await terminal.call(opened, "cancel", "--all", "--yes", "--json")
        result = await jobs[6].result(check=False)
        assert result.description.is_cancelled
        assert not jobs[4].is_finished
    assert called.code == 0
    assert json.loads(called.out) == {"job_ids": [jobs[6].id], "errors": []}
    assert called.err == (
        "Left as they are: 2 RUNNING; they have started or ended;"
        " `asyncbatch terminate` ends jobs that run.\n"
    )


@pytest.mark.parametrize("command", ["cancel", "terminate"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "choose jobs to"),
        (["--queue", "default", "--yes"], "choose jobs to"),
        (["--all"], "Add --yes."),
        (["nope", "--yes"], "no job is named nope in queue default that has not ended."),
        (["etl-1", "--yes"], "no job is named etl-1 in queue default that has not ended."),
        (["--all", "--yes", "--reason", " "], "--reason=' '"),
        (["--all", "--yes", "-s", "done"], "--status done"),
    ],
)
async def test_what_cannot_be_done_is_refused(
    bench: MakeBench, terminal: Terminal, command: str, arguments: list[str], message: str
) -> None:
    async with bench() as opened:
        await (await opened.batch.submit("hello", queue="default", name="etl-1")).result()
        called = await terminal.call(opened, command, *arguments)
        assert opened.local.calls["TerminateJobs"] + opened.local.calls["CancelJobs"] == 0
    assert called.code == 2
    assert message in called.err


async def test_many_jobs_are_counted_not_listed(bench: MakeBench, terminal: Terminal) -> None:
    async with bench(script, vcpus=1) as opened:
        for _ in range(30):
            await opened.batch.submit("hello", queue="default", name="waits", vcpus=1)
        called = await terminal.call(opened, "cancel", "waits", answer="")
    assert "more; in total" in called.err
    assert len(called.err.splitlines()) < 27
