"""`luigi.run` and the `luigi` command; all other tests use `luigi.build`."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import luigi
import pytest

from tests.luigi.support import Aws, make

ROOT = Path(__file__).parents[2]
ARGUMENTS = ["--local-scheduler", "--no-lock", "--number", "7", "--job-vcpus", "0.5"]


def run_here(definition: str) -> str:
    """Run the task with `luigi.run`; return Luigi's summary."""
    from tests.luigi.tasks import Sized

    arguments = [*ARGUMENTS, "--job-definition", definition]
    result: Any = make(luigi.run, arguments, main_task_cls=Sized, detailed_summary=True)
    return str(result.summary_text)


def run_command(definition: str) -> str:
    """Run the task with the `luigi` command; return its output."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "luigi", "--module", "tests.luigi.tasks", "Sized"),
            *ARGUMENTS,
            *("--job-definition", definition),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.stderr


each_way = pytest.mark.parametrize("run", [run_here, run_command])


@each_way
def test_task_uses_the_values_of_the_command_line(aws: Aws, run: Callable[[str], str]) -> None:
    assert "This progress looks :)" in run("succeeds")
    assert len(list(Path().glob("Sized_*.done"))) == 1
    [job] = aws.call("describe_jobs", jobs=[aws.started[0].id])["jobs"]
    assert {"type": "VCPU", "value": "0.5"} in job["container"]["resourceRequirements"]


@each_way
def test_failure_is_part_of_the_summary(aws: Aws, run: Callable[[str], str]) -> None:
    assert "This progress looks :(" in run("fails")


BUILD = """
import luigi
from tests.luigi.tasks import Numbered

tasks = [Numbered(number=number, job_definition="succeeds") for number in range(2)]
print(luigi.build(tasks, local_scheduler=True, workers=2, log_level="WARNING"))
"""


def test_forked_workers_print_no_ignored_exceptions(aws: Aws) -> None:
    """Modules that register functions for forks must not be imported during a fork."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True"
    assert "Exception ignored" not in done.stderr
