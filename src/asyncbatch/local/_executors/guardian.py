"""The guardian: a small process that starts the jobs' commands and ends them with the engine.

It runs as a script, imports the standard library only, and has a session of its own, so that
Ctrl-C in a terminal does not reach it. Its standard input is a Unix socket to the engine's process.

Protocol
--------
Each message is one JSON object on one line. `key` identifies a command.

From the engine:
    {"spawn": key, "argv": [...], "env": {...}, "cwd": path, "mark": "NAME=value"}
        with the write end of the output pipe attached (SCM_RIGHTS)
    {"signal": key, "number": 15}
To the engine:
    {"started": key, "pid": 123} or {"failed": key, "errno": 2, "message": "..."}
    {"exited": key, "status": 0}       (the exit code; 128 + n for signal n)

Why a separate process
----------------------
* The engine's process may be killed with SIGKILL; a process that survives it has to end the jobs.
  When the socket closes or the engine's process has ended, the guardian ends all commands. Both are
  checked, because a forked child of the engine's process may keep the socket open.
* Only a parent is reliably notified of the exit of a process.
* Only the guardian starts commands, one at a time, so no command can be started and then lost.
* On Linux it is a "subreaper" (prctl(2)): it becomes the parent of orphaned descendants, so it also
  ends what left the process group, such as daemons. `mark` is an environment entry that
  identifies the command whose descendant an orphan is: a process passes its environment on to its
  children, whatever process group they join.
"""

import contextlib
import ctypes
import errno
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from typing import Any

_GRACE = 1.0  # seconds between SIGTERM and SIGKILL after the end of the engine
_PARENT_CHECK_INTERVAL = 0.5  # seconds between checks that the engine's process exists
_PR_SET_CHILD_SUBREAPER = 36  # from <sys/prctl.h>
_READ = 65536
_MAX_DESCRIPTORS = 64


class Guardian:
    """Starts commands for one engine."""

    def __init__(self, engine: socket.socket, engine_pid: int) -> None:
        self._engine = engine
        self._engine_pid = engine_pid
        self._received = b""
        self._pipes: list[int] = []
        self._commands: dict[int, tuple[str, bytes]] = {}  # pid: (key, mark)
        self._wake_read, self._wake_write = os.pipe()
        self._is_linux = sys.platform == "linux"

    def run(self) -> None:
        """Serve the engine until it has ended, then end all commands."""
        _catch_signals(self._wake_write)
        if self._is_linux:
            _adopt_orphans()
        with contextlib.suppress(ConnectionError):
            self._serve()
        self._end_everything()

    def _serve(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._engine, selectors.EVENT_READ)
        selector.register(self._wake_read, selectors.EVENT_READ)
        while os.getppid() == self._engine_pid:  # another parent: the engine's process has ended
            ready = [key.fileobj for key, _ in selector.select(_PARENT_CHECK_INTERVAL)]
            if self._wake_read in ready:
                os.read(self._wake_read, _READ)
            self._reap()
            if self._engine in ready and not self._receive():
                return

    # --- requests ---------------------------------------------------------------------------

    def _receive(self) -> bool:
        """Handle the requests that have arrived; return False at the end of the socket."""
        data, pipes, _, _ = socket.recv_fds(self._engine, _READ, _MAX_DESCRIPTORS)
        # In the order of the "spawn" lines; the rest of a line may arrive after its descriptor.
        self._pipes += pipes
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "spawn" in request:
                self._spawn(request, self._pipes.pop(0))
            else:
                self._signal(request["signal"], request["number"])
        return bool(data)

    def _spawn(self, request: dict[str, Any], pipe: int) -> None:
        key = request["spawn"]
        try:
            process = subprocess.Popen(
                request["argv"],
                env=request["env"],
                cwd=request["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
                start_new_session=True,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            number = getattr(error, "errno", None) or errno.EINVAL
            self._send({"failed": key, "errno": number, "message": str(error)})
        else:
            process.returncode = 0  # `_reap` waits for it; keeps Popen from doing so as well
            self._commands[process.pid] = (key, os.fsencode(request["mark"]))
            self._send({"started": key, "pid": process.pid})
        finally:
            os.close(pipe)

    def _signal(self, key: str, number: int) -> None:
        for pid, (known, _) in self._commands.items():
            if known == key:
                _kill_group(pid, number)

    def _send(self, message: dict[str, Any]) -> None:
        # If the engine has ended, `_serve` notices it at the end of the socket.
        with contextlib.suppress(OSError):
            self._engine.sendall(json.dumps(message).encode() + b"\n")

    # --- exits ------------------------------------------------------------------------------

    def _reap(self) -> bool:
        """Report every command that has ended; return whether any child is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            key, mark = self._commands.pop(pid, ("", b""))
            if key:
                # Descendants end before the exit is reported: when a job has ended, nothing runs.
                _kill_group(pid, signal.SIGKILL)
                self._kill_strays(mark)
                code = os.waitstatus_to_exitcode(status)
                self._send({"exited": key, "status": code if code >= 0 else 128 - code})

    def _kill_strays(self, mark: bytes) -> None:
        """Kill what left the process group of an ended command, as the end of a container would."""
        if self._has_commands_only():
            return  # the usual case: saves reading all of /proc
        for pid in self._adopted():
            if mark + b"\0" in _environment(pid):
                _kill(pid, signal.SIGKILL)

    def _has_commands_only(self) -> bool:
        """Whether all children are running commands, so that no orphan has been adopted."""
        try:
            with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:  # noqa: PTH123 (keeps the script small)
                children = file.read().split()
        except OSError:  # another system, or a kernel without this file
            return not self._is_linux
        return all(int(child) in self._commands for child in children)

    def _adopted(self) -> list[int]:
        if not self._is_linux:
            return []
        return [pid for pid in _descendants(os.getpid()) if pid not in self._commands]

    def _end_everything(self) -> None:
        for pid in self._commands:
            _kill_group(pid, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        while self._reap() and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: TID251 (nothing else to do)
        for pid in self._commands:
            _kill_group(pid, signal.SIGKILL)
        while self._reap():
            for pid in self._adopted():
                _kill(pid, signal.SIGKILL)
            time.sleep(0.01)  # noqa: TID251 (nothing else to do)


def _catch_signals(wake: int) -> None:
    """Survive the signals of a terminal or a shutdown, and wake up when a child ends.

    The signals are caught, not ignored: ignored signals would stay ignored in the commands.
    """
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)


def _adopt_orphans() -> None:
    # Without prctl, only process groups are ended.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _kill_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _environment(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 (keeps the script small)
            return file.read()
    except OSError:  # it has ended, or belongs to another user
        return b""


def _descendants(ancestor: int) -> list[int]:
    """Return all direct and indirect children of a process, from /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 (keeps the script small)
        if name.isdecimal():
            children.setdefault(_parent(name), []).append(int(name))
    found: list[int] = []
    todo = [ancestor]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 (keeps the script small)
            stat = file.read()
    except OSError:
        return 0
    return int(stat[stat.rindex(b")") + 2 :].split()[1])  # "pid (command) state parent ..."


if __name__ == "__main__":
    Guardian(socket.socket(fileno=0), int(sys.argv[1])).run()
