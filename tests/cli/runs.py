"""Runs of the `asyncbatch` command as processes of their own, as a shell starts it."""

import errno
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

COMMAND = (sys.executable, "-m", "asyncbatch")
# What would change how the output looks on the machine of whoever runs the tests.
_APPEARANCE = ("CI", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "TTY_COMPATIBLE")


def environment(scratch: Path) -> dict[str, str]:
    """Return an environment in which every process, jobs included, can be told by its TMPDIR."""
    plain = {name: value for name, value in os.environ.items() if name not in _APPEARANCE}
    return plain | {"TERM": "xterm-256color", "TMPDIR": str(scratch), "PYTHONUNBUFFERED": "1"}


def finish(
    *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], env=env, capture_output=True, text=True, check=False
    )


@contextmanager
def started(*arguments: str, env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start the command with pipes; it has ended when the block is left."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*COMMAND, *arguments], env=env, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def finish_in_terminal(
    *arguments: str, env: Mapping[str, str], size: tuple[int, int]
) -> tuple[int, str]:
    """Run the command to its end in a terminal of some lines and columns.

    Returns:
        Its exit code and all that it sent to the terminal.
    """
    terminal, its_end = pty.openpty()
    termios.tcsetwinsize(its_end, size)
    with subprocess.Popen(
        [*COMMAND, *arguments], env=env, stdin=its_end, stdout=its_end, stderr=its_end
    ) as process:
        os.close(its_end)
        try:
            shown = _read_all(terminal)
            return process.wait(), shown
        finally:
            process.kill()
            os.close(terminal)


def _read_all(terminal: int) -> str:
    shown = bytearray()
    try:
        while part := os.read(terminal, 65536):
            shown += part
    except OSError as error:
        # Linux says so when the last process has closed its end; elsewhere the read is empty.
        if error.errno != errno.EIO:
            raise
    return shown.decode()


def processes_of(scratch: Path) -> dict[int, str]:
    """Return the living processes of a run, by their environment: pid and command line."""
    mark = f"TMPDIR={scratch}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended meanwhile, or belongs to somebody else
    return found
