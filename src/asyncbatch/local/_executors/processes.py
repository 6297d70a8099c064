"""An executor that really runs a job's command, as a process of this machine.

A guardian (`guardian.py`) starts the commands, so that none of them outlives the engine. Output
comes back through a pipe for each attempt and is read here, on the event loop.
"""

import asyncio
import contextlib
import errno
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import anyio

from asyncbatch.local._executors.base import AttemptEvents, Exit, Launch
from asyncbatch.local._executors.guardian_link import GuardianLink, News
from asyncbatch.local._executors.lines import LineSplitter
from asyncbatch.local._time.clock import Clock, Timer

_INHERITED = {"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"}
_LOCALE = "LC_"
_READ = 65536
_DRAIN_READS = 16  # as much as a pipe can hold: a descendant that goes on writing is not waited for
_EXIT_GRACE = 2.0  # seconds between SIGTERM and SIGKILL when the engine closes
_PATIENCE = 5.0  # seconds that the end of a killed process may take

_NOT_STARTED = "Task failed to start"
_NOT_FOUND = (
    "CannotStartContainerError: Error response from daemon: failed to create task for container:"
    ' exec: "{}": executable file not found in $PATH: unknown'
)
_NOT_RUNNABLE = "CannotStartContainerError: Error response from daemon: {}"
_NO_COMMAND = "CannotCreateContainerError: Error response from daemon: no command specified"
_LOST = "Host EC2 (instance i-local) terminated."


class ProcessExecutor:
    """Runs each attempt as a process group of its own.

    The command sees PATH, HOME, the locale and little else of this process's environment, and never
    AWS credentials; then `environment`, then what the job definition and the job set.

    Args:
        directory: Where commands start; by default, where this process is when the executor opens.
        environment: Variables for every command.
        exit_grace: Seconds between SIGTERM and SIGKILL for what still runs when the engine closes.
    """

    def __init__(
        self,
        *,
        directory: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
        exit_grace: float = _EXIT_GRACE,
    ) -> None:
        self._directory = None if directory is None else str(directory)
        self._environment = {**_inherited(os.environ), **(environment or {})}
        self._exit_grace = exit_grace
        self._running: dict[str, _LocalProcess] = {}
        self._link: GuardianLink | None = None
        self._clock: Clock | None = None
        self._all_ended = asyncio.Event()

    async def open(self, clock: Clock) -> None:
        """Start the guardian.

        Raises:
            RuntimeError: This system is not POSIX.
        """
        if os.name != "posix":
            raise RuntimeError("ProcessExecutor needs a POSIX system: use ScriptedExecutor here.")
        self._clock = clock
        self._link = await GuardianLink.start(self._take_news, self._guardian_lost)

    def start(self, launch: Launch, events: AttemptEvents) -> "_LocalProcess":
        """Start an attempt's command."""
        if self._link is None or self._clock is None:
            raise RuntimeError("open the executor first")
        if self._link.is_lost:
            raise RuntimeError("the guardian process was killed: nothing can be started any more")
        key = f"{launch.id}#{launch.attempt}"
        process = _LocalProcess(key, launch.command, events, self._link, self._clock)
        self._running[key] = process
        if not launch.command:
            nothing = {"failed": key, "errno": errno.ENOENT, "message": ""}
            self._clock.call_later(0, self._take_news, nothing)
            return process
        process.begin({**self._environment, **launch.environment}, self._directory, launch.id)
        return process

    async def aclose(self) -> None:
        """Stop every process, and wait until all have ended."""
        if self._link is None:
            return
        for process in list(self._running.values()):
            process.stop(self._exit_grace)
        with anyio.move_on_after(self._exit_grace + _PATIENCE, shield=True):
            while self._running:
                self._all_ended.clear()
                await self._all_ended.wait()
        await self._link.aclose()
        self._link = None

    def _take_news(self, news: News) -> None:
        if "started" in news:
            self._running[news["started"]].started(news["pid"])
        elif "failed" in news:
            self._end(news["failed"]).failed(news["errno"], news["message"])
        else:
            self._end(news["exited"]).exited(news["status"])

    def _end(self, key: str) -> "_LocalProcess":
        process = self._running.pop(key)
        if not self._running:
            self._all_ended.set()
        return process

    def _guardian_lost(self) -> None:
        """End what the guardian can no longer end: it was killed."""
        for key in list(self._running):
            self._end(key).lost()


class _LocalProcess:
    """One attempt's process."""

    def __init__(
        self,
        key: str,
        command: tuple[str, ...],
        events: AttemptEvents,
        link: GuardianLink,
        clock: Clock,
    ) -> None:
        self._key = key
        self._command = command
        self._events = events
        self._link = link
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._lines = LineSplitter()
        self._output: int | None = None
        self._pid: int | None = None
        self._kill: Timer | None = None

    def begin(self, environment: Mapping[str, str], directory: str | None, job_id: str) -> None:
        """Ask the guardian to start the command."""
        self._output, output = os.pipe()
        os.set_blocking(self._output, False)
        self._link.spawn(
            self._key,
            self._command,
            environment=environment,
            directory=directory,
            mark=f"AWS_BATCH_JOB_ID={job_id}",
            output=output,
        )

    def stop(self, grace: float) -> None:
        """Send SIGTERM to the process group now, and SIGKILL after `grace` seconds."""
        self._link.signal(self._key, signal.SIGTERM)
        if self._kill is not None:
            self._kill.cancel()
        self._kill = self._clock.call_later(grace, self._link.signal, self._key, signal.SIGKILL)

    def started(self, pid: int) -> None:
        """Take note that the command runs, and read what it writes."""
        self._pid = pid
        self._events.running()
        if self._output is not None:
            self._loop.add_reader(self._output, self._read)

    def failed(self, number: int, message: str) -> None:
        """Take note that the command could not be started."""
        self._close()
        self._events.exited(_failure_to_start(self._command, number, message))

    def exited(self, status: int) -> None:
        """Take note that the command has ended."""
        self._drain()
        self._events.exited(Exit(exit_code=status))

    def lost(self) -> None:
        """Give the command up: nobody is left who knows what becomes of it."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)
        self._drain()
        self._events.exited(Exit(exit_code=None, status_reason=_LOST))

    def _read(self) -> bool:
        """Read what is there, once; return whether there may be more."""
        if self._output is None:
            return False
        try:
            data = os.read(self._output, _READ)
        except BlockingIOError:
            return False
        for line in self._lines.feed(data):
            self._events.line(line)
        if not data:
            self._close()
        return bool(data)

    def _drain(self) -> None:
        """Read what a process that has ended left in the pipe, and its last, unfinished line."""
        for _ in range(_DRAIN_READS):
            if not self._read():
                break
        for line in self._lines.flush():
            self._events.line(line)
        self._close()

    def _close(self) -> None:
        if self._kill is not None:
            self._kill.cancel()
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
