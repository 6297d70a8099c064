"""What Ctrl-C and SIGTERM do to processes in which Luigi runs tasks.

The job goes on in AWS, its id is in the log, and nothing hangs.
"""

import os
import signal

import pytest

from tests.luigi.processes import TERMINATE, TIMEOUT, started
from tests.luigi.support import Aws


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


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_terminates_the_jobs_if_that_is_wanted(aws: Aws, workers: int) -> None:
    with started(workers, prelude=TERMINATE) as process:
        process.press_ctrl_c()
        assert process.end() == -signal.SIGINT
        assert process.output.count("is terminated") == workers
    for job in process.jobs:
        aws.until(job, "FAILED")


@pytest.mark.parametrize("prelude", [TIMEOUT, TIMEOUT + TERMINATE], ids=["leave", "terminate"])
def test_luigis_timeout_leaves_the_job_or_terminates_it(aws: Aws, prelude: str) -> None:
    with started(workers=1, prelude=prelude) as process:
        process.popen.send_signal(signal.SIGUSR2)
        assert process.end() == 0
        assert "timed out after 3600 seconds" in process.output
        assert "went on" in process.output
    [job] = process.jobs
    if prelude == TIMEOUT:
        assert process.whereabouts == {job}
        assert aws.statuses() == ["RUNNING"]
    else:
        aws.until(job, "FAILED")
