"""`asyncbatch rerun`, in this process."""

import json

import pytest

from asyncbatch import Job
from asyncbatch.local import Launch, Script
from tests.cli.harness import Terminal, golden
from tests.fixtures.bench import Bench, MakeBench

pytestmark = pytest.mark.virtual_time


class Fails:
    """The scripts of jobs whose first tries fail."""

    def __init__(self) -> None:
        self.fail = True

    def __call__(self, launch: Launch) -> Script:
        fails = self.fail and launch.name.startswith("bad")
        if launch.array_index is not None:
            fails = fails and launch.array_index % 2 == 1
        return Script(exit_code=3 if fails else 0)


async def ended(bench: Bench, *names: str) -> dict[str, Job]:
    jobs = {}
    for name in names:
        job = await bench.batch.submit(
            "hello",
            queue="default",
            name=name,
            command=["sh", "-c", "true"],
            environment={"DAY": "mon"},
            array_size=4 if name.endswith("array") else None,
        )
        await job.result(check=False)
        jobs[name] = job
    return jobs


async def test_jobs_that_are_named_by_id_are_submitted_at_once(
    bench: MakeBench, terminal: Terminal
) -> None:
    scripts = Fails()
    async with bench(scripts) as opened:
        jobs = await ended(opened, "bad-1", "bad-array", "good")
        scripts.fail = False
        ids = [jobs[name].id for name in ("bad-1", "bad-array")]
        called = await terminal.call(opened, "rerun", *ids, "--memory", "256", "-e", "TRY=2")
        found = await opened.batch.describe([job.job_id for job in opened.local.ledger.submissions])
        new = [job for job_id, job in found.items() if job_id not in {j.id for j in jobs.values()}]
    assert called.code == 0
    golden("rerun.txt", called.out)
    sizes = {job.name: job.array.size if job.array else None for job in new}
    assert sizes == {"bad-1": None, "bad-array": 2}
    for job in new:
        assert job.containers[0].memory_mib == 256
        assert job.containers[0].environment["DAY"] == "mon"
        assert job.containers[0].environment["TRY"] == "2"


async def test_wait_reports_how_the_new_jobs_end(bench: MakeBench, terminal: Terminal) -> None:
    scripts = Fails()
    async with bench(scripts) as opened:
        jobs = await ended(opened, "bad-1", "bad-2")
        again = await terminal.call(opened, "rerun", jobs["bad-1"].id, "--wait")
        scripts.fail = False
        well = await terminal.call(opened, "rerun", jobs["bad-2"].id, "--wait", "--json")
    assert (again.code, well.code) == (1, 0)
    assert again.out.startswith("1 FAILED\n")
    (job,) = json.loads(well.out)["jobs"]
    assert (job["rerun_of"], job["status"]) == (jobs["bad-2"].id, "SUCCEEDED")


async def test_children_of_an_array_run_again_together(
    bench: MakeBench, terminal: Terminal
) -> None:
    scripts = Fails()
    async with bench(scripts) as opened:
        jobs = await ended(opened, "bad-array")
        array = jobs["bad-array"].id
        called = await terminal.call(opened, "rerun", f"{array}:1", f"{array}:3", "--json")
        again = opened.local.ledger.submissions[1:]
    assert called.code == 0
    assert len(again) == 1
    listed = json.loads(called.out)["jobs"]
    assert [job["rerun_of"] for job in listed] == [f"{array}:1", f"{array}:3"]
    assert [job["job_id"] for job in listed] == [f"{again[0].job_id}:{n}" for n in range(2)]


@pytest.mark.parametrize(
    ("arguments", "answer", "expected"),
    [
        (["--all"], "y", ["bad-1", "bad-2"]),
        (["bad-*"], "y", ["bad-1", "bad-2"]),
        (["--all"], "n", []),
        (["--all", "--yes"], None, ["bad-1", "bad-2"]),
        (["bad-2", "--yes"], None, ["bad-2"]),
    ],
)
async def test_jobs_that_are_named_otherwise_are_listed_and_confirmed(
    bench: MakeBench,
    terminal: Terminal,
    arguments: list[str],
    answer: str | None,
    expected: list[str],
) -> None:
    async with bench(Fails()) as opened:
        await ended(opened, "bad-1", "bad-2", "good")
        called = await terminal.call(opened, "rerun", *arguments, answer=answer)
        names = [job.name for job in opened.local.ledger.submissions[3:]]
    assert sorted(names) == expected
    assert called.code == 0
    assert ("Nothing was done." in called.err) == (answer == "n")


async def test_no_failed_jobs_is_no_error(bench: MakeBench, terminal: Terminal) -> None:
    async with bench() as opened:
        await ended(opened, "good")
        called = await terminal.call(opened, "rerun", "--all")
        machine = await terminal.call(opened, "rerun", "--all", "--json")
    assert (called.code, called.out, called.err) == (0, "", "No failed jobs.\n")
    assert (machine.code, json.loads(machine.out)) == (0, {"jobs": []})


BAD = [
    ([], "name failed jobs by id or name, or choose those of the queue by"),
    (["x", "--all"], "--all means all failed jobs of the queue: leave it out, or the names."),
    (["bad-*"], "--yes"),
    (["good"], "no FAILED job is named good in queue default."),
    (["bad-1", "--yes", "--memory", "1"], "--memory=1: must be an integer of 4 or more"),
    (["bad-1", "--yes", "--since", "soon"], "--since soon: must be an age"),
    (["bad-1", "--yes", "--to-queue", "none"], "none"),
    (["3f6bdc3b-0000-4000-8000-000000000000"], "does not exist"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
async def test_bad_arguments_are_named_and_nothing_is_submitted(
    bench: MakeBench, terminal: Terminal, arguments: list[str], message: str
) -> None:
    async with bench(Fails()) as opened:
        await ended(opened, "bad-1", "good")
        called = await terminal.call(opened, "rerun", *arguments)
        assert len(opened.local.ledger.submissions) == 2
    assert (called.code, called.out) == (2, "")
    assert message in called.err


async def test_job_that_succeeded_does_not_run_again(bench: MakeBench, terminal: Terminal) -> None:
    async with bench() as opened:
        jobs = await ended(opened, "good")
        called = await terminal.call(opened, "rerun", jobs["good"].id)
        assert len(opened.local.ledger.submissions) == 1
    assert called.code == 2
    assert "is SUCCEEDED: only jobs that FAILED run again." in called.err
