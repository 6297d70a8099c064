"""The `asyncbatch` command: version, help, wrong commands and missing dependencies."""

import importlib
import itertools
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

from asyncbatch._cli.app import COMMANDS, LazyGroup, Row, app
from tests.cli import runs

CALL_MAIN = "import asyncbatch._cli; asyncbatch._cli.main()"


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_version_is_the_version_of_the_package() -> None:
    run = runs.finish("--version")
    assert (run.returncode, run.stdout) == (0, f"asyncbatch {version('asyncbatch')}\n")


def test_help_lists_all_commands_without_importing_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib, "import_module", None)
    with pytest.raises(SystemExit) as end:
        app(["--help"], prog_name="asyncbatch")
    assert end.value.code == 0
    shown = capsys.readouterr().out
    for row in COMMANDS:
        assert f"  {row.name} " in shown


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.name)
def test_help_of_a_command_begins_with_its_line_in_the_table(row: Row) -> None:
    command = LazyGroup().commands[row.name]
    assert command.help is not None
    assert command.help.split("\n")[0] == row.help


def test_sections_of_the_help_are_contiguous() -> None:
    sections = [section for section, _ in itertools.groupby(row.section for row in COMMANDS)]
    assert len(sections) == len(set(sections))


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.name)
def test_help_names_values_without_types_of_python(
    row: Row, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        app([row.name, "--help"], prog_name="asyncbatch")
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert not re.search(r"<\w|\{[A-Z]|\[required\]|list\[", shown)
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dmeo"], "No such command 'dmeo'"),
        (["ls", "--nosuch"], "No such option"),
        (["logs"], "Missing argument 'JOB'"),
        (["logs", "x", "--tail", "0"], "--tail"),
        (["run", "x.csv", "--format", "odd"], "'odd' is not one of"),
    ],
)
def test_wrong_arguments_are_one_line_with_the_next_step(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        app(arguments, prog_name="asyncbatch")
    assert end.value.code == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert printed.err.startswith("asyncbatch: ")
    assert message in printed.err
    command = "asyncbatch" if arguments == ["dmeo"] else f"asyncbatch {arguments[0]}"
    assert printed.err.endswith(f". See `{command} --help`.\n")


def test_command_without_arguments_shows_the_help(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["asyncbatch"])
    with pytest.raises(SystemExit) as end:
        app(prog_name="asyncbatch")
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("Usage: asyncbatch [OPTIONS] COMMAND [ARGS]...")


def test_interrupt_while_the_command_is_imported_is_silent() -> None:
    during_import = (
        "import os, signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer.main': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
    )
    run = run_python(f"{during_import}{CALL_MAIN}", "ls")
    assert (run.returncode, run.stdout, run.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is full")
def test_full_disk_is_reported_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [*runs.COMMAND, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert run.returncode == 2
    assert run.stderr == (
        "asyncbatch: cannot write to standard output: No space left on device."
        " Free the disk, or write elsewhere.\n"
    )


@pytest.mark.parametrize(
    ("credentials", "message"),
    [
        ({}, "no usable AWS credentials"),
        (
            {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"},
            "Check the network, the proxy, --region and --endpoint-url.",
        ),
    ],
)
def test_account_that_cannot_be_reached_is_one_line(
    credentials: dict[str, str], message: str
) -> None:
    nobody = ("--endpoint-url", "http://127.0.0.1:9", "--region", "eu-west-1")
    run = runs.finish("ls", *nobody, env={**os.environ, **credentials})
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (3, "", 1)
    assert message in run.stderr


def test_closed_pipe_ends_the_command_silently() -> None:
    with subprocess.Popen(
        [*runs.COMMAND, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert (process.stderr.read(), process.wait()) == (b"", 128 + signal.SIGPIPE)


def test_installed_script_runs_the_same_command() -> None:
    from asyncbatch._cli import main

    (script,) = entry_points(group="console_scripts", name="asyncbatch")
    assert script.load() is main


@pytest.mark.parametrize("missing", ["rich", "typer", "yaml"])
def test_missing_extra_is_reported_in_one_line(missing: str) -> None:
    run = run_python(f"import sys; sys.modules[{missing!r}] = None; {CALL_MAIN}", "demo")
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert "pip install 'typer>=" in run.stderr


def test_help_of_commands_does_not_import_the_sdk() -> None:
    modules = ", ".join(f"asyncbatch._cli.{row.module}" for row in COMMANDS)
    heavy = ("aiobotocore", "aiohttp", "botocore", "textual", "asyncbatch.local")
    run = run_python(f"import sys, {modules}; print({set(heavy)} & {{*sys.modules}})")
    assert (run.stdout, run.stderr) == ("set()\n", "")


def test_help_does_not_import_heavy_modules() -> None:
    heavy = ("aiobotocore", "asyncio", "asyncbatch._client", "asyncbatch.local", "botocore", "rich")
    show = f"lambda: print({set(heavy)} & {{*sys.modules}})"
    run = run_python(f"import atexit, sys; atexit.register({show}); {CALL_MAIN}", "--help")
    assert run.stdout.endswith("set()\n")
