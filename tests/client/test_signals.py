"""Ctrl-C and SIGTERM in real programs: blocks close, jobs continue, one message names them."""

import re
import signal
import tempfile
import threading
from pathlib import Path

import pytest

from asyncbatch import AsyncBatchClient, stop_on_sigterm
from asyncbatch.local import LocalBatch, ScriptedExecutor
from tests.fixtures.programs import launcher

pytestmark = pytest.mark.timeout(60)

# The engine stands for AWS, but runs in the program: its jobs continue while the program runs.
PROGRAM = """
import asyncio
import signal
from asyncbatch import AsyncBatchClient, JobRequest, stop_on_sigterm
from asyncbatch.local import LocalBatch, Script, ScriptedExecutor

HELLO = {{
    "jobDefinitionName": "hello",
    "type": "container",
    "containerProperties": {{"image": "any", "vcpus": 1, "memory": 64, "command": ["x"]}},
}}

async def work(local):
    async with AsyncBatchClient(session=local.session, journal={journal!r}) as batch:
        await batch.register_job_definition(HELLO)
        {body}

async def main():
    async with LocalBatch(executor=ScriptedExecutor(Script(duration=None)), vcpus=99) as local:
        local.session.jobs_outlive_program = True
        try:
            {around}
        finally:
            print("alive", await alive(local), flush=True)

async def alive(local):
    async with local.session.create_client("batch") as raw:
        ids = [job.job_id for job in local.ledger.submissions]
        jobs = (await raw.describe_jobs(jobs=ids))["jobs"] if ids else []
        return sum(not job.get("isTerminated") for job in jobs)

# A shell starts what it runs in the background with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(main())
print("went on", flush=True)
"""
FOLLOW = """
        jobs = await batch.submit_many(JobRequest("hello") for _ in range({count}))
        print("ready", flush=True)
        async for job in batch.as_completed(jobs):
            pass
"""
GROUP = """
        async with batch.job_group(on_error={on_error!r}) as group:
            await group.submit_many(JobRequest("hello") for _ in range(3))
            print("ready", flush=True)
"""
STUBBORN = """
        try:
            print("ready", flush=True)
            await asyncio.Event().wait()
        finally:
            print("cleaning", flush=True)
            await asyncio.Event().wait()
"""
PLAIN = "await work(local)"
STOPPED = """
            with stop_on_sigterm():
                await work(local)
"""


class Program:
    """A Python program that has printed that it is ready."""

    def __init__(self, body: str, around: str = STOPPED, *, journal: str | None = None) -> None:
        code = PROGRAM.format(body=body.strip(), around=around.strip(), journal=journal)
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed by `end`
        self._program = launcher(("asyncbatch.local",)).start(code, stderr=self._errors)
        self.output = self.errors = ""
        self.wait_for("ready")

    def wait_for(self, word: str) -> None:
        """Read its output up to a line."""
        while word not in (line := self._program.stdout.readline()):
            if not line:
                self.end()
                raise AssertionError(self.errors)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        self._program.send_signal(number)

    def end(self) -> int:
        """Wait for its end and return its exit code, negative for a signal."""
        self.output = self._program.read_all()
        with self._errors:
            self._errors.seek(0)
            self.errors = self._errors.read()
        return self._program.wait()


SIGNALS = {signal.SIGINT: (PLAIN, -signal.SIGINT), signal.SIGTERM: (STOPPED, 143)}


@pytest.mark.parametrize("number", SIGNALS)
def test_stopped_program_leaves_its_jobs_and_logs_them_once(
    number: signal.Signals,
) -> None:
    around, code = SIGNALS[number]
    program = Program(FOLLOW.format(count=3), around)
    program.send(number)
    assert program.end() == code
    assert program.output == "alive 3\n"
    assert len(re.findall("3 jobs continue in AWS Batch", program.errors)) == 1
    assert len(re.findall(r"batch.attach\(\['[^\]]*'\]\)", program.errors)) == 1


async def test_stopped_program_with_a_journal_names_resume_and_has_written_it(
    tmp_path: Path,
) -> None:
    journal = str(tmp_path / "run.db")
    program = Program(FOLLOW.format(count=3), journal=journal)
    program.send(signal.SIGTERM)
    assert program.end() == 143
    assert "Follow again: await batch.resume(), with the same journal" in program.errors
    async with (
        LocalBatch(executor=ScriptedExecutor()) as local,
        AsyncBatchClient(session=local.session, journal=journal) as batch,
    ):
        jobs = await batch.resume()
    assert len(jobs) == 3
    assert all(job.id in program.errors for job in jobs)


def test_message_about_many_jobs_is_short() -> None:
    program = Program(FOLLOW.format(count=40))
    program.send(signal.SIGTERM)
    program.end()
    [message] = [line for line in program.errors.splitlines() if "continue in AWS Batch" in line]
    assert message.startswith("40 jobs continue")
    assert len(message) < 2_000


@pytest.mark.parametrize(("on_error", "alive"), [("terminate", 0), ("leave", 3)])
def test_group_terminates_its_jobs_on_sigterm(on_error: str, alive: int) -> None:
    program = Program(GROUP.format(on_error=on_error))
    program.send(signal.SIGTERM)
    assert program.end() == 143
    assert program.output == f"alive {alive}\n"
    assert ("3 jobs continue" in program.errors) == (on_error == "leave")


def test_second_sigterm_ends_the_program_at_once() -> None:
    program = Program(STUBBORN)
    program.send(signal.SIGTERM)
    program.wait_for("cleaning")
    program.send(signal.SIGTERM)
    assert program.end() == -signal.SIGTERM


# -- in this process -------------------------------------------------------------------------------


async def test_sigterm_has_its_default_action_after_the_block() -> None:
    with stop_on_sigterm():
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_existing_sigterm_handler_raises() -> None:
    def own(*_: object) -> None:
        raise AssertionError

    signal.signal(signal.SIGTERM, own)
    try:
        with pytest.raises(RuntimeError, match="already"), stop_on_sigterm():
            raise AssertionError
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_stop_on_sigterm_outside_the_main_thread_raises() -> None:
    found: list[str] = []

    def elsewhere() -> None:
        import asyncio

        async def use() -> None:
            with stop_on_sigterm():
                raise AssertionError

        try:
            asyncio.run(use())
        except RuntimeError as error:
            found.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert len(found) == 1
    assert "main thread" in found[0]
