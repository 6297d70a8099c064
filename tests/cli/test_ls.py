"""`asyncbatch ls`, in this process."""

import json

import anyio
import pytest

from asyncbatch.local import Launch, Script
from tests.cli.harness import Terminal, golden
from tests.cli.scenario import VCPUS, script, submit_jobs
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(
    ("name", "arguments", "columns"),
    [
        ("ls.txt", [], None),
        ("ls-all.txt", ["--all"], None),
        ("ls-children.txt", ["-c", "bad-array"], None),
        ("ls-80.txt", ["-a"], 80),
        ("ls-40.txt", ["-a"], 40),
        ("ls.json", ["--json", "bad-*", "long-1"], None),
    ],
)
async def test_output(
    bench: MakeBench, terminal: Terminal, name: str, arguments: list[str], columns: int | None
) -> None:
    async with bench(script, vcpus=VCPUS) as opened:
        await submit_jobs(opened)
        called = await terminal.call(opened, "ls", *arguments, columns=columns)
    assert (called.code, called.err) == (0, "")
    golden(name, called.out)


async def test_states_are_those_that_are_given(bench: MakeBench, terminal: Terminal) -> None:
    async with bench(script, vcpus=VCPUS) as opened:
        await submit_jobs(opened)
        called = await terminal.call(opened, "ls", "-s", "Failed,runnable", "--json")
    jobs = json.loads(called.out)["jobs"]
    assert {job["name"] for job in jobs} == {"bad-1", "bad-array", "waits"}


async def test_children_are_chosen_by_their_own_state(bench: MakeBench, terminal: Terminal) -> None:
    """One has failed while the array goes on, which is when its failure is looked for."""

    def first_fails(launch: Launch) -> Script:
        return Script(exit_code=3) if launch.array_index == 0 else Script(duration=None)

    async with bench(first_fails) as opened:
        array = await opened.batch.submit_array("hello", size=3, queue="default", name="etl")
        await anyio.sleep(60)
        listings = [
            await terminal.call(opened, "ls", "-c", "-s", "failed", "--json", *names)
            for names in (["etl"], [array.id], [])
        ]
    for called in listings:
        assert [job["job_id"] for job in json.loads(called.out)["jobs"]] == [f"{array.id}:0"]


async def test_name_with_control_characters_is_printed_safely(
    bench: MakeBench, terminal: Terminal
) -> None:
    """AWS refuses such names; another endpoint may not, and nor do status reasons."""
    reason = "\x1b]0;title\x07\x1b[31mred\x1b[0m\u202etxt\nsecond line"
    async with bench(Script(exit_code=1, reason=reason)) as opened:
        job = await opened.batch.submit("hello", queue="default", name="etl")
        await job.result(check=False)
        called = await terminal.call(opened, "ls", "--all")
        machine = await terminal.call(opened, "ls", "--all", "--json")
    assert "red\\u202etxt second line" in called.out
    assert not {"\x1b", "\x07", "\u202e"} & set(called.out)
    assert len(called.out.splitlines()) == 2
    assert json.loads(machine.out)["jobs"][0]["reason"] == reason


async def test_ten_thousand_jobs_are_listed_with_few_calls(
    bench: MakeBench, terminal: Terminal
) -> None:
    async with bench(Script(duration=None), vcpus=1) as opened:
        array = await opened.batch.submit_array("hello", size=10_000, queue="default")
        before = opened.local.calls["ListJobs"]
        called = await terminal.call(opened, "ls", "--children", array.id, columns=40)
    assert called.code == 0
    assert called.out.count(array.id) == 10_000
    assert opened.local.calls["ListJobs"] - before < 20


async def test_no_jobs_is_no_error(bench: MakeBench, terminal: Terminal) -> None:
    async with bench() as opened:
        called = await terminal.call(opened, "ls")
        machine = await terminal.call(opened, "ls", "--json")
    assert (called.code, called.out) == (0, "")
    assert called.err == "No jobs. Add --all for jobs that have ended.\n"
    assert json.loads(machine.out) == {"jobs": []}
