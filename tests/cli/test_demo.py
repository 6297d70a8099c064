"""`asyncbatch demo`, which takes about ten seconds: its jobs are processes that sleep."""

import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli import runs

pytestmark = pytest.mark.timeout(120)

JOBS = 46
ESCAPE = "\x1b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The output of two complete runs: one into a pipe, one in a terminal."""

    piped: subprocess.CompletedProcess[str]
    terminal_exit_code: int
    terminal: str


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Run the demo twice at the same time: it mostly waits."""
    scratch = tmp_path_factory.mktemp("demo")
    env = runs.environment(scratch)
    terminal: list[tuple[int, str]] = []
    beside = threading.Thread(
        target=lambda: terminal.append(runs.finish_in_terminal("demo", env=env, size=(40, 100)))
    )
    beside.start()
    piped = runs.finish("demo", env=env)
    beside.join()
    exit_code, text = terminal[0]
    return Shown(piped=piped, terminal_exit_code=exit_code, terminal=text)


def lines_with(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if word in line]


def test_demo_succeeds_although_one_job_fails_on_purpose(shown: Shown) -> None:
    assert (shown.piped.returncode, shown.piped.stderr) == (0, "")
    assert shown.terminal_exit_code == 0
    assert "one job fails on purpose" in shown.piped.stdout.splitlines()[0]


def test_demo_prints_the_notice_of_the_local_engine(shown: Shown) -> None:
    assert "no container" in shown.piped.stdout


def test_progress_in_a_pipe_is_plain_lines(shown: Shown) -> None:
    assert ESCAPE not in shown.piped.stdout
    assert "\r" not in shown.piped.stdout
    progress = lines_with(shown.piped.stdout, "jobs ended")
    assert len(progress) > 1
    assert f"{JOBS}/{JOBS} jobs ended: 45 SUCCEEDED, 1 FAILED" in progress[-1]


def test_progress_in_a_terminal_is_a_bar_that_is_redrawn(shown: Shown) -> None:
    assert ESCAPE in shown.terminal
    assert "━" in shown.terminal
    assert shown.terminal.count("jobs ended") > len(lines_with(shown.piped.stdout, "jobs ended"))
    assert f"{JOBS}/{JOBS} jobs ended" in shown.terminal


def test_logs_are_printed_live_once_and_in_order(shown: Shown) -> None:
    log = lines_with(shown.piped.stdout, "train | ")
    assert [line.split(",")[0] for line in log] == [
        f" train | epoch {epoch} of 6" for epoch in range(1, 7)
    ]
    first_line = shown.piped.stdout.index(log[0])
    assert first_line < shown.piped.stdout.index(f"{JOBS}/{JOBS} jobs ended")


def test_log_of_a_retried_job_contains_both_attempts(shown: Shown) -> None:
    log = [line.removeprefix("upload | ") for line in lines_with(shown.piped.stdout, "upload | ")]
    assert log == [
        "attempt 1: uploading report.csv",
        "connection reset by peer",
        "attempt 2: uploading report.csv",
        "uploaded",
    ]


@pytest.mark.parametrize("place", ["pipe", "terminal"])
def test_table_contains_all_jobs(shown: Shown, place: str) -> None:
    text = shown.piped.stdout if place == "pipe" else re.sub(r"\x1b\[[0-9;]*m", "", shown.terminal)
    table = text[text.index("Attempts") :]
    rows = [
        r"train +SUCCEEDED +0 +1 +\d+\.\d s",
        r"upload +SUCCEEDED +0 +2 +\d+\.\d s +attempt 1: exit 75",
        r"load +FAILED +3 +1 +\d+\.\d s +exit code \(see below\)",
        r"tiles \(array of 10\) +SUCCEEDED +\d+\.\d s",
        r"extract-\* \(32 jobs\) +SUCCEEDED +0 +1 +\d+\.\d-\d+\.\d s",
        r"report +SUCCEEDED +0 +1 +\d+\.\d s",
    ]
    for row in rows:
        assert re.search(f"^{row}", table, re.MULTILINE), row


def test_failure_is_printed_with_its_last_log_lines(shown: Shown) -> None:
    explained = shown.piped.stdout[shown.piped.stdout.index("JobFailed: job 'load'") :]
    assert "failed: exit code 3" in explained
    assert '| ERROR: row 4711 has no column "email"' in explained


def test_summary_counts_jobs_and_calls(shown: Shown) -> None:
    assert re.search(rf"\n{JOBS} jobs in .* s: 45 SUCCEEDED, 1 FAILED", shown.piped.stdout)
    assert re.search(r"37 SubmitJob, \d+ DescribeJobs, \d+ GetLogEvents", shown.piped.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_the_demo_and_all_its_jobs(tmp_path: Path, number: int, code: int) -> None:
    with runs.started("demo", env=runs.environment(tmp_path)) as demo:
        assert demo.stdout is not None
        assert any("train | " in line for line in demo.stdout)
        assert any("sleep" in command for command in runs.processes_of(tmp_path).values())
        demo.send_signal(number)
        _, errors = demo.communicate()
    assert (demo.returncode, runs.processes_of(tmp_path)) == (code, {})
    assert errors == "Stopped: no job was left running.\n"


def test_closed_pipe_ends_the_demo_silently(tmp_path: Path) -> None:
    with runs.started("demo", env=runs.environment(tmp_path)) as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        demo.stdout.close()
        assert demo.stderr is not None
        assert (demo.stderr.read(), demo.wait()) == ("", 128 + signal.SIGPIPE)
