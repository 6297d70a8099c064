"""`worker_timeout` in the one-process worker: what counts, and what happens to the job."""

import time
from typing import Any

import luigi
import pytest

from asyncbatch.local import Fault
from asyncbatch_luigi._run_clock import RunClock
from tests.luigi.support import SCRIPTS, Aws, make, register_definition
from tests.luigi.workers import ONE_PROCESS, Marked, Workers, configured, forget, noting


class Now:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_clock_counts_no_time_while_it_is_stopped() -> None:
    time_now = Now()
    clock = RunClock(10, time_now)
    time_now.now += 3
    with clock.stopped():
        time_now.now += 50
        assert clock.deadline == time_now.now + 7
        time_now.now += 50
    assert clock.deadline == time_now.now + 7
    time_now.now += 5
    assert clock.deadline == time_now.now + 2


class Brief(Marked):
    """A task whose timeout is shorter than its wait for the rate limit."""

    worker_timeout = 2


class BriefThread(Brief):
    """The same with an overridden `run`."""

    def run(self) -> None:
        super().run()


@pytest.mark.parametrize("kind", [Brief, BriefThread])
def test_waiting_for_the_rate_limit_does_not_count(aws: Aws, kind: type[Brief]) -> None:
    tasks = [make(kind, name=str(number)) for number in range(15)]
    paced = configured("asyncbatch", {"submit_per_second": 5})
    with paced, noting(kind, luigi.Event.TIMEOUT) as seen:
        result = Workers(kind=ONE_PROCESS).run(*tasks)
    assert result.status == luigi.LuigiStatusCode.SUCCESS
    assert seen == []
    assert len(aws.local.ledger.submissions) == 15


class Late(Marked):
    """A task that exceeds its limit before it submits."""

    worker_timeout = 1

    def run(self) -> None:
        time.sleep(1.1)
        super().run()


class Hanging(Marked):
    """A task whose first job never ends; the jobs of its retries succeed."""

    worker_timeout = 1
    job_definition = "hangs-once"
    retry_count: Any = 3


class HangingThread(Hanging):
    """The same with an overridden `run`."""

    def run(self) -> None:
        super().run()


@pytest.mark.parametrize("kind", [Hanging, HangingThread])
def test_timed_out_job_is_terminated_and_the_retry_submits_a_new_one(
    aws: Aws, kind: type[Hanging], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SCRIPTS, "hangs-once", SCRIPTS["endless"])
    register_definition(aws, "hangs-once")

    def work_next_time(_task: luigi.Task, _reason: str) -> None:
        monkeypatch.setitem(SCRIPTS, "hangs-once", SCRIPTS["succeeds"])

    workers = Workers(kind=ONE_PROCESS, settings={"keep_alive": "true", "wait_jitter": 0})
    with configured("scheduler", {"retry_delay": 0}):
        workers.renew_scheduler()
    make(make(kind.event_handler, luigi.Event.TIMEOUT), work_next_time)
    try:
        result = workers.run(make(kind, name="a"))
    finally:
        forget(kind, luigi.Event.TIMEOUT, work_next_time)
    assert result.status == luigi.LuigiStatusCode.SUCCESS_WITH_RETRY
    assert aws.statuses() == ["FAILED", "SUCCEEDED"]


def test_timed_out_task_that_waits_for_aws_submits_nothing(aws: Aws) -> None:
    """The limit is exceeded before the request is sent."""
    aws.local.faults.add("SubmitJob", Fault.throttle())
    task = make(Late, name="a")
    result = Workers(kind=ONE_PROCESS).run(task)
    aws.local.faults.clear()
    assert result.status == luigi.LuigiStatusCode.FAILED
    assert aws.local.ledger.submissions == []
