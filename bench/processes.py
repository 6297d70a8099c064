"""Measures the duration, CPU time and memory of a program, including its child processes.

Linux only. Memory is the proportional set size (PSS) from `/proc`, which counts shared pages
once. CPU time is reported by the kernel when the program has ended.
"""

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_INTERVAL = 0.5  # seconds between two measurements of memory
_SHARE = 10  # after a measurement of t seconds, the next one starts _SHARE × t later at the soonest
_SESSION = 3  # index of the session in /proc/PID/stat, counted after the name of the command

Ended = tuple[int, resource.struct_rusage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Resources that a program used.

    Attributes:
        wall_s: Seconds from its start to its end.
        cpu_s: CPU seconds of all its processes.
        memory_mb: Peak memory of all its processes in MB (10^6 bytes).
        exit_code: Exit code; None if it was killed after the timeout.
    """

    wall_s: float
    cpu_s: float
    memory_mb: float
    exit_code: int | None


def observe(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    output: Path,
    timeout: float,
) -> Usage:
    """Run a program and measure it.

    Args:
        command: The program and its arguments.
        environment: Its complete environment.
        output: File for its output.
        timeout: Seconds after which it is killed.
    """
    started = time.monotonic()
    with output.open("wb") as sink:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).parents[1],
            start_new_session=True,
        )
    try:
        ended, peak = _watch(process, started + timeout)
    except BaseException:  # interrupted: leave no process running
        _end(process)
        raise
    wall = time.monotonic() - started
    _, usage = ended or _end(process)
    return Usage(
        wall_s=wall,
        cpu_s=usage.ru_utime + usage.ru_stime,
        memory_mb=peak * 1024 / 1e6,
        exit_code=None if ended is None else ended[0],
    )


def _watch(process: "subprocess.Popen[bytes]", deadline: float) -> tuple[Ended | None, int]:
    """Wait for the end or the deadline; return the exit status and the peak memory in KiB."""
    peak = 0
    while (ended := _ended(process)) is None and time.monotonic() < deadline:
        measured = time.monotonic()
        peak = max(peak, sum(map(_pss, _members(process.pid))))
        time.sleep(max(_INTERVAL, _SHARE * (time.monotonic() - measured)))
    return ended, peak


@contextlib.contextmanager
def on_core(number: int) -> Iterator[None]:
    """Restrict processes that are started in the block to one of the available cores."""
    ours = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {ours[number % len(ours)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)


def _ended(process: "subprocess.Popen[bytes]", options: int = os.WNOHANG) -> Ended | None:
    """Return exit code and usage of a program that has ended, waited-for children included."""
    pid, status, usage = os.wait4(process.pid, options)
    if pid == 0:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage


def _end(process: "subprocess.Popen[bytes]") -> Ended:
    """Kill a program and all its processes: it leads a session and a process group."""
    os.killpg(process.pid, signal.SIGKILL)
    ended = _ended(process, options=0)
    if ended is None:
        raise AssertionError("unreachable: without WNOHANG, wait4 waits")
    return ended


def _members(session: int) -> Iterator[int]:
    """Yield the processes of a session."""
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # the process has ended
                fields = Path(entry.path, "stat").read_text(encoding="utf-8").rpartition(")")[2]
                if int(fields.split()[_SESSION]) == session:
                    yield int(entry.name)


def _pss(pid: int) -> int:
    """Return the proportional set size of a process in KiB; 0 if it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
