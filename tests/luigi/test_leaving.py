"""How the one-process worker leaves: known results first, and within one time limit."""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.luigi.luigid import Luigid, open_luigid
from tests.luigi.processes import started
from tests.luigi.support import Aws

PROGRAM = """
import signal
import time

import luigi
from asyncbatch_luigi import _bridge, build
from asyncbatch_luigi.worker import _leaving, _signals
from tests.luigi.workers import Marked

# A process started in the background by a shell ignores SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
luigi.configuration.get_config().set("asyncbatch", "poll_time", "0")
_leaving.CLOSING_SECONDS = 1.0

class Blocking(luigi.Task):
    priority = -1

    def run(self):
        print("blocks", flush=True)
        time.sleep(600)

class Slow(Marked):
    def on_success(self):
        print("callback", flush=True)
        time.sleep(600)

class SlowContext:
    def __init__(self, process):
        pass

    def __enter__(self):
        pass

    def __exit__(self, *_):
        time.sleep(600)

scheduler = {{"local_scheduler": True}}
tasks = []
{prelude}
build(tasks, log_level="INFO", **scheduler)
print("continued")
"""

INFORMED = re.compile(r"Informed scheduler that task\s+(\w+?)_\S+ +has status +(\S+)")
ENDLESS = "tasks += [Marked(name=str(n), job_definition='endless') for n in range(8)]"
BUSY = "tasks += [Marked(name='ended'), Blocking()]"


def use(luigid: Luigid) -> str:
    return f"scheduler = {{'scheduler_url': {luigid.url!r}}}"


@pytest.fixture
def luigid() -> Iterator[Luigid]:
    with open_luigid() as luigid:
        yield luigid


@pytest.mark.timeout(90)
def test_leaves_although_luigid_is_gone(aws: Aws, luigid: Luigid) -> None:
    with started(1, tasks=8, program=PROGRAM, prelude=f"{use(luigid)}\n{ENDLESS}") as process:
        luigid.kill()
        process.read_until("Failed connecting to remote scheduler")
        process.program.send_signal(signal.SIGINT)
        assert process.end() == -signal.SIGINT
        assert process.whereabouts == process.jobs
    assert len(aws.local.ledger.submissions) == 8


def local(_: Luigid) -> str:
    return ""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("scheduler", [local, use])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_results_that_are_known_are_reported_first(
    aws: Aws, luigid: Luigid, scheduler: Callable[[Luigid], str], number: signal.Signals
) -> None:
    """A job ended while an ordinary task blocked the main thread."""
    prelude = f"{scheduler(luigid)}\n{BUSY}"
    with started(1, tasks=0, program=PROGRAM, prelude=prelude) as process:
        process.read_until("blocks")
        process.read_until("is SUCCEEDED")
        process.program.send_signal(number)
        assert process.end() == -number
        assert re.search(
            r"Informed scheduler that task\s+Marked\S+ +has status +DONE", process.output
        )
        assert "continued" not in process.output
    assert len(list(Path.cwd().glob("Marked*.done"))) == 1
    assert len(aws.local.ledger.submissions) == 1


@pytest.mark.timeout(60)
def test_results_that_luigid_does_not_take_are_logged(aws: Aws, luigid: Luigid) -> None:
    prelude = f"{use(luigid)}\n{BUSY}\n_leaving.REPORTING_SECONDS = 1.0"
    with started(1, tasks=0, program=PROGRAM, prelude=prelude) as process:
        process.read_until("blocks")
        process.read_until("is SUCCEEDED")
        luigid.kill()
        process.program.send_signal(signal.SIGINT)
        assert process.end() == -signal.SIGINT
        assert process.output.count("Results of 1 tasks not reported to Luigi's scheduler") == 1
    assert len(list(Path.cwd().glob("Marked*.done"))) == 1  # its callback ran all the same


SLOW_CALLBACK = "tasks += [Slow(name='ended'), Blocking()]"


@pytest.mark.timeout(60)
def test_second_ctrl_c_leaves_at_once(aws: Aws) -> None:
    """In a callback of the user, which would never return."""
    prelude = f"_signals._SAME_EVENT_SECONDS = 0.0\n{SLOW_CALLBACK}"
    with started(1, tasks=0, program=PROGRAM, prelude=prelude) as process:
        process.read_until("blocks")
        process.read_until("is SUCCEEDED")
        process.program.send_signal(signal.SIGINT)
        process.read_until("callback")
        process.program.send_signal(signal.SIGINT)
        assert process.end() == -signal.SIGINT


@pytest.mark.timeout(60)
def test_callback_that_never_returns_is_interrupted_at_the_time_limit(aws: Aws) -> None:
    prelude = f"_bridge.GRACE = 1.0\n{SLOW_CALLBACK}"
    with started(1, tasks=0, program=PROGRAM, prelude=prelude) as process:
        process.read_until("blocks")
        process.read_until("is SUCCEEDED")
        process.program.send_signal(signal.SIGTERM)
        assert process.end() == -signal.SIGTERM
        assert "callback" in process.output
