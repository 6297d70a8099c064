"""The guardian: a small process that starts the jobs' commands and ends them with the engine.

It runs as a script, imports the standard library only, and has a session of its own, so that
Ctrl-C in a terminal does not reach it. Its standard input is a Unix socket to the engine's process.

Protocol
--------
Each message is one JSON object on one line. `key` identifies a command.

From the engine:
    {"spawn": key, "argv": [...], "env": {...}, "cwd": path}
        with the write end of the output pipe attached (SCM_RIGHTS); "memory": bytes is optional
    {"signal": key, "number": 15}
To the engine:
    {"started": key, "pid": 123} or {"failed": key, "errno": 2, "message": "..."}
    {"exited": key, "status": 0}       (the exit code; 128 + n for signal n)
        with "exceeded": true for a command that was killed at its memory limit

Memory limits
-------------
On Linux, the resident memory of all processes of a command's session is added up ten times per
second, from /proc. Where it exceeds the limit, the process group is killed. Memory that processes
share counts for each of them, and peaks between two measurements are missed.

Why a separate process
----------------------
* The engine's process may be killed with SIGKILL; a process that survives it has to end the jobs.
  When the socket closes or the engine's process has ended, the guardian ends all commands. Both are
  checked, because a forked child of the engine's process may keep the socket open.
* Only a parent is reliably notified of the exit of a process.
* Only the guardian starts commands, one at a time, so no command can be started and then lost.

How processes end with their command, and commands with the engine
------------------------------------------------------------------
A command has a process group of its own, which is killed when the command ends. What left the
group, such as a daemon, is found on Linux by means that neither a new session nor a cleared
environment changes (prctl(2)):

* Each command is a "subreaper": a descendant whose parent ends becomes a child of the command. When
  the command itself ends, all of its descendants become children of the guardian, the next
  subreaper. So the guardian's children are running commands, and what ended commands left.
* The kernel kills each command when the guardian ends (PR_SET_PDEATHSIG).
* The guardian's parent, the watcher, is the same script before a fork. It does nothing until the
  guardian has ended, then kills what the guardian left, if the guardian itself was killed.
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
from collections.abc import Callable, Container
from typing import Any

_GRACE = 1.0  # seconds between SIGTERM and SIGKILL after the end of the engine
_KILL_TIMEOUT = 2.0  # seconds to wait for processes after SIGKILL; some belong to another user
_PARENT_CHECK_INTERVAL = 0.5  # seconds between checks that the engine's process exists
_MEMORY_CHECK_INTERVAL = 0.1  # seconds between measurements of memory
_PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>
_PR_SET_CHILD_SUBREAPER = 36
_HAS_PROC = sys.platform == "linux" and os.path.exists("/proc/self/stat")  # noqa: PTH110 (keeps the script small)
_READ = 65536
_MAX_DESCRIPTORS = 64


class Guardian:
    """Starts commands for one engine.

    Args:
        engine: Socket to the engine.
        engine_pid: Process of the engine.
        scratch: Directory for the commands' own working directories; removed at the end.
    """

    def __init__(self, engine: socket.socket, engine_pid: int, scratch: str) -> None:
        self._engine = engine
        self._engine_pid = engine_pid
        self._scratch = scratch
        self._parent = os.getppid()
        self._received = b""
        self._pipes: list[int] = []
        self._commands: dict[int, str] = {}  # pid: key
        self._limits: dict[int, int] = {}  # pid: bytes
        self._exceeded: set[int] = set()
        self._next_memory_check = 0.0
        self._immortal: set[int] = set()
        self._wake_read, self._wake_write = os.pipe()

    def run(self) -> None:
        """Serve the engine until it has ended, then end all commands."""
        _catch_signals(self._wake_write)
        _become_subreaper()
        with contextlib.suppress(ConnectionError):
            self._serve()
        self._end_everything()
        remove_directory(self._scratch)

    def _serve(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._engine, selectors.EVENT_READ)
        selector.register(self._wake_read, selectors.EVENT_READ)
        while self._has_engine():
            wait = _MEMORY_CHECK_INTERVAL if self._limits else _PARENT_CHECK_INTERVAL
            ready = [key.fileobj for key, _ in selector.select(wait)]
            if self._wake_read in ready:
                os.read(self._wake_read, _READ)
            self._reap()
            self._check_memory()
            if self._engine in ready and not self._receive():
                return

    def _has_engine(self) -> bool:
        """Whether the engine's process exists: a process whose parent ends gets another parent."""
        if os.getppid() != self._parent:
            return False
        return self._parent == self._engine_pid or _parent(self._parent) == self._engine_pid

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
        key, directory = request["spawn"], request["cwd"]
        try:
            if os.path.dirname(directory) == self._scratch:  # noqa: PTH120 (keeps the script small)
                os.mkdir(directory, 0o700)  # noqa: PTH102 (keeps the script small)
            process = subprocess.Popen(
                request["argv"],
                env=request["env"],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
                start_new_session=True,
                preexec_fn=_bind_to_guardian(os.getpid()),  # noqa: PLW1509 (there are no threads)
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            number = getattr(error, "errno", None) or errno.EINVAL
            if getattr(error, "filename", None) == directory:
                number = errno.EINVAL  # ENOENT says that the command does not exist
            self._send({"failed": key, "errno": number, "message": str(error)})
        else:
            process.returncode = 0  # `_reap` waits for it; keeps Popen from doing so as well
            self._commands[process.pid] = key
            if request.get("memory"):
                self._limits[process.pid] = request["memory"]
            self._send({"started": key, "pid": process.pid})
        finally:
            os.close(pipe)

    def _signal(self, key: str, number: int) -> None:
        for pid, known in self._commands.items():
            if known == key:
                _kill_group(pid, number)

    def _check_memory(self) -> None:
        """Kill the commands that exceed their memory limit."""
        now = time.monotonic()
        if not self._limits or now < self._next_memory_check:
            return
        self._next_memory_check = now + _MEMORY_CHECK_INTERVAL
        used = memory_by_session()
        for pid, limit in self._limits.items():
            if used.get(pid, 0) > limit:
                self._exceeded.add(pid)
                _kill_group(pid, signal.SIGKILL)

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
            key = self._commands.pop(pid, "")
            if key:
                # Descendants end before the exit is reported: when a job has ended, nothing runs.
                _kill_group(pid, signal.SIGKILL)
                self._immortal |= _end_children({*self._commands, *self._immortal})
                code = os.waitstatus_to_exitcode(status)
                exited = {"exited": key, "status": code if code >= 0 else 128 - code}
                self._limits.pop(pid, None)
                if pid in self._exceeded:
                    self._exceeded.discard(pid)
                    exited["exceeded"] = code < 0  # else it ended by itself at that moment
                self._send(exited)

    def _end_everything(self) -> None:
        for pid in self._commands:
            _kill_group(pid, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        while self._reap() and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: TID251 (nothing else to do)
        for pid in self._commands:
            _kill_group(pid, signal.SIGKILL)
        deadline = time.monotonic() + _KILL_TIMEOUT
        while self._reap() and self._commands and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: TID251 (nothing else to do)
        _end_children(())


def watch(scratch: str) -> None:
    """Fork: the child returns to become the guardian, this process cleans up after it.

    Args:
        scratch: The guardian's directory.
    """
    _become_subreaper()
    guardian = os.fork()
    if guardian == 0:
        return
    _catch_signals(None)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the guardian alone holds the socket
    os.waitpid(guardian, 0)
    _end_children(())
    remove_directory(scratch)
    os._exit(0)


def remove_directory(path: str) -> None:
    """Remove a directory with all that is in it, as far as permitted."""
    import shutil  # noqa: PLC0415 (needed at the end only)

    shutil.rmtree(path, ignore_errors=True)
    if not os.path.isdir(path):  # noqa: PTH112 (keeps the script small)
        return
    # Jobs leave directories that are not writable, such as Go's module cache.
    for folder, subfolders, _ in os.walk(path):
        for name in subfolders:
            subfolder = os.path.join(folder, name)  # noqa: PTH118 (keeps the script small)
            if not os.path.islink(subfolder):  # noqa: PTH114 (keeps the script small)
                with contextlib.suppress(OSError):
                    os.chmod(subfolder, 0o700)  # noqa: PTH101 (keeps the script small)
    shutil.rmtree(path, ignore_errors=True)


def _catch_signals(wake: int | None) -> None:
    """Survive the signals of a terminal or a shutdown, and wake up when a child ends.

    The signals are caught, not ignored: ignored signals would stay ignored in the commands.
    """
    if wake is not None:
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)


def _find_prctl() -> Callable[..., int] | None:
    try:
        return ctypes.CDLL(None).prctl if _HAS_PROC else None
    except (OSError, AttributeError):
        return None


_prctl = _find_prctl()


def _become_subreaper() -> None:
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _bind_to_guardian(guardian: int) -> Callable[[], None] | None:
    """Return what a command's process does before it executes the command."""
    prctl = _prctl
    if prctl is None:
        return None

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if os.getppid() != guardian:  # it ended before the first line
            os.kill(os.getpid(), signal.SIGKILL)

    return bind


def _end_children(spared: Container[int]) -> set[int]:
    """Kill and reap the children of this process, until none is left but the spared ones.

    The children of a killed one become children of this process, so all descendants end.

    Returns:
        Those that did not end in time.
    """
    deadline = time.monotonic() + _KILL_TIMEOUT
    while True:
        children = {pid for pid in _children() if pid not in spared}
        if not children or time.monotonic() > deadline:
            return children
        for pid in children:
            _kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.001)  # noqa: TID251 (nothing else to do)


def _children() -> list[int]:
    """Return the children of this process; on systems other than Linux, none are known."""
    if _prctl is None:
        return []
    own = os.getpid()
    try:
        with open(f"/proc/self/task/{own}/children", "rb") as file:  # noqa: PTH123 (keeps the script small)
            return [int(pid) for pid in file.read().split()]
    except OSError:  # a kernel without this file
        numbers = (int(name) for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208 (keeps the script small)
        return [pid for pid in numbers if _parent(pid) == own]


def _kill_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 (keeps the script small)
            stat = file.read()
    except OSError:
        return 0
    return int(stat[stat.rindex(b")") + 2 :].split()[1])  # "pid (command) state parent ..."


def memory_by_session() -> dict[int, int]:
    """Return the resident memory in bytes of the processes of each session; empty without /proc."""
    used: dict[int, int] = {}
    if not _HAS_PROC:
        return used
    page = os.sysconf("SC_PAGE_SIZE")
    for name in os.listdir("/proc"):  # noqa: PTH208 (keeps the script small)
        if not name.isdecimal():
            continue
        with contextlib.suppress(OSError, ValueError):  # it has ended
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 (keeps the script small)
                stat = file.read()
            # "pid (command) state parent group session ...": proc(5)
            fields = stat[stat.rindex(b")") + 2 :].split()
            session = int(fields[3])
            used[session] = used.get(session, 0) + int(fields[21]) * page
    return used


if __name__ == "__main__":
    if _prctl is not None:
        watch(sys.argv[2])
    Guardian(socket.socket(fileno=0), int(sys.argv[1]), sys.argv[2]).run()
