"""`asyncbatch resume`, in this process."""

from pathlib import Path

import pytest

from asyncbatch import AsyncBatchClient, JobRequest
from asyncbatch.local import Fault, Launch, Script
from tests.cli.harness import Terminal
from tests.fixtures.bench import Bench, MakeBench

pytestmark = pytest.mark.virtual_time


def write(path: Path, content: str) -> None:
    path.write_text(content)


def script(launch: Launch) -> Script:
    return Script(duration=600, exit_code=3 if launch.name == "bad" else 0)


async def journal_of(bench: Bench, path: Path, *names: str) -> None:
    """Submit jobs with a journal, and leave them running."""
    async with AsyncBatchClient(session=bench.local.session, journal=path) as batch:
        await batch.submit_many([JobRequest("hello", name=name) for name in names])


async def test_follows_the_jobs_of_a_journal(
    bench: MakeBench, terminal: Terminal, tmp_path: Path
) -> None:
    path = tmp_path / "run.journal"
    async with bench(script) as opened:
        await journal_of(opened, path, "one", "bad")
        called = await terminal.call(opened, "resume", str(path))
        assert len(opened.local.ledger.submissions) == 2
        machine = await terminal.call(opened, "resume", str(path), "--json")
        again = await terminal.call(opened, "resume", str(path))
    assert called.code == machine.code == 1
    assert called.out.startswith("1 SUCCEEDED, 1 FAILED\n\nJOB ID")
    assert "2/2 jobs ended" in called.err
    assert "2/2 jobs ended: 1 SUCCEEDED, 1 FAILED" in again.err
    assert "0/0" not in again.err
    assert machine.out.splitlines()[-1].startswith('{"type":"summary","counts":{"SUCCEEDED":1,')


async def test_recovery_submits_failed_jobs_again(
    bench: MakeBench, terminal: Terminal, tmp_path: Path
) -> None:
    path = tmp_path / "run.journal"
    lost = [
        Script(duration=600, exit_code=None, status_reason="Host EC2 (instance i-1) terminated.")
    ]
    async with bench(lambda launch: lost.pop() if lost else Script()) as opened:
        await journal_of(opened, path, "one")
        called = await terminal.call(opened, "resume", str(path), "--recovery", "spot:2")
    assert (called.code, called.out) == (0, "1 SUCCEEDED\n")


@pytest.mark.parametrize("key", ["", ', "key": "a=b"'], ids=["name", "key"])
async def test_uncertain_submission_is_settled_as_the_message_says(
    bench: MakeBench, terminal: Terminal, tmp_path: Path, key: str
) -> None:
    file = tmp_path / "jobs.jsonl"
    write(file, f'{{"job_definition": "hello", "name": "one"{key}}}')
    journal = f"{file}.journal"
    async with bench() as opened:
        opened.local.faults.add("ListJobs", Fault.error("AccessDeniedException", "no"))
        with opened.local.faults.add("SubmitJob", Fault.drop_after()):
            called = await terminal.call(opened, "run", str(file), "-q", "default")
        name = "a=b" if key else "one"
        (job,) = opened.local.ledger.submissions
        assert called.code == 3
        assert f"`asyncbatch resume JOURNAL --settle {name}=JOB_ID`" in called.err
        assert f"`--settle {name}=` if there is no such job" in called.err
        bad = await terminal.call(opened, "resume", journal, "--settle", "two=")
        malformed = await terminal.call(opened, "resume", journal, "--settle", "two")
        settle = ("resume", journal, "--settle", f"{name}={job.job_id}")
        settled = await terminal.call(opened, *settle)
        assert len(opened.local.ledger.submissions) == 1
    assert (bad.code, malformed.code) == (2, 2)
    assert "has no single uncertain submission" in bad.err
    assert "must be NAME=JOB_ID" in malformed.err
    assert (settled.code, settled.out) == (0, "1 SUCCEEDED\n")


@pytest.mark.parametrize(
    ("content", "message"), [(None, "there is no journal"), (b"no database", "not a journal")]
)
async def test_file_that_is_no_journal_is_named_and_kept(
    bench: MakeBench,
    terminal: Terminal,
    tmp_path: Path,
    content: bytes | None,
    message: str,
) -> None:
    path = tmp_path / "run.journal"
    if content is not None:
        path.write_bytes(content)
    async with bench() as opened:
        called = await terminal.call(opened, "resume", str(path))
    assert called.code == 2
    assert message in called.err
    assert (path.read_bytes() if path.exists() else None) == content
