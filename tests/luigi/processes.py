"""Processes that run Luigi tasks whose jobs never end, for tests that interrupt or kill them."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fixtures.programs import Program, launcher

MODULES = ("asyncbatch_luigi.worker", "luigi.cmdline", "luigi.server", "tests.luigi.workers")
# A process started in the background by a shell ignores SIGINT, and its children inherit that.
PROGRAM = """
import signal
import asyncbatch_luigi
import luigi
from tests.luigi.tasks import Numbered

signal.signal(signal.SIGINT, signal.default_int_handler)
{prelude}
tasks = [Numbered(number=number, job_definition="endless") for number in range({tasks})]
{build}(tasks, local_scheduler=True, workers={workers}, log_level="INFO")
print("continued")
"""
TERMINATE = "luigi.configuration.get_config().set('asyncbatch', 'on_interrupt', 'terminate')"
# SIGUSR2 moves the clock of Luigi's worker, and of its process for the task, past the timeout.
TIMEOUT = """
import time, types, luigi.worker
from asyncbatch_luigi import _run_clock

Numbered.worker_timeout = 3600
later = types.SimpleNamespace(time=lambda: time.time() + 7200, sleep=time.sleep)


def move(*_):
    luigi.worker.time = _run_clock.time = later


signal.signal(signal.SIGUSR2, move)
"""
RUNNING = re.compile(r"AWS Batch job (\S+) is RUNNING")


def start(program: str) -> Program:
    """Start a program that uses Luigi, without a configuration file."""
    return launcher(MODULES, (("LUIGI_CONFIG_PATH", os.devnull),)).start(program)


class Process:
    """A process that runs Luigi tasks, whose jobs are all RUNNING."""

    def __init__(
        self,
        workers: int,
        *,
        tasks: int,
        prelude: str = "",
        build: str = "luigi.build",
        program: str = PROGRAM,
    ) -> None:
        program = program.format(workers=workers, tasks=tasks, prelude=prelude, build=build)
        self.program = start(program)
        self.output = ""
        self.jobs: set[str] = set()
        while len(self.jobs) < tasks:
            self.jobs.update(RUNNING.findall(self._line()))

    def _line(self) -> str:
        line = self.program.stdout.readline()
        assert line, f"the process ended too early:\n{self.output}"
        self.output += line
        return line

    def read_until(self, text: str) -> None:
        """Read its output until it contains a text."""
        while text not in self.output:
            self._line()

    @property
    def workers(self) -> list[int]:
        """The process ids of Luigi's workers, from its log."""
        return [int(pid) for pid in re.findall(r"\[pid (\d+)\] Worker .* running", self.output)]

    def press_ctrl_c(self) -> None:
        """Send SIGINT to the whole process group, as a terminal does."""
        self.program.send_signal_to_all(signal.SIGINT)

    def kill(self) -> None:
        """Send SIGKILL to the whole process group."""
        self.program.send_signal_to_all(signal.SIGKILL)

    def end(self) -> int:
        """Read its output until all its processes have ended; return the exit code."""
        self.output += self.program.read_all()
        return self.program.wait()

    @property
    def frames(self) -> list[str]:
        """The files of asyncbatch in the traceback with which it has ended."""
        traceback = self.output.rpartition("Traceback (most recent call last)")[2]
        return re.findall(r'File ".*/(asyncbatch.*)", line', traceback)

    @property
    def whereabouts(self) -> set[str]:
        """The jobs that continue according to the log."""
        found = re.findall(r"Interrupted: AWS Batch job (\S+) \(.*\) continues in AWS", self.output)
        return set(found)


@contextmanager
def started(
    workers: int,
    *,
    tasks: int | None = None,
    prelude: str = "",
    build: str = "luigi.build",
    program: str = PROGRAM,
) -> Iterator[Process]:
    """Start a process; kill what is left of it at the end."""
    tasks = workers if tasks is None else tasks
    process = Process(workers, tasks=tasks, prelude=prelude, build=build, program=program)
    try:
        yield process
    finally:
        process.program.kill()
        process.program.stdout.close()
