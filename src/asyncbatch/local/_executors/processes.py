"""An executor that runs each job's command as a local process.

The guardian (`guardian.py`, a separate process) starts the commands, so that none of them outlives
the engine. Each attempt's output comes back through a pipe of its own, which is read on the event
loop.
"""

import asyncio
import contextlib
import errno
import math
import os
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path

import anyio

from asyncbatch.local._executors.base import OUT_OF_MEMORY, AttemptEvents, Exit, Launch, Process
from asyncbatch.local._executors.guardian import memory_by_session, remove_directory
from asyncbatch.local._executors.guardian_link import GuardianLink, Message
from asyncbatch.local._executors.lines import BoundedOutput
from asyncbatch.local._time.clock import Clock, Timer

_INHERITED = {"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"}
_LOCALE = "LC_"
_READ = 65536
# Reads after the exit. 16 × 64 KiB is all that a pipe can hold (pipe(7): 1 MiB at most without
# privileges). The bound matters if a descendant keeps writing: its later output is not awaited.
_DRAIN_READS = 16
_EXIT_GRACE = 2.0  # seconds between SIGTERM and SIGKILL when the engine closes
_OUTPUT_LIMIT = 64 * 1024**2  # bytes of memory; some 200,000 lines of 80 characters
_KILL_TIMEOUT = 5.0  # seconds to wait for the exit of a process after SIGKILL

# Reasons in the words of Amazon ECS and Docker, so that a failure is classified as on AWS.
_NOT_STARTED = "Task failed to start"
_NOT_FOUND = (
    "CannotStartContainerError: Error response from daemon: failed to create task for container:"
    ' exec: "{}": executable file not found in $PATH: unknown'
)
_NOT_RUNNABLE = "CannotStartContainerError: Error response from daemon: {}"
_NO_COMMAND = "CannotCreateContainerError: Error response from daemon: no command specified"
_LOST = "Host EC2 (instance i-local) terminated."


class ProcessExecutor:
    """Runs each attempt as a separate process group.

    Of this process's environment, a command inherits PATH, HOME, the locale and a few more
    variables, and never AWS credentials. `environment` is added, then the variables of the job
    definition and of the job.

    Args:
        directory: Working directory of all commands. By default, each attempt has a temporary
            directory of its own, which is removed when the executor closes.
        environment: Variables for every command.
        exit_grace: Seconds between SIGTERM and SIGKILL for commands that still run when the engine
            closes.
        enforce_memory: Whether a command whose processes use more resident memory than the job's
            memory limit is killed, as on AWS: exit code 137 and ``OutOfMemoryError``. Memory is
            measured ten times per second, on Linux only; what processes share counts for each of
            them, and processes that leave the session do not count.
        output_limit: Memory in bytes for the output of an attempt; 64 MiB by default. Of what
            exceeds it, the last 256 KiB are kept, and the log says how much was dropped.
    """

    def __init__(
        self,
        *,
        directory: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
        exit_grace: float = _EXIT_GRACE,
        enforce_memory: bool = False,
        output_limit: int = _OUTPUT_LIMIT,
    ) -> None:
        self._directory = None if directory is None else str(directory)
        self._scratch = ""
        self._environment = {**_inherited(os.environ), **(environment or {})}
        self._exit_grace = exit_grace
        self._enforce_memory = enforce_memory
        self._output_limit = output_limit
        self._running: dict[str, _LocalProcess] = {}
        self._link: GuardianLink | None = None
        self._clock: Clock | None = None
        self._all_ended = asyncio.Event()

    async def open(self, clock: Clock) -> None:
        """Start the guardian.

        Raises:
            RuntimeError: The system is not POSIX, or not Linux and memory is to be limited.
        """
        if os.name != "posix":
            raise RuntimeError(
                f"ProcessExecutor needs a POSIX system, not {os.name!r}. Use ScriptedExecutor."
            )
        if self._enforce_memory and not await asyncio.to_thread(memory_by_session):
            raise RuntimeError("ProcessExecutor(enforce_memory=True) needs Linux with /proc.")
        self._clock = clock
        self._scratch = await asyncio.to_thread(tempfile.mkdtemp, prefix="asyncbatch-")
        self._link = await GuardianLink.start(
            self._scratch, self._on_message, self._on_guardian_lost
        )

    def start(self, launch: Launch, events: AttemptEvents) -> Process:
        """Start an attempt's command."""
        if self._link is None or self._clock is None:
            raise RuntimeError(
                "ProcessExecutor is not open: await open(clock) first; LocalBatch does it."
            )
        if self._link.is_lost:
            raise RuntimeError(
                "The guardian process of ProcessExecutor was killed. Open a new LocalBatch."
            )
        key = f"{launch.id}#{launch.attempt}"  # attempts of a job never share a key
        process = _LocalProcess(
            key,
            launch.command,
            events,
            link=self._link,
            clock=self._clock,
            output_limit=self._output_limit,
        )
        self._running[key] = process
        if not launch.command:  # the image's own command would run, but there is no image
            no_command = {"failed": key, "errno": errno.ENOENT, "message": ""}
            self._clock.call_later(0, self._on_message, no_command)
            return process
        # A colon would separate two directories in a variable such as PYTHONPATH.
        own = f"{self._scratch}/{launch.id.replace(':', '-')}-{launch.attempt}"
        process.begin(
            {**self._environment, **launch.environment},
            self._directory or own,
            memory=self._memory_limit(launch),
        )
        return process

    def _memory_limit(self, launch: Launch) -> int | None:
        """Return the memory limit of an attempt in bytes; None for none."""
        if not self._enforce_memory or launch.memory_mib is None:
            return None
        return launch.memory_mib * 1024**2

    async def aclose(self) -> None:
        """Stop all processes and wait for their exits."""
        if self._link is None:
            return
        for process in list(self._running.values()):
            process.stop(self._exit_grace)
        with anyio.move_on_after(self._exit_grace + _KILL_TIMEOUT, shield=True):
            while self._running:
                self._all_ended.clear()
                await self._all_ended.wait()
        await self._link.aclose()
        self._link = None
        # The guardian has done it, unless it was killed.
        await asyncio.to_thread(remove_directory, self._scratch)

    def _on_message(self, message: Message) -> None:
        if "started" in message:
            self._running[message["started"]].started(message["pid"])
        elif "failed" in message:
            self._end(message["failed"]).failed(message["errno"], message["message"])
        else:
            process = self._end(message["exited"])
            process.exited(message["status"], exceeded=message.get("exceeded", False))

    def _end(self, key: str) -> "_LocalProcess":
        process = self._running.pop(key)
        if not self._running:
            self._all_ended.set()
        return process

    def _on_guardian_lost(self) -> None:
        """End all attempts: the guardian was killed and will report no exit any more."""
        for key in list(self._running):
            self._end(key).lost()


class _LocalProcess:
    """One attempt's process."""

    def __init__(
        self,
        key: str,
        command: tuple[str, ...],
        events: AttemptEvents,
        *,
        link: GuardianLink,
        clock: Clock,
        output_limit: int,
    ) -> None:
        self._key = key
        self._command = command
        self._events = events
        self._link = link
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._lines = BoundedOutput(output_limit)
        self._output: int | None = None
        self._pid: int | None = None
        self._kill: Timer | None = None
        self._kill_at = math.inf

    def begin(self, environment: Mapping[str, str], directory: str, *, memory: int | None) -> None:
        """Send the command to the guardian."""
        self._output, output = os.pipe()
        os.set_blocking(self._output, False)
        self._link.spawn(
            self._key,
            self._command,
            environment=environment,
            directory=directory,
            output=output,
            memory=memory,
        )

    def stop(self, grace: float) -> None:
        """Send SIGTERM to the process group now, and SIGKILL after `grace` seconds."""
        self._link.signal(self._key, signal.SIGTERM)
        kill_at = self._clock.time() + grace
        if kill_at >= self._kill_at:
            return  # a repeated stop never postpones the kill
        self._cancel_kill()
        self._kill_at = kill_at
        self._kill = self._clock.call_later(grace, self._link.signal, self._key, signal.SIGKILL)

    def started(self, pid: int) -> None:
        """Handle the command's start: begin to read its output."""
        self._pid = pid
        self._events.running()
        if self._output is not None:
            self._loop.add_reader(self._output, self._read)

    def failed(self, number: int, message: str) -> None:
        """Handle a command that could not be started."""
        self._cancel_kill()
        self._close_output()
        self._events.exited(_failure_to_start(self._command, number, message))

    def exited(self, status: int, *, exceeded: bool) -> None:
        """Handle the command's exit, perhaps at its memory limit."""
        self._drain()
        self._events.exited(Exit(exit_code=status, reason=OUT_OF_MEMORY if exceeded else None))

    def lost(self) -> None:
        """Handle the loss of the guardian, as AWS Batch handles the loss of a host."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)
        self._drain()
        self._events.exited(Exit(exit_code=None, status_reason=_LOST))

    def _read(self) -> bool:
        """Read what is available, once; return whether there may be more."""
        if self._output is None:
            return False
        try:
            data = os.read(self._output, _READ)
        except BlockingIOError:
            return False
        for line in self._lines.feed(data):
            self._events.line(line)
        if not data:  # every writer has closed it; the command may still run
            self._close_output()
        return bool(data)

    def _drain(self) -> None:
        """Read what an ended process left in the pipe, and its last, unfinished line."""
        self._cancel_kill()
        for _ in range(_DRAIN_READS):
            if not self._read():
                break
        for line in self._lines.flush():
            self._events.line(line)
        self._close_output()

    def _cancel_kill(self) -> None:
        if self._kill is not None:
            self._kill.cancel()

    def _close_output(self) -> None:
        if self._output is not None:
            self._loop.remove_reader(self._output)
            os.close(self._output)
            self._output = None


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name in _INHERITED or name.startswith(_LOCALE)
    }


def _failure_to_start(command: tuple[str, ...], number: int, message: str) -> Exit:
    if not command:
        return Exit(exit_code=None, reason=_NO_COMMAND, status_reason=_NOT_STARTED)
    if number == errno.ENOENT:
        reason = _NOT_FOUND.format(command[0])
        return Exit(exit_code=127, reason=reason, status_reason=_NOT_STARTED)
    return Exit(exit_code=126, reason=_NOT_RUNNABLE.format(message), status_reason=_NOT_STARTED)
