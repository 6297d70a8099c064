"""Interrupts while tasks wait for the rate limit: nothing is submitted any more."""

import signal
import time

import pytest

from asyncbatch.local import Fault
from tests.luigi.processes import started
from tests.luigi.support import Aws

PROGRAM = """
import signal

import asyncbatch_luigi
import luigi
from tests.luigi.tasks import Numbered
from tests.luigi.workers import Marked

# A process started in the background by a shell ignores SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)

luigi.configuration.get_config().set("asyncbatch", "poll_time", "0")
{prelude}
tasks = [Marked(name=str(number), job_definition="endless") for number in range(250)]
tasks += [Numbered(number=number, job_definition="endless") for number in range(250)]
{build}(tasks, local_scheduler=True, workers={workers}, log_level="INFO")
print("continued")
"""
PACED = "luigi.configuration.get_config().set('asyncbatch', 'submit_per_second', '4')"
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@pytest.mark.timeout(60)
@SIGNALS
def test_500_tasks_in_one_process_submit_nothing_after_an_interrupt(
    aws: Aws, number: signal.Signals
) -> None:
    build = "asyncbatch_luigi.build"
    with started(1, tasks=4, build=build, program=PROGRAM, prelude=PACED) as process:
        process.program.send_signal(number)
        before = len(aws.local.ledger.submissions)
        assert process.end() == -number
        assert "continued" not in process.output
        # Those on their way at that moment may be added: they go in groups of 0.2 s.
        assert before <= len(aws.local.ledger.submissions) <= before + 2
        submitted = {job.job_id for job in aws.local.ledger.submissions}
        assert process.whereabouts == submitted


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("build", "workers", "number"),
    [
        ("luigi.build", 1, signal.SIGINT),
        ("luigi.build", 1, signal.SIGTERM),
        ("luigi.build", 2, signal.SIGINT),
        ("asyncbatch_luigi.build", 1, signal.SIGINT),
        ("asyncbatch_luigi.build", 1, signal.SIGTERM),
    ],
)
def test_interrupt_while_aws_throttles_submits_nothing(
    aws: Aws, build: str, workers: int, number: signal.Signals
) -> None:
    aws.local.faults.add("SubmitJob", Fault.throttle())
    with started(workers, tasks=0, build=build, program=PROGRAM) as process:
        while aws.local.calls["SubmitJob"] < workers:
            time.sleep(0.01)
        process.program.send_signal_to_all(number)
        assert process.end() == -number
        assert "abandoned" not in process.output  # nothing waited for the end of the throttling
    assert aws.local.ledger.submissions == []
