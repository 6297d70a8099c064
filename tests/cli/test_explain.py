"""`asyncbatch explain`, in this process."""

import json

import pytest

from asyncbatch.local import Script
from tests.cli.harness import Terminal, golden
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time

UNKNOWN_ID = "6dd5a3a4-0000-4000-8000-000000000000"


async def test_output(bench: MakeBench, terminal: Terminal) -> None:
    async with bench(Script.out_of_memory(after=5), vcpus=4) as b:
        # Ids are drawn with those of requests: nothing comes between the two submissions.
        job = await b.batch.submit("hello", queue="default", name="etl")
        await b.batch.submit("hello", queue="default", name="huge", vcpus=8)
        await job.result(check=False)
        text = await terminal.call(b, "explain", "etl", "huge")
        narrow = await terminal.call(b, "explain", "etl", "huge", columns=60)
        machine = await terminal.call(b, "explain", "etl", "--json")
    assert (text.code, text.err, machine.code) == (0, "", 0)
    golden("explain.txt", text.out)
    assert narrow.out.split() == text.out.split()  # no word is broken
    lines = narrow.out.splitlines()
    assert all(len(line) <= 60 or " " not in line.strip("- ") for line in lines)
    golden("explain.json", machine.out)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "which job? Give a job id or a name"),
        ([UNKNOWN_ID], 2, f"job {UNKNOWN_ID} does not exist"),
        (["nope"], 2, "no job is named nope in queue default"),
    ],
)
async def test_what_does_not_exist_is_a_usage_error(
    bench: MakeBench, terminal: Terminal, arguments: list[str], code: int, words: str
) -> None:
    async with bench() as b:
        called = await terminal.call(b, "explain", *arguments)
    assert (called.code, called.out) == (code, "")
    assert words in called.err


async def test_newest_twenty_of_many_are_explained(bench: MakeBench, terminal: Terminal) -> None:
    async with bench(Script(exit_code=1)) as b:
        for _ in range(22):
            await (await b.batch.submit("hello", queue="default")).result(check=False)
        called = await terminal.call(b, "explain", "--status", "failed", "--json")
    assert len(json.loads(called.out)["explanations"]) == 20
    assert called.err == "22 jobs; the newest 20 are explained.\n"
