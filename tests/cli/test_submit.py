"""`asyncbatch submit`, in this process."""

import asyncio
import json
from pathlib import Path

import pytest

from asyncbatch import JobRequest
from asyncbatch._aws.wire import requests as wire
from asyncbatch._cli import submit as module
from asyncbatch._values.requests import JobFields
from asyncbatch.local import Script
from tests.cli.harness import Terminal, golden
from tests.fixtures import shapes
from tests.fixtures.bench import DEFINITION, MakeBench

pytestmark = pytest.mark.virtual_time

ALL_OPTIONS = (
    *("--name", "nightly", "--vcpus", "0.5", "--memory", "2048", "--gpus", "1"),
    *("-e", "DAY=mon", "-e", "SHELL_VARIABLE", "-p", "day=2024-01-15", "-t", "team=a=b"),
    *("--retry", "3", "--timeout", "90m", "--share-identifier", "blue", "--priority", "5"),
    *("--depends-on", "job-1", "--depends-on", "n_to_n:job-2", "--array", "3", "-q", "spot"),
)


async def test_prints_the_job_id(bench: MakeBench, terminal: Terminal) -> None:
    async with bench() as opened:
        called = await terminal.call(opened, "submit", "hello", "--", "echo", "-n", "hi")
        (job,) = opened.local.ledger.submissions
    assert (called.code, called.out) == (0, f"{job.job_id}\n")
    assert called.err.startswith("Submitted hello-")
    assert called.err.endswith(f"({job.job_id}) to default.\n")


async def test_json(bench: MakeBench, terminal: Terminal) -> None:
    async with bench() as opened:
        options = ("-n", "nightly", "-q", "default", "--json")
        called = await terminal.call(opened, "submit", "hello", *options)
        waited = await terminal.call(opened, "submit", "hello", *options, "--wait")
    assert (called.code, waited.code) == (0, 0)
    golden("submit.json", called.out)
    golden("submit-wait.json", waited.out)


async def test_wait_for_a_job_that_fails_shows_its_last_lines(
    bench: MakeBench, terminal: Terminal
) -> None:
    async with bench(Script(exit_code=3, lines=[(0, "oh no")])) as opened:
        called = await terminal.call(opened, "submit", "hello", "-n", "bad", "--wait")
        machine = await terminal.call(opened, "submit", "hello", "-n", "bad", "--wait", "--json")
    assert (called.code, machine.code) == (1, 1)
    assert "asyncbatch: job 'bad'" in called.err
    assert "oh no" in called.err
    assert json.loads(machine.out)["jobs"][0]["failure"]["kind"] == "exit code"


async def test_follow_prints_the_log_until_the_end(bench: MakeBench, terminal: Terminal) -> None:
    async with bench(Script(lines=[(0, "one"), (5, "\x1b[2Jtwo")])) as opened:
        called = await terminal.call(opened, "submit", "hello", "-n", "etl", "--follow")
    assert called.code == 0
    assert called.out.splitlines() == ["one", "two"]
    assert called.err.splitlines()[1:] == ["etl SUCCEEDED after 1s."]


async def test_follow_as_json_streams_log_lines_and_ends_with_the_job(
    bench: MakeBench, terminal: Terminal
) -> None:
    async with bench(Script(exit_code=3, lines=[(0, "one"), (5, "\x1b[2Jtwo")])) as opened:
        called = await terminal.call(opened, "submit", "hello", "--follow", "--json")
    *lines, job = map(json.loads, called.out.splitlines())
    assert called.code == 1
    assert [(line["type"], line["message"]) for line in lines] == [
        ("log", "one"),
        ("log", "\x1b[2Jtwo"),
    ]
    assert (job["type"], job["status"], job["exit_code"]) == ("job", "FAILED", 3)


async def test_terminal_shows_what_a_job_does_until_it_ends(
    bench: MakeBench, terminal: Terminal
) -> None:
    async with bench(Script(duration=100), vcpus=1) as opened:
        await opened.batch.submit("hello", queue="default")
        called = await terminal.call(
            opened, "submit", "hello", "-n", "etl", "--wait", columns=80, err_is_terminal=True
        )
    assert called.code == 0
    lines = called.err.splitlines()[1:]
    assert [line for line in lines if line != "etl: STARTING"] == [  # which lasts for one second
        "etl: SUBMITTED",
        "etl: RUNNABLE",
        "etl: RUNNING",
        "etl SUCCEEDED after 1m40s.",
    ]


async def test_follow_without_logs_waits_for_the_end(bench: MakeBench, terminal: Terminal) -> None:
    async with bench(Script(exit_code=3)) as opened:
        other = {"logDriver": "splunk", "options": {"splunk-url": "https://splunk.example"}}
        container = {**DEFINITION["containerProperties"], "logConfiguration": other}
        elsewhere = {"jobDefinitionName": "elsewhere", "containerProperties": container}
        await opened.batch.register_job_definition({**DEFINITION, **elsewhere})
        called = await terminal.call(opened, "submit", "elsewhere", "-n", "bad", "--follow")
    assert called.code == 1
    lines = called.err.splitlines()
    assert "splunk" in lines[1]
    assert lines[2] == "Waiting for the end of bad."
    assert lines[3].startswith("bad FAILED: exit code 3")


async def test_follow_of_an_array_names_how_to_list_failed_children(
    bench: MakeBench, terminal: Terminal
) -> None:
    async with bench(Script(exit_code=3)) as opened:
        called = await terminal.call(opened, "submit", "hello", "--array", "2", "--follow")
        (array,) = await opened.batch.find()
    assert called.code == 1
    assert called.err.endswith(f"asyncbatch ls --children --status failed {array.id}\n")


async def test_follow_of_a_job_that_fails_ends_with_the_reason(
    bench: MakeBench, terminal: Terminal
) -> None:
    async with bench(Script(exit_code=3, lines=[(0, "oh no")])) as opened:
        called = await terminal.call(opened, "submit", "hello", "--follow")
    assert called.code == 1
    assert called.out.count("oh no") == 1
    assert "oh no" not in called.err
    assert " FAILED: exit code 3" in called.err.splitlines()[-1]


async def test_interrupt_leaves_the_job_alone_and_says_how_to_go_on(
    bench: MakeBench, terminal: Terminal
) -> None:
    async with bench(Script(duration=3600)) as opened:
        task = asyncio.ensure_future(terminal.call(opened, "submit", "hello", "--wait"))
        await opened.next_call("DescribeJobs")
        task.cancel()
        called = await task
        (job,) = await opened.batch.find()
        assert not job.status.is_terminal
    assert (called.code, called.out) == (130, "")
    assert called.err.splitlines()[1] == (
        f"The job continues. Follow again: asyncbatch wait {job.id}"
    )


async def test_dry_run_prints_a_submit_job_that_makes_the_same_job(
    bench: MakeBench, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL_VARIABLE", "of the shell")
    async with bench() as opened:
        before = opened.local.calls.total()
        command = ("--", "sh", "-c", "echo -n")
        called = await terminal.call(opened, "submit", "--dry-run", *ALL_OPTIONS, "etl", *command)
        file = tmp_path / "job.json"
        file.write_text(called.out)
        again = await terminal.call(opened, "submit", "--dry-run", "--file", str(file))
        assert opened.local.calls.total() == before
    assert (called.code, called.err) == (0, "")
    golden("submit-dry-run.json", called.out)
    assert shapes.objections("SubmitJob", json.loads(called.out)) == ""
    assert again.out == called.out


async def test_dry_run_looks_up_the_default_queue_and_makes_a_name(
    bench: MakeBench, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "unique_name", lambda definition: f"{definition}-0123")
    async with bench() as opened:
        called = await terminal.call(opened, "submit", "--dry-run", "hello")
        assert opened.local.calls["SubmitJob"] == 0
    assert json.loads(called.out) == wire.submit_job(
        JobRequest("hello"), name="hello-0123", queue="default"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {"queue": "a", "environment": {"A": "1"}}),
        (["-e", "B=2", "-q", "b"], {"queue": "b", "environment": {"A": "1", "B": "2"}}),
        (["-e", "A=2", "--", "ls"], {"environment": {"A": "2"}, "command": ["ls"]}),
    ],
)
async def test_options_change_the_request_of_a_file(
    bench: MakeBench, terminal: Terminal, tmp_path: Path, options: list[str], expected: JobFields
) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("{job_definition: etl, name: n, queue: a, environment: {A: 1}}")
    async with bench() as opened:
        called = await terminal.call(opened, "submit", "--dry-run", "--file", str(file), *options)
    request = JobRequest("etl", name="n", queue="a").replace(**expected)
    assert json.loads(called.out) == wire.submit_job(request, name="n", queue=request.queue or "")


@pytest.mark.parametrize("text", ['{"jobDefinition": "etl"}', "job_definition: etl"])
async def test_request_of_standard_input_is_json_or_yaml(
    bench: MakeBench, terminal: Terminal, text: str
) -> None:
    arguments = ("submit", "--dry-run", "--file", "-", "-q", "a", "-n", "n")
    async with bench() as opened:
        called = await terminal.call(opened, *arguments, piped=text)
    assert json.loads(called.out) == {"jobName": "n", "jobQueue": "a", "jobDefinition": "etl"}


async def test_queue_of_the_environment_is_for_requests_that_name_none(
    bench: MakeBench, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCBATCH_QUEUE", "b")
    queues = []
    for members in ("", ", queue: a"):
        file = tmp_path / "job.yaml"
        file.write_text(f"{{job_definition: etl{members}}}")
        async with bench() as opened:
            called = await terminal.call(opened, "submit", "--dry-run", "--file", str(file))
        queues.append(json.loads(called.out)["jobQueue"])
    assert queues == ["b", "a"]


BAD = [
    ([], "name a job definition, or a --file with a request."),
    (["etl", "--memory", "2GB"], "--memory='2GB': must be an integer of 4 or more"),
    (["etl", "--vcpus", "0"], "--vcpus=0: must be a number above 0"),
    (["etl", "--array", "1"], "--array=1: array jobs need 2 to 10,000 children."),
    (["etl", "--env", "NOT_SET_HERE"], "--env NOT_SET_HERE: this shell has no such variable."),
    (["etl", "--env", "=1"], "--env='': "),
    (["etl", "--tag", "x"], "--tag x: must be NAME=VALUE."),
    (["etl", "--tag", "aws:x=1"], "--tag='aws:x': tag keys"),
    (["etl", "--timeout", "soon"], "--timeout='soon': must be seconds"),
    (["etl", "--timeout", "5"], "--timeout="),
    (["etl", "--retry", "11"], "--retry.attempts=11: must be an integer from 1 to 10"),
    (["etl", "--depends-on", "n_to_n:job-1"], "N_TO_N is for array jobs"),
    (["etl", "--name", "a b"], "--name='a b': job names"),
    (["etl:latest"], "DEFINITION='etl:latest': a revision is a number"),
    (["etl", "--", ""], "COMMAND='': every argument"),
    (["etl", "--dry-run", "--wait"], "--dry-run submits nothing"),
    (["--file", "missing.json"], "cannot read missing.json: No such file or directory."),
    (["--file", "job.txt"], "cannot read job.txt"),
    (["--file", "."], "cannot read .: Is a directory."),
    (["etl", "--recovery", "spot:3"], "No such option"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), BAD)
async def test_bad_arguments_are_named_and_nothing_is_sent(
    bench: MakeBench, terminal: Terminal, arguments: list[str], message: str
) -> None:
    async with bench() as opened:
        before = opened.local.calls.total()
        called = await terminal.call(opened, "submit", *arguments)
        assert opened.local.calls.total() == before
    assert (called.code, called.out) == (2, "")
    assert message in called.err


async def test_bad_value_of_a_file_is_named_with_its_place(
    bench: MakeBench, terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("job_definition: etl\nmemory_mib: 1\n")
    async with bench() as opened:
        called = await terminal.call(opened, "submit", "--file", str(file))
    assert called.code == 2
    assert called.err == f"asyncbatch: {file}:2: memory_mib=1: must be an integer of 4 or more\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["unknown"], 2, "unknown"),
        (["hello", "-q", "unknown"], 2, "unknown"),
    ],
)
async def test_what_aws_does_not_know_is_named(
    bench: MakeBench, terminal: Terminal, arguments: list[str], code: int, message: str
) -> None:
    async with bench() as opened:
        called = await terminal.call(opened, "submit", *arguments)
    assert called.code == code
    assert message in called.err
    assert "Traceback" not in called.err
