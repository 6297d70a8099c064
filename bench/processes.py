"""A program under observation: how long it took, its CPU time, and its memory, children included.

Linux only: memory is the proportional set size (PSS) from `/proc`, which counts what processes
share once. CPU time is the kernel's own account when the program has ended.
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

_INTERVAL = 0.5  # seconds between looks at the memory
_SHARE = 10  # a look that took t seconds is followed by at least _SHARE × t without one
_SESSION = 3  # where /proc/PID/stat has the session, counted from behind the command's name

Ended = tuple[int, resource.struct_rusage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a program used.

    Attributes:
        wall_s: Seconds from its start to its end.
        cpu_s: CPU seconds of all its processes.
        memory_mb: Most memory of all its processes together, in MB (10^6 bytes).
        exit_code: Its exit code; None when it took too long and was ended.
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
    patience: float,
) -> Usage:
    """Run a program to its end, or for as long as patience lasts.

    Args:
        command: The program and its arguments.
        environment: Its whole environment.
        output: Where its output goes.
        patience: Seconds after which it is ended.
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
        ended, peak = _watch(process, started + patience)
    except BaseException:  # we are interrupted: nothing that we started stays behind
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
    """Wait for the end or the deadline; return how it ended and the most memory seen, in KiB."""
    peak = 0
    while (ended := _ended(process)) is None and time.monotonic() < deadline:
        looked = time.monotonic()
        peak = max(peak, sum(map(_pss, _members(process.pid))))
        time.sleep(max(_INTERVAL, _SHARE * (time.monotonic() - looked)))
    return ended, peak


@contextlib.contextmanager
def on_core(number: int) -> Iterator[None]:
    """Give what is started within the block one core of those that we may use."""
    ours = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {ours[number % len(ours)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)


def _ended(process: "subprocess.Popen[bytes]", options: int = os.WNOHANG) -> Ended | None:
    """Return exit code and usage of a program that has ended, all its waited-for children's too."""
    pid, status, usage = os.wait4(process.pid, options)
    if pid == 0:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage


def _end(process: "subprocess.Popen[bytes]") -> Ended:
    """End a program with all its processes: the session that it leads is its process group too."""
    os.killpg(process.pid, signal.SIGKILL)
    ended = _ended(process, options=0)
    if ended is None:
        raise AssertionError("unreachable: without WNOHANG, wait4 waits")
    return ended


def _members(session: int) -> Iterator[int]:
    """Yield the processes of a session."""
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                fields = Path(entry.path, "stat").read_text(encoding="utf-8").rpartition(")")[2]
                if int(fields.split()[_SESSION]) == session:
                    yield int(entry.name)


def _pss(pid: int) -> int:
    """Return the proportional set size of a process in KiB; 0 when it has ended meanwhile."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
