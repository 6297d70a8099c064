"""`asyncbatch queues` and `asyncbatch definitions`, in this process."""

import json

import pytest

from asyncbatch.local import Fault
from tests.cli.harness import Terminal, golden
from tests.cli.scenario import VCPUS, script, submit_jobs
from tests.fixtures.bench import DEFINITION, MakeBench

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(
    ("name", "arguments", "columns"),
    [
        ("queues.txt", ["queues"], None),
        ("queues-terminal.txt", ["queues"], 80),
        ("queue.txt", ["queues", "default"], None),
        ("queue.json", ["queues", "-q", "default", "--json"], None),
        ("definitions.txt", ["definitions"], None),
        ("definitions.json", ["definitions", "hel*", "--json"], None),
    ],
)
async def test_output(
    bench: MakeBench, terminal: Terminal, name: str, arguments: list[str], columns: int | None
) -> None:
    async with bench(script, vcpus=VCPUS) as opened:
        await submit_jobs(opened)
        called = await terminal.call(opened, *arguments, columns=columns)
    assert (called.code, called.err) == (0, "")
    golden(name, called.out)


async def test_queue_of_the_environment_does_not_hide_the_others(
    bench: MakeBench, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCBATCH_QUEUE", "other")
    async with bench() as opened:
        called = await terminal.call(opened, "queues", "--no-depth", "--json")
        named = await terminal.call(opened, "queues", "-q", "default", "--no-depth", "--json")
    for listing in (called, named):
        assert [queue["name"] for queue in json.loads(listing.out)["queues"]] == ["default"]


async def test_depth_can_be_left_out(bench: MakeBench, terminal: Terminal) -> None:
    async with bench() as opened:
        called = await terminal.call(opened, "queues", "--no-depth", "--json")
        assert opened.local.calls["ListJobs"] == 0
    assert json.loads(called.out)["queues"][0]["jobs"] is None


async def test_missing_permission_leaves_the_rest(bench: MakeBench, terminal: Terminal) -> None:
    async with bench() as opened:
        denial = Fault.error("AccessDeniedException", "no", status=403)
        opened.local.faults.add("GetJobQueueSnapshot", denial)
        called = await terminal.call(opened, "queues", "default")
    assert called.code == 0
    assert "ENABLED" in called.out
    assert "GetJobQueueSnapshot" in called.err


@pytest.mark.parametrize("command", ["queues", "definitions"])
async def test_unknown_name_is_an_error(bench: MakeBench, terminal: Terminal, command: str) -> None:
    async with bench() as opened:
        called = await terminal.call(opened, command, "nope")
    assert called.code == 2
    assert f"`asyncbatch {command}`" in called.err


async def test_newest_revision_is_listed_unless_all_are_wanted(
    bench: MakeBench, terminal: Terminal
) -> None:
    async with bench() as opened:
        await opened.batch.register_job_definition(
            {**DEFINITION, "timeout": {"attemptDurationSeconds": 60}}
        )
        newest = await terminal.call(opened, "definitions", "--json")
        every = await terminal.call(opened, "definitions", "--all", "--json")
    revisions = [
        [each["revision"] for each in json.loads(called.out)["definitions"]]
        for called in (newest, every)
    ]
    assert revisions == [[2], [2, 1]]
