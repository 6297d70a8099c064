"""Reruns after a driver was interrupted or killed: no job runs twice."""

import signal
from collections.abc import Callable

import pytest

from tests.luigi.processes import Process, started
from tests.luigi.support import Aws

ORDINARY = "luigi.build"
ONE_PROCESS = "asyncbatch_luigi.build"


def press_ctrl_c(process: Process) -> None:
    process.press_ctrl_c()


def terminate(process: Process) -> None:
    process.program.send_signal(signal.SIGTERM)


def kill(process: Process) -> None:
    process.kill()


@pytest.mark.timeout(60)  # two interpreters start one after the other
@pytest.mark.parametrize(
    ("workers", "build", "end"),
    [
        (1, ORDINARY, press_ctrl_c),
        (1, ORDINARY, terminate),
        (1, ORDINARY, kill),
        (2, ORDINARY, press_ctrl_c),
        (2, ORDINARY, kill),
        (1, ONE_PROCESS, press_ctrl_c),
        (1, ONE_PROCESS, terminate),
        (1, ONE_PROCESS, kill),
    ],
)
def test_rerun_follows_the_live_jobs_of_the_first_run(
    aws: Aws, workers: int, build: str, end: Callable[[Process], None]
) -> None:
    tasks = 2 if build == ONE_PROCESS else workers
    with started(workers, tasks=tasks, build=build) as first:
        end(first)
        first.end()
    with started(workers, tasks=tasks, build=build) as second:
        assert second.jobs == first.jobs
        assert second.output.count("of an earlier run") == tasks
        second.kill()
        second.end()
    assert {job.job_id for job in aws.local.ledger.submissions} == first.jobs
    assert len(aws.local.ledger.submissions) == tasks


@pytest.mark.timeout(60)
def test_rerun_in_one_process_follows_the_jobs_of_forked_workers(aws: Aws) -> None:
    with started(2) as first:
        first.kill()
        first.end()
    with started(1, tasks=2, build=ONE_PROCESS) as second:
        assert second.jobs == first.jobs
        second.kill()
        second.end()
    assert len(aws.local.ledger.submissions) == 2
