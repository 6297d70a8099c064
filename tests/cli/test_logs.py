"""`asyncbatch logs`, in this process."""

import json

import pytest

from tests.cli.harness import Terminal, golden
from tests.cli.scenario import VCPUS, script, submit_jobs
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(
    ("name", "arguments", "columns"),
    [
        ("logs-one.txt", ["etl-1"], None),
        ("logs-several.txt", ["etl-1", "bad-1", "bad-array", "--timestamps"], None),
        ("logs-terminal.txt", ["etl-1", "bad-1"], 80),
        ("logs.jsonl", ["bad-1", "--json"], None),
        ("logs-grep.txt", ["etl-1", "bad-1", "--grep", "ERROR|rows"], None),
        ("logs-tail.txt", ["etl-1", "-n", "1"], None),
    ],
)
async def test_output(
    bench: MakeBench, terminal: Terminal, name: str, arguments: list[str], columns: int | None
) -> None:
    async with bench(script, vcpus=VCPUS) as opened:
        await submit_jobs(opened)
        called = await terminal.call(opened, "logs", *arguments, columns=columns)
    assert (called.code, called.err) == (0, "")
    golden(name, called.out)


async def test_follow_waits_for_the_end_of_the_job(bench: MakeBench, terminal: Terminal) -> None:
    async with bench(script, vcpus=VCPUS) as opened:
        await submit_jobs(opened)
        now = await terminal.call(opened, "logs", "long-1")
        followed = await terminal.call(opened, "logs", "-f", "long-1")
    assert now.out.split("\n") == ["step 1", ""]
    assert followed.out.split("\n") == ["step 1", "step 2", "step 3", ""]


async def test_jobs_of_the_same_name_have_their_ids_in_the_prefix(
    bench: MakeBench, terminal: Terminal
) -> None:
    async with bench(script) as opened:
        jobs = [await opened.batch.submit("hello", queue="default", name="etl") for _ in range(2)]
        for job in jobs:
            await job.result()
        called = await terminal.call(opened, "logs", *(job.id for job in jobs))
    prefixes = {line.partition(" | ")[0] for line in called.out.splitlines()}
    assert prefixes == {f"etl {job.id[:8]}" for job in jobs}


async def test_invalid_pattern_is_reported(bench: MakeBench, terminal: Terminal) -> None:
    async with bench() as opened:
        called = await terminal.call(opened, "logs", "etl", "--grep", "(")
    assert called.code == 2
    assert called.err.startswith("asyncbatch: --grep (: ")


async def test_json_lines_are_objects(bench: MakeBench, terminal: Terminal) -> None:
    async with bench(script, vcpus=VCPUS) as opened:
        await submit_jobs(opened)
        called = await terminal.call(opened, "logs", "bad-array", "--json")
    lines = [json.loads(line) for line in called.out.splitlines()]
    assert {line["name"] for line in lines} == {"bad-array"}
    assert len({line["job_id"] for line in lines}) == 3
