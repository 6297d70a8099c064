"""`asyncbatch wait` and `asyncbatch watch`, in this process."""

import json

import anyio
import pytest

from asyncbatch._cli import running
from asyncbatch.local import Fault, Script
from tests.cli.harness import Called, Terminal, golden
from tests.cli.scenario import VCPUS, script, submit_jobs
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


async def test_end_of_each_job_is_printed_and_the_exit_code_tells(
    bench: MakeBench, terminal: Terminal
) -> None:
    async with bench(script, vcpus=VCPUS) as opened:
        await submit_jobs(opened)
        good = await terminal.call(opened, "wait", "waits", "long-1", "etl-*")
        bad = await terminal.call(opened, "wait", "bad-*", "--since", "2000-01-01", "--json")
    assert (good.code, good.err) == (0, "")
    golden("wait.txt", "".join(sorted(good.out.splitlines(keepends=True))))
    assert (bad.code, bad.err) == (1, "")
    assert [json.loads(line)["status"] for line in bad.out.splitlines()] == ["FAILED", "FAILED"]


async def test_terminal_shows_what_is_waited_for(bench: MakeBench, terminal: Terminal) -> None:
    async with bench(script, vcpus=VCPUS) as opened:
        await submit_jobs(opened)
        several, ended = [
            await terminal.call(opened, "wait", *names, columns=80, err_is_terminal=True)
            for names in (["waits", "long-1", "etl-1"], ["etl-1"])
        ]
    assert several.err == "Waiting for 2 jobs: 1 RUNNABLE, 1 RUNNING\n"
    assert ended.err == ""


@pytest.mark.parametrize("command", ["wait", "watch"])
async def test_job_that_vanishes_is_a_failure(
    bench: MakeBench, terminal: Terminal, command: str
) -> None:
    async with bench(Script(duration=60)) as opened:
        opened.local.faults.add("DescribeJobs", Fault.forget(0))
        job = await opened.batch.submit("hello", queue="default")
        called = await terminal.call(opened, command, job.id)
    assert called.code == 1
    assert job.id in called.err


async def test_watching_jobs_ends_with_them(bench: MakeBench, terminal: Terminal) -> None:
    async with bench(script, vcpus=VCPUS) as opened:
        await submit_jobs(opened)
        called = await terminal.call(opened, "watch", "long-1", "bad-array", "--interval", "100")
    assert (called.code, called.err) == (1, "")
    lines = called.out.splitlines()
    assert len(lines) < 12
    assert "4/4 jobs ended" in lines[-1]
    assert "1 SUCCEEDED, 3 FAILED" in lines[-1]


async def test_reason_of_a_job_that_cannot_start_is_shown_once(
    bench: MakeBench,
    terminal: Terminal,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with bench(vcpus=VCPUS) as opened:
        async with opened.local.session.create_client("batch") as aws:  # no warning of the bench
            huge = [{"type": "VCPU", "value": "512"}]
            submitted = await aws.submit_job(
                jobName="huge",
                jobQueue="default",
                jobDefinition="hello",
                containerOverrides={"resourceRequirements": huge},
            )
        await anyio.sleep(60)
        for command in ("ls", "show", "explain"):
            called = await terminal.call(opened, command, submitted["jobId"])
            assert "no compute environment of the queue is large enough" in called.out, command
        called_later: list[Called] = []

        async def follow(*arguments: str) -> None:
            called_later.append(await terminal.call(opened, *arguments))

        async with anyio.create_task_group() as group:
            group.start_soon(follow, "watch", "huge", "--interval", "5")
            await anyio.sleep(30)
            terminal.interrupt()
        assert "waiting: huge: MISCONFIGURATION" in called_later[0].out
        assert "is blocked in queue" not in caplog.text
        with running.warnings_shown():
            async with anyio.create_task_group() as group:
                group.start_soon(follow, "wait", "huge")
                await anyio.sleep(30)
                terminal.interrupt()
        assert "To end what has not started: `asyncbatch cancel JOB`." in called_later[1].err


async def test_watching_as_json_prints_each_change(bench: MakeBench, terminal: Terminal) -> None:
    async with bench(Script(duration=60)) as opened:
        job = await opened.batch.submit("hello", queue="default")
        called = await terminal.call(opened, "watch", job.id, "--json")
    changes = [json.loads(line) for line in called.out.splitlines()]
    assert called.code == 0
    assert changes[0]["previous"] is None
    assert changes[-1]["job"]["status"] == "SUCCEEDED"
    assert {change["job"]["job_id"] for change in changes} == {job.id}


async def test_watching_a_queue_names_it(bench: MakeBench, terminal: Terminal) -> None:
    called: list[Called] = []
    async with bench() as opened, anyio.create_task_group() as group:

        async def watch() -> None:
            called.append(await terminal.call(opened, "watch"))

        group.start_soon(watch)
        await anyio.sleep(60)
        terminal.interrupt()
    assert called[0].out.splitlines()[0] == "Queue default: 0:00:00 0/0 jobs ended: no jobs yet"


async def test_watching_a_queue_finds_new_jobs_until_it_is_stopped(
    bench: MakeBench, terminal: Terminal
) -> None:
    called: list[Called] = []
    async with bench(script, vcpus=VCPUS) as opened:
        await submit_jobs(opened)
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                called.append(await terminal.call(opened, "watch", "--json"))

            group.start_soon(watch)
            await anyio.sleep(60)
            await opened.batch.submit("hello", queue="default", name="new")
            await anyio.sleep(700)
            terminal.interrupt()
    (result,) = called
    assert result.code == 130
    assert result.err.startswith("The jobs continue. Follow again: asyncbatch watch")
    names = {json.loads(line)["job"]["name"] for line in result.out.splitlines()}
    assert names == {"long-1", "long-2", "waits", "new"}
