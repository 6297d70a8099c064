"""Commands that take the journal of a run where they take jobs."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from asyncbatch.local import Launch, Script
from tests.cli.harness import Terminal
from tests.fixtures.bench import Bench, MakeBench

pytestmark = pytest.mark.virtual_time


class Outcomes:
    """Fails the job `bad` always, and `spot` the first time."""

    def __init__(self) -> None:
        self._host_was_lost = False

    def __call__(self, launch: Launch) -> Script:
        if launch.name == "bad":
            return Script(exit_code=3)
        if launch.name == "spot" and not self._host_was_lost:
            self._host_was_lost = True
            return Script(exit_code=None, status_reason="Host EC2 (instance i-0) terminated.")
        return Script(duration=60)


@asynccontextmanager
async def finished_run(
    bench: MakeBench, terminal: Terminal, folder: Path
) -> AsyncIterator[tuple[Bench, str]]:
    """Run three jobs from a file to their ends; yield the bench and the path of the journal."""
    file = folder / "jobs.csv"
    file.write_text("job_definition,name\nhello,good\nhello,bad\nhello,spot\n")
    async with bench(Outcomes()) as opened:
        called = await terminal.call(opened, "run", str(file), "--recovery", "spot:3", "--quiet")
        assert (called.code, called.out.splitlines()[0]) == (1, "2 SUCCEEDED, 1 FAILED")
        yield opened, f"{file}.journal"


async def test_journal_stands_for_the_jobs_of_its_run(
    bench: MakeBench, terminal: Terminal, tmp_path: Path
) -> None:
    async with finished_run(bench, terminal, tmp_path) as (opened, journal):
        await opened.batch.submit("hello", queue="default", name="another")
        listed = await terminal.call(opened, "ls", journal, "--json")
        failed = await terminal.call(opened, "ls", journal, "--status", "failed", "--json")
        waited = await terminal.call(opened, "wait", journal)
        watched = await terminal.call(opened, "watch", journal)
        ended = await terminal.call(opened, "terminate", journal, "--yes")
    assert {job["name"] for job in json.loads(listed.out)["jobs"]} == {"good", "bad", "spot"}
    assert [job["name"] for job in json.loads(failed.out)["jobs"]] == ["bad"]
    assert (waited.code, len(waited.out.splitlines())) == (1, 3)
    assert watched.code == 1
    assert "3/3 jobs ended" in watched.out
    assert (ended.code, ended.err) == (0, "No jobs to terminate.\n")


async def test_show_has_the_submissions_before_a_recovery(
    bench: MakeBench, terminal: Terminal, tmp_path: Path
) -> None:
    async with finished_run(bench, terminal, tmp_path) as (opened, journal):
        text = await terminal.call(opened, "show", journal)
        shown = await terminal.call(opened, "show", journal, "--json")
    before = {job["name"]: job["earlier_submissions"] for job in json.loads(shown.out)["jobs"]}
    assert (before["good"], before["bad"]) == ([], [])
    (lost,) = before["spot"]
    assert (lost["status"], lost["failure"]["kind"]) == ("FAILED", "host lost")
    (line,) = [line for line in text.out.splitlines() if line.startswith("Before")]
    assert f"{lost['job_id']} FAILED: host lost" in line


async def test_rerun_of_a_journal_submits_only_what_failed_last(
    bench: MakeBench, terminal: Terminal, tmp_path: Path
) -> None:
    async with finished_run(bench, terminal, tmp_path) as (opened, journal):
        asks = await terminal.call(opened, "rerun", journal, answer="n")
        again = await terminal.call(opened, "rerun", journal, "--yes", "--json")
    assert asks.code == 0
    assert "Submit this job again? [y/N] Nothing was done." in asks.err
    assert [job["name"] for job in json.loads(again.out)["jobs"]] == ["bad"]


async def test_jobs_that_aws_has_forgotten_are_counted(
    bench: MakeBench, terminal: Terminal, tmp_path: Path
) -> None:
    async with finished_run(bench, terminal, tmp_path) as (_, journal), bench() as empty:
        called = await terminal.call(empty, "ls", journal)
    assert called.code == 0
    assert called.err == (
        f"3 of 3 requests in {journal} have jobs that AWS no longer knows, and are left out.\n"
        "No jobs.\n"
    )


async def test_name_that_no_job_can_have_is_the_path_of_a_journal(
    bench: MakeBench, terminal: Terminal
) -> None:
    async with bench() as opened:
        called = await terminal.call(opened, "wait", "etl.1")
    assert called.code == 2
    assert called.err.startswith("asyncbatch: there is no journal etl.1, and no job can have this")
