"""Ctrl-C and SIGTERM with the one-process worker. Reruns are in `test_reruns.py`."""

import asyncio
import signal

import luigi
import pytest

from asyncbatch import AsyncBatchClient
from asyncbatch_luigi import _bridge
from tests.luigi.processes import started
from tests.luigi.support import Aws, make
from tests.luigi.workers import ONE_PROCESS, Marked, Workers, forget, notes

PROGRAM = """
import signal
import time

import luigi
from asyncbatch_luigi import build
from tests.luigi.workers import Marked, Threaded

# A process started in the background by a shell ignores SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Blocking(luigi.Task):
    priority = -1

    def run(self):
        print("blocks", flush=True)
        time.sleep(600)

luigi.configuration.get_config().set("asyncbatch", "poll_time", "0")
tasks = [Marked(name=str(number), job_definition="endless") for number in range(2)]
tasks += [Threaded(name="own run", job_definition="endless")]
others = []
{prelude}
tasks += others
build(tasks, local_scheduler=True, log_level="INFO")
print("continued")
"""
TASKS = 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_worker_and_logs_where_its_jobs_are(
    aws: Aws, number: signal.Signals
) -> None:
    with started(1, tasks=TASKS, program=PROGRAM) as process:
        process.program.send_signal(number)
        assert process.end() == -number
        assert process.whereabouts == process.jobs
        assert "continued" not in process.output
        assert "FAILED" not in process.output
        assert set(process.frames) <= {
            "asyncbatch_luigi/worker/_entry_points.py"
        }  # that of build()
    assert aws.statuses() == ["RUNNING"] * TASKS


def test_later_signals_do_not_interrupt_the_workers_cleanup(aws: Aws) -> None:
    with started(1, tasks=TASKS, program=PROGRAM) as process:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            process.program.send_signal(number)
        assert process.end() in {-signal.SIGTERM, -signal.SIGINT}
        assert process.whereabouts == process.jobs


def test_sigterm_ends_the_worker_while_another_task_blocks_the_main_thread(aws: Aws) -> None:
    """Luigi takes what the handler raises for a failure of that task, and would continue."""
    with started(1, tasks=TASKS, program=PROGRAM, prelude="others = [Blocking()]") as process:
        process.read_until("blocks")
        process.program.send_signal(signal.SIGTERM)
        assert process.end() == -signal.SIGTERM
        assert process.whereabouts == process.jobs


class Stubborn(Marked):
    """A task that ignores cancellation."""

    async def _asyncbatch_start(self, batch: AsyncBatchClient) -> None:
        notes.append("runs")
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                notes.append("stays")


class CtrlC(Marked):
    """A task with a callback that Ctrl-C interrupts."""

    def on_success(self) -> None:
        raise KeyboardInterrupt


def test_workers_cleanup_is_abandoned_after_its_time_limit(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_bridge, "GRACE", 0.1)
    monkeypatch.setattr("asyncbatch_luigi.worker._leaving.CLOSING_SECONDS", 0.1)
    notes.clear()
    workers = Workers(kind=ONE_PROCESS)
    with pytest.raises(KeyboardInterrupt):
        workers.run(make(Stubborn, name="a"), make(CtrlC, name="b"))
    assert notes == ["runs", "stays"]
    assert "Cleanup of 1 tasks abandoned" in caplog.text


class CtrlCOnFailure(Marked):
    """A task with a failure callback that Ctrl-C interrupts."""

    def on_failure(self, exception: BaseException) -> str:
        raise KeyboardInterrupt from exception


def test_ctrl_c_in_a_failure_callback_ends_the_worker_at_once(
    aws: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    """The run of that task has ended, so there is no cleanup to wait for."""
    with pytest.raises(KeyboardInterrupt):
        Workers(kind=ONE_PROCESS).run(make(CtrlCOnFailure, name="a", job_definition="fails"))
    assert "abandoned" not in caplog.text


def test_worker_restores_the_signal_handlers(aws: Aws) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    during: list[object] = []

    def read_handler(_task: luigi.Task) -> None:
        during.append(signal.getsignal(signal.SIGTERM))

    make(make(Marked.event_handler, luigi.Event.START), read_handler)
    try:
        Workers(kind=ONE_PROCESS).run(make(Marked, name="a"))
    finally:
        forget(Marked, luigi.Event.START, read_handler)
    assert during[0] != before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
