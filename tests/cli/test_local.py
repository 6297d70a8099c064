"""`asyncbatch local`: the environment that it makes, the command that runs in it, and its end."""

import os
import signal
import socket
from pathlib import Path
from typing import Any, cast

import pytest

from asyncbatch import AsyncBatchClient, JobDefaults
from asyncbatch._cli import local
from asyncbatch._cli.child import run_child
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.diagnosis import Check, diagnose
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.local_config import LocalConfig, Queue, read_config
from tests.cli import runs

# Its jobs are processes, and clients of its port read models and certificates.
pytestmark = pytest.mark.may_block

CONFIG = """
[queues.night]
[definitions.hello]
command = ["sh", "-c", "test $COLOUR.$ASYNCBATCH_QUEUE = green.night"]
[environment]
COLOUR = "green"
"""


async def test_client_without_arguments_works_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "local.toml"
    file.write_text(CONFIG)
    async with local.serve(read_config(file)) as door:
        for name, value in door.environment.items():
            monkeypatch.setenv(name, value)
        async with AsyncBatchClient() as batch:
            assert [queue.name for queue in await batch.job_queues()] == ["night"]
            jobs = [
                await batch.submit("hello"),
                await batch.submit("command", command=["sh", "-c", "exit 4"]),
                # Its own AWS Batch, and no other: it has the address and the key of this one.
                await batch.submit(
                    "command",
                    command=["sh", "-c", 'test "$AWS_ENDPOINT_URL_BATCH" = ' + door.url],
                ),
            ]
            results = [await job.result(check=False) for job in jobs]
            explanation = await batch.explain(jobs[1])
        checks: list[Check] = []
        await diagnose(Connection(), checks.append, limit=60.0)
    assert [result.exit_code for result in results] == [0, 4, 0]
    assert "exit code 4" in explanation.verdict
    states = {check.name: check.state for check in checks}
    assert "problem" not in states.values()
    assert (states["clock"], states["identity"]) == ("ok", "unknown")


async def test_queues_have_their_priorities(monkeypatch: pytest.MonkeyPatch) -> None:
    config = LocalConfig(queues=(Queue(name="default", priority=5), Queue(name="low", priority=0)))
    async with local.serve(config) as door:
        for name, value in door.environment.items():
            monkeypatch.setenv(name, value)
        async with AsyncBatchClient(defaults=JobDefaults(queue="low")) as batch:
            queues = {queue.name: queue.priority for queue in await batch.job_queues()}
    assert queues == {"default": 5, "low": 0}


async def test_definition_that_aws_refuses_and_port_in_use_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"type": "container"}')
    file = tmp_path / "local.toml"
    file.write_text('[definitions.bad]\nfile = "bad.json"')
    with pytest.raises(UsageError, match=r"local\.toml: definitions\.bad: Exactly one of"):
        async with local.serve(read_config(file)):
            pass
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"--port {port}: .*Choose another port"):
            async with local.serve(LocalConfig(), port):
                pass


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 7", 7),
        ("kill -KILL $$", 128 + signal.SIGKILL),
        # The signal that this process gets is passed on.
        ("trap 'exit 9' TERM; kill -TERM $PPID; while :; do sleep 0.01; done", 9),
        ("trap 'exit 10' INT; kill -INT $PPID; while :; do sleep 0.01; done", 10),
        ('test "$ONLY" = this && test -z "$AWS_PROFILE"', 0),
    ],
)
async def test_command_has_its_exit_code_and_gets_signals(
    script: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncbatch._cli.child._is_in_foreground", lambda: False)
    environment = {"PATH": os.environ["PATH"], "ONLY": "this"}
    assert await run_child(["sh", "-c", script], environment) == code


async def test_ctrl_c_at_the_terminal_is_not_sent_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncbatch._cli.child._is_in_foreground", lambda: True)
    script = "trap 'exit 10' INT; kill -INT $PPID; sleep 0.1; exit 11"
    assert await run_child(["sh", "-c", script], {"PATH": os.environ["PATH"]}) == 11


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [("no-such-program", 127, "No such file"), ("/", 126, "Permission denied")],
)
async def test_command_that_cannot_run_is_reported(
    program: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run_child([program], {"PATH": os.environ["PATH"]}) == code
    assert f"{program}: {words}" in capsys.readouterr().err


async def test_command_runs_in_the_environment_of_the_local_aws_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    script = (
        'test -n "$AWS_ENDPOINT_URL_BATCH" && test "$ASYNCBATCH_QUEUE" = default'
        ' && test -z "$AWS_PROFILE" && exit 6'
    )
    run = cast("Any", local.local).__wrapped__
    assert await run(["sh", "-c", script], config=None, port=None, as_json=False) == 6


@pytest.mark.timeout(180)
def test_process_serves_and_prints_what_to_export(tmp_path: Path) -> None:
    with runs.started("local", env=runs.environment(tmp_path)) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(8)]
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert lines[0].startswith("unset AWS_PROFILE ")
    assert lines[-1] == "export ASYNCBATCH_QUEUE=default\n"
    assert sum(line.startswith("export AWS_") for line in lines) == 6
    assert runs.processes_of(tmp_path) == {}
