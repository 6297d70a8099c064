"""The `asyncbatch` command: version, help, wrong commands and missing dependencies."""

import subprocess
import sys
from importlib.metadata import entry_points, version

import pytest

from tests.cli import runs

CALL_MAIN = "import asyncbatch._cli; asyncbatch._cli.main()"


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_version_is_the_version_of_the_package() -> None:
    run = runs.finish("--version")
    assert (run.returncode, run.stdout) == (0, f"asyncbatch {version('asyncbatch')}\n")


def test_help_lists_the_commands() -> None:
    run = runs.finish("--help")
    assert run.returncode == 0
    assert "demo" in run.stdout


def test_unknown_command_is_reported_without_a_traceback() -> None:
    run = runs.finish("dmeo")
    assert run.returncode == 2
    assert "dmeo" in run.stderr
    assert "Traceback" not in run.stderr


def test_installed_script_runs_the_same_command() -> None:
    from asyncbatch._cli import main

    (script,) = entry_points(group="console_scripts", name="asyncbatch")
    assert script.load() is main


@pytest.mark.parametrize("missing", ["rich", "typer"])
def test_missing_extra_is_reported_in_one_line(missing: str) -> None:
    run = run_python(f"import sys; sys.modules[{missing!r}] = None; {CALL_MAIN}", "demo")
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert "pip install 'asyncbatch[cli]'" in run.stderr


def test_help_does_not_import_heavy_modules() -> None:
    show = "lambda: print({'aiobotocore', 'botocore', 'asyncbatch.local'} & {*sys.modules})"
    run = run_python(f"import atexit, sys; atexit.register({show}); {CALL_MAIN}", "demo", "--help")
    assert run.stdout.endswith("set()\n")
