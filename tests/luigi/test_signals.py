"""Ctrl-C and SIGTERM in processes in which Luigi's own workers run tasks.

The job continues in AWS, its id is logged, and nothing hangs.
"""

import os
import signal

import pytest

from tests.luigi.processes import TERMINATE, TIMEOUT, started
from tests.luigi.support import Aws


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_a_process_with_one_worker(aws: Aws, number: signal.Signals) -> None:
    with started(workers=1) as process:
        process.program.send_signal(number)
        assert process.end() == -number
        assert process.whereabouts == process.jobs
        assert "continued" not in process.output
        assert "FAILED" not in process.output
        assert process.frames == []


def test_ctrl_c_ends_all_forked_workers(aws: Aws) -> None:
    with started(workers=2) as process:
        process.press_ctrl_c()
        assert process.end() == -signal.SIGINT
        assert process.whereabouts == process.jobs


def test_sigterm_ends_a_forked_worker_and_luigi_continues(aws: Aws) -> None:
    """Luigi sends SIGTERM to a worker whose task exceeds its `worker_timeout`."""
    with started(workers=2) as process:
        for worker in process.workers:
            os.kill(worker, signal.SIGTERM)
        assert process.end() == 0
        assert process.whereabouts == process.jobs
        assert process.output.count("died unexpectedly with exit code -15") >= 2
        assert "continued" in process.output


def test_jobs_continue_after_an_interrupt(aws: Aws) -> None:
    with started(workers=1) as process:
        process.press_ctrl_c()
        process.end()
        assert aws.statuses() == ["RUNNING"]


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_terminates_the_jobs_if_configured(aws: Aws, workers: int) -> None:
    with started(workers, prelude=TERMINATE) as process:
        process.press_ctrl_c()
        assert process.end() == -signal.SIGINT
        assert process.output.count(" terminated\n") == workers
    for job in process.jobs:
        aws.until(job, "FAILED")


def test_worker_timeout_terminates_the_job(aws: Aws) -> None:
    """Otherwise a retry would follow it, and time out as well."""
    with started(workers=1, prelude=TIMEOUT) as process:
        process.program.send_signal_to_all(signal.SIGUSR2)
        assert process.end() == 0
        assert "timed out after 3600 seconds" in process.output
        assert "continued" in process.output
    [job] = process.jobs
    assert f"Interrupted: AWS Batch job {job} terminated" in process.output
    aws.until(job, "FAILED")
