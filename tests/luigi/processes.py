"""Processes in which Luigi runs tasks whose jobs do not end, to be interrupted and killed."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Who is started in the background by a shell ignores Ctrl-C, and so would this.
PROGRAM = """
import signal
import asyncbatch_luigi
import luigi
from tests.luigi.tasks import Numbered

signal.signal(signal.SIGINT, signal.default_int_handler)
{prelude}
tasks = [Numbered(number=number, job_definition="endless") for number in range({tasks})]
{build}(tasks, local_scheduler=True, workers={workers}, log_level="INFO")
print("went on")
"""
TERMINATE = "luigi.configuration.get_config().set('asyncbatch', 'on_interrupt', 'terminate')"
# Luigi ends tasks that take too long; its clock jumps ahead when it is told to.
TIMEOUT = """
import time, types, luigi.worker

Numbered.worker_timeout = 3600
later = types.SimpleNamespace(time=lambda: time.time() + 7200, sleep=time.sleep)
signal.signal(signal.SIGUSR2, lambda *_: setattr(luigi.worker, "time", later))
"""
RUNNING = re.compile(r"AWS Batch job (\S+) is RUNNING")


class Process:
    """A process that runs Luigi, with as many tasks as workers, all of whose jobs are RUNNING."""

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
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LUIGI_CONFIG_PATH": os.devnull,
            "PYTHONWARNINGS": "ignore",
        }
        self.popen = subprocess.Popen(
            [sys.executable, "-c", program],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A group of its own, for a Ctrl-C that reaches the whole of it and not this process.
            start_new_session=True,
        )
        self.output = ""
        self.jobs: set[str] = set()
        while len(self.jobs) < tasks:
            self.jobs.update(RUNNING.findall(self._line()))

    def _line(self) -> str:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, f"it ended too early:\n{self.output}"
        self.output += line
        return line

    def read_until(self, text: str) -> None:
        """Read what it says until it has said this."""
        while text not in self.output:
            self._line()

    @property
    def workers(self) -> list[int]:
        """The process ids of Luigi's workers, as its log tells them."""
        return [int(pid) for pid in re.findall(r"\[pid (\d+)\] Worker .* running", self.output)]

    def press_ctrl_c(self) -> None:
        """Send SIGINT to the whole process group, as a terminal does."""
        os.killpg(self.popen.pid, signal.SIGINT)

    def kill(self) -> None:
        """Kill the whole process group, which gets no chance to do anything."""
        os.killpg(self.popen.pid, signal.SIGKILL)

    def end(self) -> int:
        """Read what it says until all its processes have ended, and return the exit code."""
        self.output += self.popen.communicate()[0]
        return self.popen.returncode

    @property
    def whereabouts(self) -> set[str]:
        """The jobs that the log said how to find, and that they go on."""
        found = re.findall(r"Interrupted\. AWS Batch job (\S+) \(.*\) goes on", self.output)
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
    """Start a process, and leave nothing of it behind."""
    process = Process(
        workers, tasks=tasks or workers, prelude=prelude, build=build, program=program
    )
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            os.killpg(process.popen.pid, signal.SIGKILL)
            process.popen.communicate()
