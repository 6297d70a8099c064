"""What Ctrl-C and SIGTERM do to processes in which Luigi runs tasks.

The job goes on in AWS, its id is in the log, and nothing hangs.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.luigi.support import Aws

ROOT = Path(__file__).parents[2]
PROGRAM = """
import luigi
from tests.luigi.tasks import Numbered

tasks = [Numbered(number=number, job_definition="endless") for number in range({workers})]
luigi.build(tasks, local_scheduler=True, workers={workers}, log_level="INFO")
print("went on")
"""
RUNNING = re.compile(r"AWS Batch job (\S+) is RUNNING")


class Process:
    """A process that runs Luigi, with as many tasks as workers, all of whose jobs are RUNNING."""

    def __init__(self, workers: int) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LUIGI_CONFIG_PATH": os.devnull,
            "PYTHONWARNINGS": "ignore",
        }
        self.popen = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(workers=workers)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A group of its own, for a Ctrl-C that reaches the whole of it and not this process.
            start_new_session=True,
        )
        self.output = ""
        self.jobs: set[str] = set()
        while len(self.jobs) < workers:
            self.jobs.update(RUNNING.findall(self._line()))

    def _line(self) -> str:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, f"it ended too early:\n{self.output}"
        self.output += line
        return line

    @property
    def workers(self) -> list[int]:
        """The process ids of Luigi's workers, as its log tells them."""
        return [int(pid) for pid in re.findall(r"\[pid (\d+)\] Worker .* running", self.output)]

    def press_ctrl_c(self) -> None:
        """Send SIGINT to the whole process group, as a terminal does."""
        os.killpg(self.popen.pid, signal.SIGINT)

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
def started(workers: int) -> Iterator[Process]:
    """Start a process, and leave nothing of it behind."""
    process = Process(workers)
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            os.killpg(process.popen.pid, signal.SIGKILL)
            process.popen.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_process_that_runs_tasks_itself(aws: Aws, number: signal.Signals) -> None:
    with started(workers=1) as process:
        process.popen.send_signal(number)
        assert process.end() == -number
        assert process.whereabouts == process.jobs
        assert "went on" not in process.output
        assert "FAILED" not in process.output


def test_ctrl_c_ends_all_workers(aws: Aws) -> None:
    with started(workers=2) as process:
        process.press_ctrl_c()
        assert process.end() == -signal.SIGINT
        assert process.whereabouts == process.jobs


def test_sigterm_ends_a_worker_and_luigi_goes_on(aws: Aws) -> None:
    """Luigi does that to a worker whose task takes longer than its `worker_timeout`."""
    with started(workers=2) as process:
        for worker in process.workers:
            os.kill(worker, signal.SIGTERM)
        assert process.end() == 0
        assert process.whereabouts == process.jobs
        assert process.output.count("died unexpectedly with exit code -15") >= 2
        assert "went on" in process.output


def test_jobs_go_on_after_an_interrupt(aws: Aws) -> None:
    with started(workers=1) as process:
        process.press_ctrl_c()
        process.end()
        assert aws.statuses() == ["RUNNING"]
