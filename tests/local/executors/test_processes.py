"""ProcessExecutor really runs commands. Tests wait for what a command says, never for time."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from asyncbatch.local import Exit, Launch, LocalBatch, ProcessExecutor
from asyncbatch.local._engine.ids import IdMaker
from asyncbatch.local._time.clock import LoopClock
from tests.local.harness import bench

MAIN_VARIABLES = {"AWS_BATCH_JOB_ID": "job-1"}


class Watched:
    """An attempt whose reports can be waited for."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.starts = 0
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._changed = asyncio.Event()

    def running(self) -> None:
        self.starts += 1
        self._changed.set()

    def line(self, message: str) -> None:
        self.lines.append(message)
        self._changed.set()

    def exited(self, exit: Exit) -> None:  # noqa: A002 (the protocol's name)
        self._exit.set_result(exit)

    async def said(self, message: str) -> None:
        """Wait until a line was written."""
        while message not in self.lines:
            self._changed.clear()
            await self._changed.wait()

    async def ended(self) -> Exit:
        """Wait for the end."""
        return await asyncio.shield(self._exit)


def launch(*command: str, **environment: str) -> Launch:
    """Return an attempt that runs a command."""
    return Launch(
        id=environment.get("AWS_BATCH_JOB_ID", "job-1"),
        name="job",
        queue="default",
        job_definition="task",
        attempt=1,
        array_index=None,
        command=command,
        environment={**MAIN_VARIABLES, **environment},
        parameters={},
        tags={},
        random=IdMaker(1).rng_for(1),
    )


@asynccontextmanager
async def opened(**options: object) -> AsyncIterator[ProcessExecutor]:
    """Open an executor."""
    executor = ProcessExecutor(**options)  # type: ignore[arg-type]
    await executor.open(LoopClock(asyncio.get_running_loop()))
    try:
        yield executor
    finally:
        await executor.aclose()


async def run(*command: str, **environment: str) -> tuple[Watched, Exit]:
    """Run a command to its end."""
    async with opened() as executor:
        watched = Watched()
        executor.start(launch(*command, **environment), watched)
        return watched, await watched.ended()


async def test_output_and_exit_code_are_the_commands_own() -> None:
    watched, ended = await run("sh", "-c", "echo out; echo err >&2; printf tail; exit 3")
    assert watched.lines == ["out", "err", "tail"]
    assert watched.starts == 1
    assert ended == Exit(exit_code=3)
    assert ended.status_reason == "Essential container in task exited"


async def test_lines_arrive_while_the_command_runs() -> None:
    """The command goes on only after its first line was seen."""
    async with opened() as executor:
        watched = Watched()
        executor.start(
            launch("sh", "-c", 'echo $$; trap "exit 0" USR1; while :; do sleep 0.01; done'), watched
        )
        while not watched.lines:
            await watched._changed.wait()
            watched._changed.clear()
        pid = int(watched.lines[0])
        # The shell may not have set its trap yet: USR1 then ends it as a signal does.
        os.kill(pid, signal.SIGUSR1)
        assert (await watched.ended()).exit_code in {0, 128 + signal.SIGUSR1}


async def test_a_signal_is_an_exit_code_above_128() -> None:
    _, ended = await run("sh", "-c", "kill -SEGV $$")
    assert ended.exit_code == 139


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        (["no-such-command"], 127, 'exec: "no-such-command": executable file not found in $PATH'),
        (["/etc/passwd"], 126, "Permission denied"),
        (["echo", "nul\0byte"], 126, "null byte"),
        ([], None, "no command specified"),
    ],
)
async def test_a_command_that_cannot_start_says_so_as_docker_does(
    command: list[str], code: int | None, reason: str
) -> None:
    watched, ended = await run(*command)
    assert watched.starts == 0
    assert ended.exit_code == code
    assert ended.status_reason == "Task failed to start"
    assert ended.reason is not None
    assert ended.reason.startswith("CannotStartContainerError" if command else "CannotCreate")
    assert reason in ended.reason


async def test_the_environment_is_small_and_holds_no_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("SOMETHING_ELSE", "private")
    async with opened(environment={"SHARED": "yes", "MINE": "no"}) as executor:
        watched = Watched()
        executor.start(launch("env", MINE="yes"), watched)
        await watched.ended()
    variables = dict(line.split("=", 1) for line in watched.lines if "=" in line)
    assert variables["PATH"] == os.environ["PATH"]
    assert (variables["SHARED"], variables["MINE"]) == ("yes", "yes")
    assert variables["AWS_BATCH_JOB_ID"] == "job-1"
    assert "secret" not in variables.values()
    assert "SOMETHING_ELSE" not in variables


async def test_commands_start_where_they_were_told(tmp_path: Path) -> None:
    async with opened(directory=tmp_path) as executor:
        watched = Watched()
        executor.start(launch("pwd"), watched)
        await watched.ended()
    assert watched.lines == [str(tmp_path)]


async def test_stop_sends_sigterm_to_the_whole_group() -> None:
    script = (
        "sh -c 'trap \"echo child; exit 0\" TERM; echo up; while :; do sleep 0.01; done' & wait"
    )
    async with opened() as executor:
        watched = Watched()
        process = executor.start(launch("sh", "-c", f'trap "wait; exit 5" TERM; {script}'), watched)
        await watched.said("up")
        process.stop(grace=3600)
        assert (await watched.ended()).exit_code == 5
    assert "child" in watched.lines  # the shell may also tell of its own `sleep`


async def test_what_ignores_sigterm_is_killed_after_its_grace() -> None:
    async with opened() as executor:
        watched = Watched()
        script = 'trap "" TERM; echo up; while :; do sleep 0.01; done'
        process = executor.start(launch("sh", "-c", script), watched)
        await watched.said("up")
        process.stop(grace=0)
        assert (await watched.ended()).exit_code == 137


async def test_the_end_of_a_command_ends_what_it_left_behind() -> None:
    """As the end of a container would: a child in the background, and one that left the group."""
    script = "setsid sleep 1000 & echo $!; sleep 1000 & echo $!; exit 0"
    watched, ended = await run("sh", "-c", script)
    assert ended.exit_code == 0
    assert len(watched.lines) == 2
    for pid in map(int, watched.lines):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_lot_of_output_is_complete() -> None:
    code = "for number in range(20000): print(number, 'x' * 50)"
    watched, ended = await run(sys.executable, "-c", code)
    assert ended.exit_code == 0
    assert [line.split()[0] for line in watched.lines] == [str(n) for n in range(20_000)]


async def test_closing_ends_what_runs_and_waits_for_it() -> None:
    async with opened(exit_grace=0.05) as executor:
        watched = [Watched(), Watched()]
        script = 'trap "" TERM; echo up; while :; do sleep 0.01; done'
        executor.start(launch("sh", "-c", script), watched[0])
        second = {"AWS_BATCH_JOB_ID": "job-2"}
        executor.start(launch("sh", "-c", "echo up; exec sleep 1000", **second), watched[1])
        for one in watched:
            await one.said("up")
    assert [(await one.ended()).exit_code for one in watched] == [137, 143]


async def test_the_loss_of_the_guardian_is_the_loss_of_the_host() -> None:
    async with opened() as executor:
        watched = Watched()
        executor.start(launch("sh", "-c", "echo $PPID; exec sleep 1000"), watched)
        while not watched.lines:
            await watched._changed.wait()
            watched._changed.clear()
        os.kill(int(watched.lines[0]), signal.SIGKILL)
        ended = await watched.ended()
        with pytest.raises(RuntimeError, match="guardian process of ProcessExecutor was killed"):
            executor.start(launch("true"), Watched())
    assert ended.exit_code is None
    assert ended.status_reason == "Host EC2 (instance i-local) terminated."


async def test_an_executor_must_be_open() -> None:
    with pytest.raises(RuntimeError, match="ProcessExecutor is not open"):
        ProcessExecutor().start(launch("true"), Watched())


async def test_the_engine_runs_commands_and_says_what_it_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, logger="asyncbatch.local"):
        async with bench(executor=ProcessExecutor()) as at:
            await at.define(
                container={"command": ["sh", "-c", "echo Ref::word $AWS_BATCH_JOB_ARRAY_INDEX"]},
                parameters={"word": "index"},
            )
            parent = await at.submit(arrayProperties={"size": 3})
            await at.ended(parent, every=0.01)
            child = await at.job(f"{parent}:2")
            messages = await at.messages(child["container"]["logStreamName"])
            notice = at.local.notice
    assert messages == ["index 2"]
    assert child["container"]["exitCode"] == 0
    assert [record.getMessage() for record in caplog.records] == [notice]
    assert "no container" in notice


async def test_an_engine_is_opened_once() -> None:
    local = LocalBatch()
    with pytest.raises(RuntimeError, match="Use `async with LocalBatch"):
        _ = local.session
    async with local:
        with pytest.raises(RuntimeError, match="opened before"):
            await local.open()
