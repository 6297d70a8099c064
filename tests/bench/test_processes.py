"""A program is observed with all its processes, and ended with all of them."""

import os
import sys
from pathlib import Path

import pytest

from bench import processes
from bench.processes import Usage, observe, on_core

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(processes, "_INTERVAL", 0.0)


def python(code: str, folder: Path, patience: float = 15.0) -> Usage:
    command = [sys.executable, "-c", code]
    return observe(
        command, environment=dict(os.environ), output=folder / "output", patience=patience
    )


def test_exit_code_output_and_memory_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = tmp_path / "measured"
    os.mkfifo(measured)
    weigh = processes._pss

    def weigh_and_say_so(process: int) -> int:
        memory = weigh(process)
        monkeypatch.setattr(processes, "_pss", weigh)
        measured.write_text("")  # waits until the program reads, which waits for this
        return memory

    monkeypatch.setattr(processes, "_pss", weigh_and_say_so)
    code = f"import sys; print('said', flush=True); open({str(measured)!r}).read(); sys.exit(3)"
    usage = python(code, tmp_path)
    assert usage.exit_code == 3
    assert (tmp_path / "output").read_text() == "said\n"
    assert usage.memory_mb > 0


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    usage = python("import signal; signal.pause()", tmp_path, patience=0.0)
    assert usage.exit_code is None


def test_who_is_interrupted_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    def interrupt(session: int) -> list[int]:
        started.append(session)
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "_members", interrupt)
    with pytest.raises(KeyboardInterrupt):
        python("import signal; signal.pause()", tmp_path)
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)


def test_the_memory_of_children_counts() -> None:
    assert os.getpid() in list(processes._members(os.getsid(0)))


def test_a_core_is_given_for_the_block_only() -> None:
    before = os.sched_getaffinity(0)
    with on_core(1):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before
