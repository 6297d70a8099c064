"""`worker_timeout` in the one-process worker: what counts, and what happens to the job."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import luigi
import pytest

from asyncbatch.local import Fault
from asyncbatch_luigi import _job_run, _run_clock
from asyncbatch_luigi._run_clock import RunClock
from asyncbatch_luigi.worker import _luigi_private
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


HOUR = 3600.0


class WorkersClock:
    """The worker's clock, which tests move; else it is the real one."""

    offset = 0.0

    def time(self) -> float:
        return time.time() + self.offset


clock = WorkersClock()


@pytest.fixture
def workers(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Workers:
    """Return a one-process worker with `clock`."""
    monkeypatch.setattr(clock, "offset", 0.0)
    monkeypatch.setattr(_luigi_private, "time", clock)
    monkeypatch.setattr(RunClock.__init__, "__defaults__", (clock.time,))
    return Workers(kind=ONE_PROCESS)


class TimeLimited(Marked):
    """A task with a time limit."""

    worker_timeout = int(HOUR)


class TimeLimitedThread(TimeLimited):
    """The same with an overridden `run`."""

    def run(self) -> None:
        super().run()


@pytest.mark.parametrize("kind", [TimeLimited, TimeLimitedThread])
def test_waiting_for_the_rate_limit_does_not_count(
    aws: Aws, workers: Workers, kind: type[TimeLimited], monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [make(kind, name=str(number)) for number in range(3)]
    waiting_tasks: list[None] = []

    @contextmanager
    def waiting() -> Iterator[None]:
        with _run_clock.waiting():
            waiting_tasks.append(None)
            if len(waiting_tasks) == len(tasks):
                clock.offset += 2 * HOUR
                aws.local.faults.clear()
            yield

    monkeypatch.setattr(_job_run, "waiting", waiting)
    aws.local.faults.add("SubmitJob", Fault.throttle())
    with noting(kind, luigi.Event.TIMEOUT) as seen:
        result = workers.run(*tasks)
    assert result.status == luigi.LuigiStatusCode.SUCCESS
    assert seen == []
    assert len(aws.local.ledger.submissions) == len(tasks)


class Late(TimeLimited):
    """A task that exceeds its limit before it submits."""

    def run(self) -> None:
        clock.offset += 2 * HOUR
        super().run()


class Hanging(TimeLimited):
    """A task whose first job never ends; the jobs of its retries succeed."""

    job_definition = "hangs-once"
    retry_count: Any = 3


class HangingThread(Hanging):
    """The same with an overridden `run`."""

    def run(self) -> None:
        super().run()


class MovesClock(logging.Handler):
    """Moves the clock past the limit when the log says that the first job is RUNNING."""

    def emit(self, record: logging.LogRecord) -> None:
        if "is RUNNING" in record.getMessage() and not clock.offset:
            clock.offset = 2 * HOUR


@pytest.mark.parametrize("kind", [Hanging, HangingThread])
def test_timed_out_job_is_terminated_and_the_retry_submits_a_new_one(
    aws: Aws,
    workers: Workers,
    kind: type[Hanging],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(SCRIPTS, "hangs-once", SCRIPTS["endless"])
    register_definition(aws, "hangs-once")

    def work_next_time(_task: luigi.Task, _reason: str) -> None:
        monkeypatch.setitem(SCRIPTS, "hangs-once", SCRIPTS["succeeds"])

    workers.settings = {"keep_alive": "true", "wait_jitter": 0}
    with configured("scheduler", {"retry_delay": 0}):
        workers.renew_scheduler()
    make(make(kind.event_handler, luigi.Event.TIMEOUT), work_next_time)
    log = logging.getLogger("luigi-interface")
    caplog.set_level(logging.INFO, logger=log.name)
    handler = MovesClock()
    log.addHandler(handler)
    try:
        result = workers.run(make(kind, name="a"))
    finally:
        log.removeHandler(handler)
        forget(kind, luigi.Event.TIMEOUT, work_next_time)
    assert result.status == luigi.LuigiStatusCode.SUCCESS_WITH_RETRY
    assert aws.statuses() == ["FAILED", "SUCCEEDED"]


def test_timed_out_task_that_waits_for_aws_submits_nothing(aws: Aws, workers: Workers) -> None:
    """The limit is exceeded before the request is sent."""
    aws.local.faults.add("SubmitJob", Fault.throttle())
    task = make(Late, name="a")
    result = workers.run(task)
    aws.local.faults.clear()
    assert result.status == luigi.LuigiStatusCode.FAILED
    assert aws.local.ledger.submissions == []
