"""`asyncbatch run`, in this process; one program is killed and started again."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from asyncbatch import AsyncBatchClient
from asyncbatch.local import Fault, Launch, LocalBatch, Script, ScriptedExecutor
from tests.cli.harness import Called, Terminal, golden
from tests.fixtures.bench import DEFINITION, Bench, MakeBench
from tests.fixtures.programs import launcher

JOBS = """\
{"job_definition": "hello", "name": "one"}
{"job_definition": "hello", "name": "bad-two"}
{"jobDefinition": "hello", "jobName": "three", "containerOverrides": {"command": ["true"]}}
"""
GO_ON = (
    "Run the same command again, or only follow the jobs with"
    " `asyncbatch resume jobs.jsonl.journal`.\n"
)


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of three requests in the current directory."""
    monkeypatch.chdir(tmp_path)
    path = Path("jobs.jsonl")
    write(path, JOBS)
    return path


def write(path: Path, content: str) -> None:
    path.write_text(content)


def files() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def script(launch: Launch) -> Script:
    return Script(exit_code=3 if launch.name.startswith("bad") else 0, lines=[(0, launch.name)])


def submitted(bench: Bench) -> list[str]:
    return [job.name for job in bench.local.ledger.submissions]


# -- what it prints -------------------------------------------------------------------------------


@pytest.mark.virtual_time
async def test_summary_names_the_failures_and_their_lines(
    bench: MakeBench, terminal: Terminal, jobs: Path
) -> None:
    async with bench(script) as opened:
        called = await terminal.call(opened, "run", "jobs.jsonl")
    assert called.code == 1
    golden("run.txt", called.out)
    lines = called.err.splitlines()
    assert lines[0] == "3 requests in jobs.jsonl; journal jobs.jsonl.journal"
    assert "3/3 jobs ended" in called.err
    assert lines[-1].endswith("The same command submits the failed jobs again.")


@pytest.mark.virtual_time
async def test_json_has_a_line_for_each_job_and_a_summary(
    bench: MakeBench, terminal: Terminal, jobs: Path
) -> None:
    async with bench(script) as opened:
        called = await terminal.call(opened, "run", "jobs.jsonl", "--json", "-q", "default")
    assert called.code == 1
    *ended, summary = called.out.splitlines(keepends=True)
    by_line = sorted(ended, key=lambda line: int(json.loads(line)["line"]))
    golden("run.jsonl", "".join([*by_line, summary]))


@pytest.mark.virtual_time
async def test_exit_code_is_0_if_all_succeeded(
    bench: MakeBench, terminal: Terminal, jobs: Path
) -> None:
    async with bench() as opened:
        called = await terminal.call(opened, "run", "jobs.jsonl", "--quiet", "--no-journal")
    assert (called.code, called.out) == (0, "3 SUCCEEDED\n")
    assert called.err == "3 requests in jobs.jsonl; no journal\n"
    assert files() == ["jobs.jsonl"]


@pytest.mark.virtual_time
async def test_dry_run_prints_the_requests_and_sends_nothing(
    bench: MakeBench, terminal: Terminal, jobs: Path
) -> None:
    async with bench() as opened:
        before = opened.local.calls.total()
        called = await terminal.call(opened, "run", "jobs.jsonl", "--dry-run", "-q", "spot")
        assert opened.local.calls.total() == before
    assert called.code == 0
    assert [json.loads(line) for line in called.out.splitlines()][2] == {
        "jobName": "three",
        "jobQueue": "spot",
        "jobDefinition": "hello",
        "containerOverrides": {"command": ["true"]},
    }


@pytest.mark.virtual_time
async def test_rows_of_a_csv_file_fill_a_template(
    bench: MakeBench, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("days.csv"), "day,name,notes\n2024-01-15,a,x\n007,b,y\n")
    write(Path("job.yaml"), "parameters: {day: '{day}'}")
    async with bench() as opened:
        called = await terminal.call(
            opened, "run", "days.csv", "-t", "job.yaml", "-d", "hello", "--quiet"
        )
        jobs = opened.local.ledger.submissions
        described = await opened.batch.describe([job.job_id for job in jobs])
    assert (called.code, called.out) == (0, "2 SUCCEEDED\n")
    assert called.err.splitlines()[1] == "Columns that nothing uses: notes"
    days = {job.name: job.parameters["day"] for job in described.values()}
    assert days == {"a": "2024-01-15", "b": "007"}


@pytest.mark.virtual_time
async def test_requests_of_standard_input_need_a_format(
    bench: MakeBench, terminal: Terminal
) -> None:
    async with bench() as opened:
        arguments = ("run", "-", "--no-journal", "--quiet", "--format")
        called = await terminal.call(opened, *arguments, "jsonl", piped=JOBS)
        wrong = await terminal.call(opened, *arguments, "json", piped=JOBS)
    assert (called.code, called.out) == (0, "3 SUCCEEDED\n")
    assert wrong.code == 2
    assert wrong.err.startswith("asyncbatch: standard input:2: not JSON: ")


# -- continuing -----------------------------------------------------------------------------------


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("options", "again"), [((), ["bad-two"]), (("--keep-failed",), [])], ids=["default", "keep"]
)
async def test_same_command_submits_failed_jobs_again_and_no_others(
    bench: MakeBench, terminal: Terminal, jobs: Path, options: tuple[str, ...], again: list[str]
) -> None:
    async with bench(script) as opened:
        first = await terminal.call(opened, "run", "jobs.jsonl")
        assert sorted(submitted(opened)) == ["bad-two", "one", "three"]
        second = await terminal.call(opened, "run", "jobs.jsonl", *options)
        assert submitted(opened)[3:] == again
    assert (first.code, second.code) == (1, 1)
    assert second.out.splitlines()[0] == first.out.splitlines()[0]
    assert "3 requests in jobs.jsonl; continuing jobs.jsonl.journal" in second.err


@pytest.mark.virtual_time
async def test_recovery_submits_failed_jobs_again_while_the_command_runs(
    bench: MakeBench, terminal: Terminal, jobs: Path
) -> None:
    lost = [Script(exit_code=None, status_reason="Host EC2 (instance i-1) terminated.")]
    async with bench(lambda launch: lost.pop() if lost else Script()) as opened:
        called = await terminal.call(opened, "run", "jobs.jsonl", "--recovery", "spot:2")
        assert len(submitted(opened)) == 4
    assert (called.code, called.out) == (0, "3 SUCCEEDED\n")


@pytest.mark.virtual_time
async def test_stop_on_submits_no_more_jobs(
    bench: MakeBench, terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "jobs.jsonl"
    write(file, '{"job_definition": "hello"}\n' * 30)
    pull = Script(exit_code=None, reason="CannotPullContainerError: not found")
    async with bench(pull) as opened:
        called = await terminal.call(
            opened, "run", str(file), "--max-in-flight", "2", "--stop-on", "50%,3"
        )
        number = len(submitted(opened))
    assert called.code == 1
    assert 3 <= number < 8
    assert "no further job was submitted" in called.err
    assert f"{30 - number} of 30 requests are not sent" in called.err


# -- stopping -------------------------------------------------------------------------------------


async def interrupted(
    bench: Bench, terminal: Terminal, *arguments: str, after: Callable[[], bool]
) -> Called:
    """Call a command, cancel it as a signal does when a condition holds, and return its end."""
    task = asyncio.ensure_future(terminal.call(bench, *arguments))
    while not after():  # noqa: ASYNC110 - the engine announces no submissions
        await asyncio.sleep(0.1)
    task.cancel()
    return await task


@pytest.mark.virtual_time
@pytest.mark.parametrize("options", [(), ("--terminate-on-interrupt",)], ids=["default", "end"])
async def test_interrupt_leaves_jobs_alone_unless_asked_and_says_how_to_go_on(
    bench: MakeBench, terminal: Terminal, jobs: Path, options: tuple[str, ...]
) -> None:
    async with bench(Script(duration=3600)) as opened:
        arguments = ("run", "jobs.jsonl", "--max-in-flight", "2", *options)
        called = await interrupted(
            opened, terminal, *arguments, after=lambda: len(submitted(opened)) == 2
        )
        found = await opened.batch.find()
        reasons = {(await job.wait()).status_reason for job in found} if options else None
    assert called.code == 130
    if options:
        assert reasons == {"asyncbatch run was interrupted"}
        assert "Terminated 2 jobs, and 1 of 3 requests is not sent." in called.err
    else:
        assert not any(job.status.is_terminal for job in found)
        assert "Stopped: 2 jobs continue in AWS Batch, and 1 of 3 requests is not" in called.err
    assert called.err.endswith(GO_ON)


@pytest.mark.virtual_time
async def test_interrupt_before_the_client_is_open_says_that_nothing_was_sent(
    bench: MakeBench, terminal: Terminal, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = asyncio.Event()

    async def hang(_client: AsyncBatchClient) -> None:
        opening.set()
        await asyncio.Event().wait()

    async with bench() as opened:
        monkeypatch.setattr(AsyncBatchClient, "open", hang)
        called = await interrupted(opened, terminal, "run", "jobs.jsonl", after=opening.is_set)
        assert submitted(opened) == []
    assert called.code == 130
    assert called.err.endswith("Stopped: nothing was sent. Run the same command again.\n")


async def test_killed_command_continues_without_losing_or_repeating_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    days = [str(day) for day in range(16)]
    write(Path("jobs.csv"), "\n".join(["parameters.day", *days]))
    executor = ScriptedExecutor(Script(startup=0.01, duration=0.1))
    arguments = ["asyncbatch", "run", "jobs.csv", "-d", "hello", "--max-in-flight", "8", "--json"]
    code = f"import sys; sys.argv = {arguments}; from asyncbatch._cli import main; main()"
    programs = launcher(("asyncbatch._cli.app", "asyncbatch._cli.run"))
    async with (
        LocalBatch(vcpus=100, executor=executor, seed=1) as local,
        local.serve() as door,
        AsyncBatchClient(session=local.session) as batch,
    ):
        await batch.register_job_definition(DEFINITION)
        for name, value in door.environment.items():
            monkeypatch.setenv(name, value)
        with (tmp_path / "errors").open("w") as errors:
            killed = programs.start(code, stderr=errors)
            assert await anyio.to_thread.run_sync(killed.stdout.readline)  # a job has ended
            await anyio.to_thread.run_sync(killed.kill)
            killed.stdout.close()
            assert 8 <= len(local.ledger.submissions) < 16
            again = programs.start(code, stderr=errors)
            output = await anyio.to_thread.run_sync(again.read_all)
        described = await batch.describe([job.job_id for job in local.ledger.submissions])
    assert again.wait() == 0
    assert sorted((job.parameters["day"] for job in described.values()), key=int) == days
    assert len(local.ledger.submissions) == 16
    summary = json.loads(output.splitlines()[-1])
    assert summary["counts"] == {"SUCCEEDED": 16}


@pytest.mark.virtual_time
async def test_job_that_aws_no_longer_knows_is_unknown(
    bench: MakeBench, terminal: Terminal, jobs: Path
) -> None:
    async with bench() as opened:
        opened.local.faults.add("DescribeJobs", Fault.forget(0))
        called = await terminal.call(opened, "run", "jobs.jsonl", "--quiet")
        machine = await terminal.call(
            opened, "run", "jobs.jsonl", "--json", "--keep-failed", "-q", "default"
        )
    assert (called.code, machine.code) == (1, 1)
    assert called.out.startswith("3 UNKNOWN\n")
    assert called.out.count("DescribeJobs has not returned job") == 3
    lines = [json.loads(line) for line in machine.out.splitlines()]
    assert [line.get("status") for line in lines[:3]] == [None] * 3
    assert lines[3]["counts"] == {"UNKNOWN": 3}


@pytest.mark.virtual_time
async def test_jobs_that_can_no_longer_be_followed_end_the_command(
    bench: MakeBench, terminal: Terminal, jobs: Path
) -> None:
    async with bench(Script(duration=None)) as opened:
        denied = Fault.error("AccessDeniedException", "not allowed")
        opened.local.faults.add("DescribeJobs", denied)
        called = await terminal.call(opened, "run", "jobs.jsonl", "--quiet")
    assert (called.code, called.out) == (3, "3 SUBMITTED\n")
    assert "AccessDeniedException: not allowed." in called.err
    assert "Stopped: 3 jobs continue in AWS Batch." in called.err


# -- bad input ------------------------------------------------------------------------------------

BAD = [
    (["missing.csv"], "cannot read missing.csv: No such file or directory."),
    (["-"], "standard input has no name from which that of a journal follows"),
    (["-", "--no-journal"], "standard input needs --format: one of json, jsonl, yaml, csv, tsv."),
    (["jobs.jsonl", "--no-journal", "--journal", "x"], "--journal cannot be used with"),
    (["jobs.jsonl", "--no-journal", "--keep-failed"], "--keep-failed cannot be used with"),
    (["jobs.jsonl", "--recovery", "often"], "--recovery='often': must be a RecoveryPolicy, or a"),
    (["jobs.jsonl", "--stop-on", "often"], "--stop-on often: must be a share such as 50%"),
    (["jobs.jsonl", "--stop-on", "150%"], "--stop-on 150%: must be a share such as 50%"),
    (["jobs.jsonl", "--stop-on", "50%,0"], "--stop-on 50%,0: must be a share such as 50%"),
    (["jobs.jsonl", "--max-in-flight", "0"], "--max-in-flight"),
    (["jobs.jsonl", "--template", "missing.yaml"], "cannot read missing.yaml"),
    (["jobs.jsonl", "--template", "jobs.jsonl"], "is for rows of CSV files"),
    (["jobs.jsonl", "--format", "csv"], "jobs.jsonl:1: "),
    (["jobs.jsonl", "--format", "xml"], "xml"),
    (["jobs.jsonl", "--journal", "."], "journal ."),
]  # fmt: skip


@pytest.mark.virtual_time
@pytest.mark.parametrize(("arguments", "message"), BAD)
async def test_bad_arguments_are_named_and_nothing_is_sent(
    bench: MakeBench, terminal: Terminal, jobs: Path, arguments: list[str], message: str
) -> None:
    async with bench() as opened:
        before = opened.local.calls.total()
        called = await terminal.call(opened, "run", *arguments)
        assert opened.local.calls.total() == before
    assert (called.code, called.out) == (2, "")
    assert message in called.err


@pytest.mark.virtual_time
async def test_malformed_line_stops_the_command_before_anything_is_sent(
    bench: MakeBench, terminal: Terminal, jobs: Path
) -> None:
    write(jobs, f"{JOBS}{{}}\n")
    async with bench() as opened:
        called = await terminal.call(opened, "run", "jobs.jsonl")
        assert submitted(opened) == []
    assert called.code == 2
    assert called.err == (
        "asyncbatch: jobs.jsonl:4: job_definition=None: a request needs a job definition\n"
    )
    assert files() == ["jobs.jsonl"]


@pytest.mark.virtual_time
async def test_request_that_aws_refuses_ends_the_command_with_a_summary(
    bench: MakeBench, terminal: Terminal, jobs: Path
) -> None:
    write(jobs, '{"job_definition": "hello"}\n{"job_definition": "unknown"}\n')
    async with bench() as opened:
        called = await terminal.call(opened, "run", "jobs.jsonl", "--quiet")
    assert called.code == 2
    assert called.out.startswith("1 ")
    assert "unknown" in called.err
    assert called.err.endswith(GO_ON)
