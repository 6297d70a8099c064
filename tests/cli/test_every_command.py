"""Every command as a process, against the HTTP endpoint of one local AWS Batch."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from asyncbatch import AsyncBatchClient
from asyncbatch._cli.app import COMMANDS
from asyncbatch.local import Launch, LocalBatch, Script, ScriptedExecutor
from tests.fixtures.bench import DEFINITION
from tests.fixtures.programs import Program, launcher

# The server is in this process, and reads models.
pytestmark = pytest.mark.may_block

MODULES = ("asyncbatch._cli.app", *(f"asyncbatch._cli.{row.module}" for row in COMMANDS))

# In this order, those of a group at the same time: arguments, exit code, and a part of what is
# printed on either stream. BAD stands for the id of a job that has FAILED, LONG for that of one
# that runs.
GROUPS: Sequence[Sequence[tuple[str, int, str]]] = (
    (
        ("submit hello --name bad --wait --json", 1, '"status": "FAILED"'),
        ("submit hello --name etl --follow", 0, "42 rows"),
        ("submit hello --name long", 0, "Submitted long ("),
        ("run jobs.csv --quiet", 1, "1 SUCCEEDED, 1 FAILED"),
    ),
    (
        ("resume jobs.csv.journal --json", 1, '"type":"summary"'),
        ("rerun BAD --wait", 1, "1 FAILED"),
        ("ls --json", 0, '"name": "long"'),
        ("show BAD", 0, "Exit code   3"),
        ("explain BAD", 0, "The job failed: exit code 3"),
        ("logs BAD", 0, "no such table"),
        ("watch BAD", 1, "1/1 jobs ended"),
        ("top", 2, "asyncbatch top needs a terminal."),
        ("wait BAD", 1, "FAILED"),
        ("cancel LONG --yes", 0, "Left as they are: 1 RUNNING"),
        ("queues", 0, "ENABLED"),
        ("definitions", 0, "hello"),
        ("doctor", 0, "credentials"),
    ),
    (
        ("report jobs.csv.journal", 0, "jobs.csv.journal.html: 2 jobs"),
        ("terminate LONG --yes", 0, "Terminated 1 job"),
    ),
)
# Their own tests start them as processes.
OTHERS = {"local", "demo"}


def script(launch: Launch) -> Script:
    if launch.name.startswith("bad"):
        return Script(exit_code=3, lines=[(0, "ERROR: no such table")], startup=0.01, duration=0.01)
    endless = launch.name == "long"
    lines = [(0.0, "42 rows")]
    return Script(lines=lines, startup=0.01, duration=None if endless else 0.01)


@asynccontextmanager
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncBatchClient]:
    """Serve a local AWS Batch to processes; yield a client of it."""
    executor = ScriptedExecutor(script)
    async with (
        LocalBatch(vcpus=100, executor=executor, seed=1) as local,
        local.serve() as door,
        AsyncBatchClient(session=local.session) as batch,
    ):
        await batch.register_job_definition(DEFINITION)
        for name, value in door.environment.items():
            monkeypatch.setenv(name, value)
        yield batch


def started(*arguments: str) -> Program:
    code = f"import sys; sys.argv = {['asyncbatch', *arguments]}; {MAIN}"
    return launcher(MODULES).start(code)


MAIN = "from asyncbatch._cli import main; main()"


async def finished(program: Program) -> tuple[int, str]:
    """Return the exit code of a program, and what it printed on both streams."""
    printed = await anyio.to_thread.run_sync(program.read_all)
    return program.wait(), printed


def test_table_has_every_command() -> None:
    assert {row[0].split()[0] for group in GROUPS for row in group} | OTHERS == {
        row.name for row in COMMANDS
    }


@pytest.mark.timeout(120)
async def test_every_command_runs_as_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "job_definition,name\nhello,good-1\nhello,bad-1\n"
    await anyio.Path("jobs.csv").write_text(rows)
    ids: dict[str, str] = {}

    async def run(line: str, code: int, words: str) -> None:
        ended = await finished(started(*(ids.get(word, word) for word in line.split())))
        assert (ended[0], words in ended[1]) == (code, True), f"{line}: {ended}"

    async with served(monkeypatch) as batch:
        for group in GROUPS:
            async with anyio.create_task_group() as tasks:
                for row in group:
                    tasks.start_soon(run, *row)
            ids |= {job.name.upper(): job.id for job in await batch.find() if not ids}
        await anyio.to_thread.run_sync(read_nothing)


def read_nothing() -> None:
    """Close the pipe of a command before it writes, as `head` does when it has read enough."""
    program = started("ls", "--all", "--json")
    program.stdout.close()
    assert program.wait() == 141


@pytest.mark.timeout(120)
async def test_shell_completes_names_of_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("_ASYNCBATCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("PYTHONPATH", "")
    completed = {}
    async with served(monkeypatch):
        for words, place in (("asyncbatch submit he", "2"), ("asyncbatch ls -q d", "3")):
            monkeypatch.setenv("COMP_WORDS", words)
            monkeypatch.setenv("COMP_CWORD", place)
            # The limit is for people; a busy machine of the tests may need longer.
            code = f"from asyncbatch._cli import completion; completion._LIMIT = 60; {MAIN}"
            program = launcher(MODULES).start(f"import sys; sys.argv = ['asyncbatch']; {code}")
            completed[words] = (await finished(program))[1].split()
    assert completed == {"asyncbatch submit he": ["hello"], "asyncbatch ls -q d": ["default"]}
