"""ProcessExecutor runs commands. The tests wait for output of the commands, never for time."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from asyncbatch.local import Exit, Launch, LocalBatch, ProcessExecutor
from asyncbatch.local._engine.ids import IdMaker
from asyncbatch.local._time.clock import LoopClock
from tests.local.harness import open_engine

DEFAULT_VARIABLES = {"AWS_BATCH_JOB_ID": "job-1"}


class RecordedEvents:
    """`AttemptEvents` that record what is reported and can be awaited."""

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

    def exited(self, exit: Exit) -> None:  # noqa: A002 (the name in `AttemptEvents`)
        self._exit.set_result(exit)

    async def wait_for_line(self, message: str | None = None) -> None:
        """Wait until a line is reported; by default, until any line is."""
        while message not in self.lines and (message is not None or not self.lines):
            self._changed.clear()
            await self._changed.wait()

    async def ended(self) -> Exit:
        """Wait for the exit."""
        return await asyncio.shield(self._exit)


def launch(*command: str, **environment: str) -> Launch:
    """Return the launch of a command."""
    return Launch(
        id=environment.get("AWS_BATCH_JOB_ID", "job-1"),
        name="job",
        queue="default",
        job_definition="task",
        attempt=1,
        array_index=None,
        command=command,
        environment={**DEFAULT_VARIABLES, **environment},
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


async def run(*command: str, **environment: str) -> tuple[RecordedEvents, Exit]:
    """Run a command to its end."""
    async with opened() as executor:
        events = RecordedEvents()
        executor.start(launch(*command, **environment), events)
        return events, await events.ended()


async def test_output_and_exit_code_come_from_the_command() -> None:
    events, ended = await run("sh", "-c", "echo out; echo err >&2; printf tail; exit 3")
    assert events.lines == ["out", "err", "tail"]
    assert events.starts == 1
    assert ended == Exit(exit_code=3)
    assert ended.status_reason == "Essential container in task exited"


async def test_lines_arrive_while_the_command_runs() -> None:
    """The command ends only after its first line has arrived."""
    async with opened() as executor:
        events = RecordedEvents()
        executor.start(
            launch("sh", "-c", 'echo $$; trap "exit 0" USR1; while :; do sleep 0.01; done'), events
        )
        while not events.lines:
            await events._changed.wait()
            events._changed.clear()
        pid = int(events.lines[0])
        # If the shell has not set its trap yet, USR1 kills it.
        os.kill(pid, signal.SIGUSR1)
        assert (await events.ended()).exit_code in {0, 128 + signal.SIGUSR1}


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
async def test_a_command_that_cannot_start_fails_with_dockers_reason(
    command: list[str], code: int | None, reason: str
) -> None:
    events, ended = await run(*command)
    assert events.starts == 0
    assert ended.exit_code == code
    assert ended.status_reason == "Task failed to start"
    assert ended.reason is not None
    assert ended.reason.startswith("CannotStartContainerError" if command else "CannotCreate")
    assert reason in ended.reason


async def test_a_command_inherits_a_small_environment_without_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("SOMETHING_ELSE", "private")
    async with opened(environment={"SHARED": "yes", "MINE": "no"}) as executor:
        events = RecordedEvents()
        executor.start(launch("env", MINE="yes"), events)
        await events.ended()
    variables = dict(line.split("=", 1) for line in events.lines if "=" in line)
    assert variables["PATH"] == os.environ["PATH"]
    assert (variables["SHARED"], variables["MINE"]) == ("yes", "yes")
    assert variables["AWS_BATCH_JOB_ID"] == "job-1"
    assert "secret" not in variables.values()
    assert "SOMETHING_ELSE" not in variables


async def test_commands_start_in_the_given_directory(tmp_path: Path) -> None:
    async with opened(directory=tmp_path) as executor:
        events = RecordedEvents()
        executor.start(launch("pwd"), events)
        await events.ended()
    assert events.lines == [str(tmp_path)]


async def test_a_directory_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    async with opened(directory=tmp_path / "none") as executor:
        events = RecordedEvents()
        executor.start(launch("pwd"), events)
        ended = await events.ended()
    assert ended.exit_code == 126
    assert ended.reason is not None
    assert str(tmp_path / "none") in ended.reason


async def test_each_attempt_has_a_directory_of_its_own_that_is_removed_at_the_end() -> None:
    async with opened() as executor:
        directories: list[Path] = []
        for job_id in ("job-1", "job-1:0"):
            events = RecordedEvents()
            ls = "pwd; ls -A; touch file"
            executor.start(launch("sh", "-c", ls, AWS_BATCH_JOB_ID=job_id), events)
            await events.ended()
            directories += map(Path, events.lines)
        # No list contains a file: each directory was empty.
        assert [path.name for path in directories] == ["job-1-1", "job-1-0-1"]
        assert all((path / "file").exists() for path in directories)
        assert directories[0].stat().st_mode & 0o777 == 0o700
    assert not any(path.exists() for path in directories)
    assert not directories[0].parent.exists()


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """Return a directory that a job links to, and check that it stays what it was."""
    tmp_path.joinpath("kept").touch()
    tmp_path.chmod(0o500)
    yield tmp_path
    assert tmp_path.joinpath("kept").exists()
    assert tmp_path.stat().st_mode & 0o777 == 0o500
    tmp_path.chmod(0o700)


async def test_directories_are_removed_whatever_their_permissions(outside: Path) -> None:
    """And nothing outside of them is changed."""
    script = f"mkdir -p a/b c; touch a/b/file; ln -s {outside} link; chmod 500 a/b; chmod 0 c; pwd"
    events, _ = await run("sh", "-c", script)
    assert not Path(events.lines[0]).parent.exists()


async def test_directories_are_removed_after_the_guardian_was_killed() -> None:
    async with opened() as executor:
        events = RecordedEvents()
        executor.start(launch("sh", "-c", "pwd; kill -KILL $PPID; exec sleep 1000"), events)
        await events.ended()
    assert not Path(events.lines[0]).parent.exists()


async def test_stop_sends_sigterm_to_the_whole_process_group() -> None:
    script = (
        "sh -c 'trap \"echo child; exit 0\" TERM; echo up; while :; do sleep 0.01; done' & wait"
    )
    async with opened() as executor:
        events = RecordedEvents()
        process = executor.start(launch("sh", "-c", f'trap "wait; exit 5" TERM; {script}'), events)
        await events.wait_for_line("up")
        process.stop(grace=3600)
        assert (await events.ended()).exit_code == 5
    assert "child" in events.lines  # the shell may report its own `sleep` as well


async def test_stop_kills_a_command_that_ignores_sigterm_after_the_grace_period() -> None:
    async with opened() as executor:
        events = RecordedEvents()
        script = 'trap "" TERM; echo up; while :; do sleep 0.01; done'
        process = executor.start(launch("sh", "-c", script), events)
        await events.wait_for_line("up")
        process.stop(grace=0)
        assert (await events.ended()).exit_code == 137


async def test_stop_kills_a_command_that_closes_its_output_instead_of_ending() -> None:
    async with opened() as executor:
        events = RecordedEvents()
        script = 'trap "exec >&- 2>&-" TERM; echo up; while :; do sleep 0.01; done'
        process = executor.start(launch("sh", "-c", script), events)
        await events.wait_for_line("up")
        process.stop(grace=0.2)
        assert (await events.ended()).exit_code == 137


async def test_a_second_stop_does_not_postpone_the_kill() -> None:
    async with opened() as executor:
        events = RecordedEvents()
        script = 'trap "" TERM; echo up; while :; do sleep 0.01; done'
        process = executor.start(launch("sh", "-c", script), events)
        await events.wait_for_line("up")
        process.stop(grace=0)
        process.stop(grace=3600)
        assert (await events.ended()).exit_code == 137


async def test_the_exit_of_a_command_ends_all_its_descendants() -> None:
    """As in a container: background children, in another session or environment, and orphans."""
    starts = ["{} &", "({} &)"]
    if sys.platform == "linux":  # elsewhere, only the process group is known
        starts += ["setsid {} &", "(setsid {} &)", "(env -i setsid {} &)"]
    lines = ["echo 'echo $$ > $1; exec sleep 1000' > child"]
    for number, start in enumerate(starts):
        fifo = f"fifo{number}"
        lines += [f"mkfifo {fifo}", start.format(f"sh child {fifo}"), f"read pid < {fifo}"]
        lines.append("echo $pid")
    async with opened() as executor:
        events = RecordedEvents()
        executor.start(launch("sh", "-c", "\n".join(lines)), events)
        assert (await events.ended()).exit_code == 0
        assert len(events.lines) == len(starts)
        for pid in map(int, events.lines):
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


async def test_the_exit_of_a_command_does_not_end_the_descendants_of_others() -> None:
    async with opened() as executor:
        events, other = RecordedEvents(), RecordedEvents()
        daemon = "mkfifo up; (setsid sh -c 'echo $$ > up; exec sleep 1000' &); read pid < up"
        script = f"{daemon}; echo $pid; exec sleep 1000"
        executor.start(launch("sh", "-c", script), events)
        await events.wait_for_line()
        executor.start(launch("true", AWS_BATCH_JOB_ID="job-2"), other)
        await other.ended()
        os.kill(int(events.lines[0]), 0)


async def test_large_output_is_complete() -> None:
    code = "for number in range(20000): print(number, 'x' * 50)"
    events, ended = await run(sys.executable, "-c", code)
    assert ended.exit_code == 0
    assert [line.split()[0] for line in events.lines] == [str(n) for n in range(20_000)]


async def test_large_output_is_bounded() -> None:
    code = "for number in range(20000): print(number, 'x' * 50)"
    async with opened(output_limit=100_000) as executor:
        events = RecordedEvents()
        executor.start(launch(sys.executable, "-c", code), events)
        await events.ended()
    assert len(events.lines) < 10_000
    assert events.lines[-1].startswith("19999 ")
    assert sum("dropped by the local AWS Batch" in line for line in events.lines) == 1


async def test_aclose_ends_running_commands_and_waits_for_their_exits() -> None:
    async with opened(exit_grace=0.05) as executor:
        events = [RecordedEvents(), RecordedEvents()]
        script = 'trap "" TERM; echo up; while :; do sleep 0.01; done'
        executor.start(launch("sh", "-c", script), events[0])
        second = {"AWS_BATCH_JOB_ID": "job-2"}
        executor.start(launch("sh", "-c", "echo up; exec sleep 1000", **second), events[1])
        for one in events:
            await one.wait_for_line("up")
    assert [(await one.ended()).exit_code for one in events] == [137, 143]


async def test_a_killed_guardian_is_reported_as_a_lost_host() -> None:
    async with opened() as executor:
        events = RecordedEvents()
        executor.start(launch("sh", "-c", "echo $PPID; exec sleep 1000"), events)
        while not events.lines:
            await events._changed.wait()
            events._changed.clear()
        os.kill(int(events.lines[0]), signal.SIGKILL)
        ended = await events.ended()
        with pytest.raises(RuntimeError, match="guardian process of ProcessExecutor was killed"):
            executor.start(launch("true"), RecordedEvents())
    assert ended.exit_code is None
    assert ended.status_reason == "Host EC2 (instance i-local) terminated."


async def test_start_without_open_raises() -> None:
    with pytest.raises(RuntimeError, match="ProcessExecutor is not open"):
        ProcessExecutor().start(launch("true"), RecordedEvents())


async def test_the_engine_runs_commands_and_logs_its_limitations(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, logger="asyncbatch.local"):
        async with open_engine(executor=ProcessExecutor()) as engine:
            await engine.define(
                container={"command": ["sh", "-c", "echo Ref::word $AWS_BATCH_JOB_ARRAY_INDEX"]},
                parameters={"word": "index"},
            )
            parent = await engine.submit(arrayProperties={"size": 3})
            await engine.ended(parent, every=0.01)
            child = await engine.job(f"{parent}:2")
            messages = await engine.messages(child["container"]["logStreamName"])
            notice = engine.local.notice
    assert messages == ["index 2"]
    assert child["container"]["exitCode"] == 0
    assert [record.getMessage() for record in caplog.records] == [notice]
    assert "no container" in notice


async def test_local_batch_can_be_opened_once_only() -> None:
    local = LocalBatch()
    with pytest.raises(RuntimeError, match="Use `async with LocalBatch"):
        _ = local.session
    async with local:
        with pytest.raises(RuntimeError, match="opened before"):
            await local.open()
