"""Programs are measured and killed with all their processes."""

import os
import sys
from pathlib import Path

import pytest

from bench import processes
from bench.processes import Usage, observe, on_core

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


@pytest.fixture(autouse=True)
def without_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure memory without pauses."""
    monkeypatch.setattr(processes, "_INTERVAL", 0.0)


def python(code: str, folder: Path, timeout: float = 15.0) -> Usage:
    command = [sys.executable, "-c", code]
    return observe(command, environment=dict(os.environ), output=folder / "output", timeout=timeout)


def test_exit_code_output_and_memory_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = tmp_path / "measured"
    os.mkfifo(measured)
    measure = processes._pss

    def measure_and_notify(process: int) -> int:
        memory = measure(process)
        monkeypatch.setattr(processes, "_pss", measure)
        measured.write_text("")  # waits until the program reads, which waits for this
        return memory

    monkeypatch.setattr(processes, "_pss", measure_and_notify)
    code = f"import sys; print('said', flush=True); open({str(measured)!r}).read(); sys.exit(3)"
    usage = python(code, tmp_path)
    assert usage.exit_code == 3
    assert (tmp_path / "output").read_text() == "said\n"
    assert usage.memory_mb > 0


def test_program_is_killed_after_the_timeout(tmp_path: Path) -> None:
    usage = python("import signal; signal.pause()", tmp_path, timeout=0.0)
    assert usage.exit_code is None


def test_interrupted_benchmark_leaves_no_process_running(
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


def test_processes_of_a_session_are_found() -> None:
    assert os.getpid() in list(processes._members(os.getsid(0)))


def test_on_core_restricts_the_block_to_one_core() -> None:
    before = os.sched_getaffinity(0)
    with on_core(1):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before
