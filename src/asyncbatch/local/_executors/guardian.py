"""The guardian: a small process that starts the jobs' commands, and outlives nobody it started.

It is run as a script, with nothing but the standard library, in a session of its own, so that
Ctrl-C in a terminal does not reach it. Standard input is a Unix socket to the engine's process; one
JSON object a line goes each way.

From the engine, with the write end of the output pipe attached:
    {"spawn": key, "argv": [...], "env": {...}, "cwd": path, "mark": "NAME=value"}
    {"signal": key, "number": 15}
To the engine:
    {"started": key, "pid": 123} or {"failed": key, "errno": 2, "message": "..."}
    {"exited": key, "status": 0}       (the exit code; 128 + n for signal n)

Why a process of its own? Only a parent learns reliably of its children's ends, and somebody has to
be left when the engine's process is killed with SIGKILL. When the socket ends, or the engine's
process is gone, the guardian ends everything it started. Because it alone starts commands, one
after the other, no command can be started and forgotten. On Linux it adopts what daemonises itself
("subreaper") and ends that too.
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

_GRACE = 1.0  # seconds between SIGTERM and SIGKILL once the engine is gone
_LOOK_AROUND = 0.5  # seconds between looks whether the engine's process is still there
_PR_SET_CHILD_SUBREAPER = 36
_READ = 65536
_MOST_FDS = 64


class Guardian:
    """Starts commands for one engine."""

    def __init__(self, engine: socket.socket, engine_pid: int) -> None:
        self._engine = engine
        self._engine_pid = engine_pid
        self._received = b""
        self._pipes: list[int] = []
        self._keys: dict[
            int, tuple[str, bytes]
        ] = {}  # pid: the key, and the mark in the environment
        self._wake_read, self._wake_write = os.pipe()
        self._is_linux = sys.platform == "linux"

    def run(self) -> None:
        """Serve the engine until it is gone, then end everything."""
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
        while os.getppid() == self._engine_pid:
            ready = [key.fileobj for key, _ in selector.select(_LOOK_AROUND)]
            if self._wake_read in ready:
                os.read(self._wake_read, _READ)
            self._reap()
            if self._engine in ready and not self._receive():
                return

    # --- the engine's wishes ----------------------------------------------------------------

    def _receive(self) -> bool:
        """Carry out what has arrived; return False at the end of the socket."""
        data, pipes, _, _ = socket.recv_fds(self._engine, _READ, _MOST_FDS)
        self._pipes += pipes
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            wish = json.loads(line)
            if "spawn" in wish:
                self._spawn(wish, self._pipes.pop(0))
            else:
                self._signal(wish["signal"], wish["number"])
        return bool(data)

    def _spawn(self, wish: dict[str, Any], pipe: int) -> None:
        key = wish["spawn"]
        try:
            process = subprocess.Popen(
                wish["argv"],
                env=wish["env"],
                cwd=wish["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
                start_new_session=True,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            number = getattr(error, "errno", None) or errno.EINVAL
            self._tell({"failed": key, "errno": number, "message": str(error)})
        else:
            process.returncode = 0  # the guardian reaps it; keep Popen from trying
            self._keys[process.pid] = (key, os.fsencode(wish["mark"]))
            self._tell({"started": key, "pid": process.pid})
        finally:
            os.close(pipe)

    def _signal(self, key: str, number: int) -> None:
        for pid, (known, _) in self._keys.items():
            if known == key:
                _kill_group(pid, number)

    def _tell(self, news: dict[str, Any]) -> None:
        # An engine that is gone needs no news; the end of the socket says so to `_serve`.
        with contextlib.suppress(OSError):
            self._engine.sendall(json.dumps(news).encode() + b"\n")

    # --- ends ---------------------------------------------------------------------------------

    def _reap(self) -> bool:
        """Take note of every child that has ended; return whether any child is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            key, mark = self._keys.pop(pid, ("", b""))
            if key:
                _kill_group(pid, signal.SIGKILL)
                self._kill_strays(mark)
                code = os.waitstatus_to_exitcode(status)
                self._tell({"exited": key, "status": code if code >= 0 else 128 - code})

    def _kill_strays(self, mark: bytes) -> None:
        """End what left the group of a command that has ended, as the end of a container would."""
        if self._children_known():
            return
        for pid in self._adopted():
            if mark + b"\0" in _environment(pid):
                _kill(pid, signal.SIGKILL)

    def _children_known(self) -> bool:
        """Whether all children are commands that run: then nothing has been adopted."""
        try:
            with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:  # noqa: PTH123 (a lean script)
                children = file.read().split()
        except OSError:  # another system, or a kernel without this file
            return not self._is_linux
        return all(int(child) in self._keys for child in children)

    def _adopted(self) -> list[int]:
        if not self._is_linux:
            return []
        return [pid for pid in _descendants(os.getpid()) if pid not in self._keys]

    def _end_everything(self) -> None:
        for pid in self._keys:
            _kill_group(pid, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        while self._reap() and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: TID251 (a script with nothing else to do)
        for pid in self._keys:
            _kill_group(pid, signal.SIGKILL)
        while self._reap():
            for pid in self._adopted():
                _kill(pid, signal.SIGKILL)
            time.sleep(0.01)  # noqa: TID251 (a script with nothing else to do)


def _catch_signals(wake: int) -> None:
    """Survive what a terminal or a shutdown sends; be woken when a child ends.

    The signals are caught and not ignored: what is ignored stays ignored in the commands.
    """
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)


def _adopt_orphans() -> None:
    with contextlib.suppress(OSError, AttributeError):  # without it, only groups are ended
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _kill_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _environment(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 (a lean script)
            return file.read()
    except OSError:  # it is gone, or not ours to look at
        return b""


def _descendants(ancestor: int) -> list[int]:
    """Return all processes below one, by what /proc says of their parents."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 (a lean script)
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
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 (a lean script)
            stat = file.read()
    except OSError:
        return 0
    return int(stat[stat.rindex(b")") + 2 :].split()[1])  # "pid (command) state parent ..."


if __name__ == "__main__":
    Guardian(socket.socket(fileno=0), int(sys.argv[1])).run()
