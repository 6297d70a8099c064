"""Runs the `asyncbatch` command as a process, as a shell does."""

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
# Variables that change the appearance of the output: the tests do not inherit them.
_APPEARANCE = ("CI", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "TTY_COMPATIBLE")


def environment(scratch: Path) -> dict[str, str]:
    """Return an environment whose TMPDIR identifies all processes of a run, jobs included."""
    plain = {name: value for name, value in os.environ.items() if name not in _APPEARANCE}
    return plain | {"TERM": "xterm-256color", "TMPDIR": str(scratch), "PYTHONUNBUFFERED": "1"}


def finish(
    *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command and wait for it."""
    return subprocess.run(
        [*COMMAND, *arguments], env=env, capture_output=True, text=True, check=False
    )


@contextmanager
def started(*arguments: str, env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start the command with pipes; it has ended when the block exits."""
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
    """Run the command in a terminal of the given lines and columns, and wait for it.

    Returns:
        The exit code and the output.
    """
    terminal, command_end = pty.openpty()
    termios.tcsetwinsize(command_end, size)
    with subprocess.Popen(
        [*COMMAND, *arguments], env=env, stdin=command_end, stdout=command_end, stderr=command_end
    ) as process:
        os.close(command_end)
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
        # At the end of the output, read fails with EIO on Linux and returns nothing elsewhere.
        if error.errno != errno.EIO:
            raise
    return shown.decode()


def processes_of(scratch: Path) -> dict[int, str]:
    """Return pid and command line of the live processes of a run, found by their environment."""
    marker = f"TMPDIR={scratch}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and marker in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has ended, or belongs to another user
    return found
