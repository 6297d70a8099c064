"""A command that runs in an environment of its own: signals are passed on to it. POSIX only."""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from asyncbatch._cli import exit_codes
from asyncbatch._cli.running import note

_PASSED_ON = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGUSR1, signal.SIGUSR2),
)
# As shells: a command that was not found, and one that cannot be run.
_NOT_FOUND, _NOT_RUNNABLE = 127, 126


async def run_child(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command until its end, and return its exit code; 128 + N where signal N ended it.

    It has the standard streams, the directory and the process group of this process. Signals that
    this process receives are sent to it, but for those that the terminal sends to both.

    Args:
        command: The program and its arguments.
        environment: All its variables.
    """
    with _signals_passed_on() as started:
        try:
            process = await asyncio.create_subprocess_exec(*command, env=environment)
        except OSError as error:
            note(f"asyncbatch: {command[0]}: {error.strerror}.")
            return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_RUNNABLE
        started(process)
        code = await process.wait()
    return exit_codes.SIGNAL - code if code < 0 else code


@contextmanager
def _signals_passed_on() -> Iterator[Callable[[Process], None]]:
    """Pass signals on to a process, also those that arrive before it has started.

    Yields:
        A function to call with the process when it has started.
    """
    loop = asyncio.get_running_loop()
    early: list[signal.Signals] = []
    processes: list[Process] = []

    def pass_on(number: signal.Signals) -> None:
        if number is signal.SIGINT and _is_in_foreground():
            return
        if not processes:
            early.append(number)
        for process in processes:
            with suppress(ProcessLookupError):
                process.send_signal(number)

    def started(process: Process) -> None:
        processes.append(process)
        for number in early:
            pass_on(number)

    for number in _PASSED_ON:
        loop.add_signal_handler(number, pass_on, number)
    try:
        yield started
    finally:
        for number in _PASSED_ON:
            loop.remove_signal_handler(number)


def _is_in_foreground() -> bool:
    """Return whether Ctrl-C at the terminal reaches this process, and with it the command."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:  # there is no terminal
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
