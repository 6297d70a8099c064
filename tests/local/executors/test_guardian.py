"""No process outlives the engine, however the engine ends.

The tests wait for processes with pidfds, which only Linux has.
"""

import os
import select
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.fixtures.programs import Program, launcher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pidfds exist on Linux only")

WAIT = "await asyncio.Event().wait()"
DEADLINE = 3.0  # seconds within which all processes must have ended

ENGINE = """
import asyncio, contextlib, os, signal
from asyncbatch.local import LocalBatch

SCRIPTS = {
    "plain": "echo pid $$; exec sleep 1000",
    "ignores-sigterm": "trap '' TERM; echo pid $$; while :; do sleep 0.05; done",
    "daemon": "setsid sh -c 'echo pid $$; exec nohup sleep 1000' & echo pid $$; exec sleep 1000",
    "with-child": "sh -c 'echo pid $$; exec sleep 1000' & echo pid $$; wait",
    "cleared": "(env -i setsid sh -c 'echo pid $$; exec sleep 1000' &) ; exec sleep 1000",
}
PIDS = 7

async def start(batch, name, script):
    container = {"image": "any", "vcpus": 1, "memory": 4, "command": ["sh", "-c", script]}
    await batch.register_job_definition(
        jobDefinitionName=name, type="container", containerProperties=container
    )
    await batch.submit_job(jobName=name, jobQueue="default", jobDefinition=name)

async def pids(logs):
    found = []
    while len(found) < PIDS:
        await asyncio.sleep(0.01)
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            response = await logs.filter_log_events(logGroupName="/aws/batch/job")
            found = [event["message"].split()[1] for event in response["events"]]
    return found

async def main():
    is_watched = asyncio.Event()  # the test holds the pidfds
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, is_watched.set)
    async with LocalBatch(vcpus=8) as local:
        create = local.session.create_client
        async with create("batch") as batch, create("logs") as logs:
            for name, script in SCRIPTS.items():
                await start(batch, name, script)
            print(*await pids(logs), flush=True)
            print(local._executor._scratch, flush=True)
            await is_watched.wait()
            {ending}

asyncio.run(main())
"""


@contextmanager
def engine(ending: str = WAIT) -> Iterator[tuple[Program, "Jobs"]]:
    """Start an engine with running jobs; yield its process and the jobs' processes."""
    with Path(os.devnull).open("w") as devnull:
        program = launcher(("asyncbatch.local",)).start(
            ENGINE.replace("{ending}", ending), stderr=devnull
        )
    jobs: Jobs | None = None
    try:
        pids = [int(pid) for pid in program.stdout.readline().split()]
        assert len(pids) == 7
        jobs = Jobs(pids, Path(program.stdout.readline().strip()))
        program.send_signal(signal.SIGUSR1)
        yield program, jobs
    finally:
        program.kill()
        program.stdout.close()
        if jobs is not None:
            jobs.close()


class Jobs:
    """The processes of an engine's jobs.

    Attributes:
        guardian: Process id of the guardian.
        watcher: Process id of the guardian's watcher.
        directory: Where the jobs' working directories are.
    """

    def __init__(self, pids: list[int], directory: Path) -> None:
        self.directory = directory
        self.guardian = next(pid for pid in ancestors(pids[0]) if is_guardian(pid))
        self.watcher = parent(self.guardian)
        assert is_guardian(self.watcher)
        commands = [pid for pid in pids if parent(pid) == self.guardian]
        assert len(commands) >= 4
        self._commands = [os.pidfd_open(pid) for pid in commands]
        self._others = [os.pidfd_open(pid) for pid in pids if pid not in commands]
        self._guardians = [os.pidfd_open(pid) for pid in (self.guardian, self.watcher)]

    def all_end(self) -> bool:
        """Wait until all processes have ended, or the deadline has passed."""
        return all_end([*self._commands, *self._others, *self._guardians])

    def commands_end(self) -> bool:
        """Wait until the processes that the guardian started have ended."""
        return all_end(self._commands)

    def close(self) -> None:
        """Kill what has not ended."""
        for pidfd in (*self._commands, *self._others, *self._guardians):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        shutil.rmtree(self.directory, ignore_errors=True)


def all_end(pidfds: list[int]) -> bool:
    """Wait until all processes have ended, or the deadline has passed."""
    return all(select.select([pidfd], [], [], DEADLINE)[0] for pidfd in pidfds)


def parent(pid: int) -> int:
    """Return the parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def ancestors(pid: int) -> Iterator[int]:
    """Yield the parent of a process, its parent, and so on."""
    while pid := parent(pid):
        yield pid


def is_guardian(pid: int) -> bool:
    """Whether a process runs the guardian's script."""
    return "guardian.py" in Path(f"/proc/{pid}/cmdline").read_text()


def test_no_process_outlives_an_engine_that_was_killed() -> None:
    """SIGKILL cannot be handled; jobs that ignore SIGTERM and daemons have to end as well."""
    with engine() as (process, jobs):
        process.send_signal(signal.SIGKILL)
        assert jobs.all_end()
        assert not jobs.directory.exists()


@pytest.mark.parametrize(
    "killed",
    [
        ["guardian"],
        ["engine", "guardian"],
        ["guardian", "engine"],
        ["watcher"],
        ["engine", "watcher"],
    ],
    ids="+".join,
)
def test_no_process_outlives_a_guardian_that_was_killed(killed: list[str]) -> None:
    """Children of jobs included, with a session of their own and a cleared environment."""
    with engine() as (process, jobs):
        pids = {"engine": process.pid, "guardian": jobs.guardian, "watcher": jobs.watcher}
        for name in killed:
            os.kill(pids[name], signal.SIGKILL)
        assert jobs.all_end()
        assert not jobs.directory.exists()


def test_no_command_outlives_engine_guardian_and_watcher_that_were_killed() -> None:
    """The kernel kills the commands; nothing is left that could find their children."""
    with engine() as (process, jobs):
        for pid in (process.pid, jobs.watcher, jobs.guardian):
            os.kill(pid, signal.SIGKILL)
        assert jobs.commands_end()


def test_no_process_outlives_an_engine_that_exits_without_closing() -> None:
    with engine("os._exit(1)") as (process, jobs):
        assert process.wait() == 1
        assert jobs.all_end()


def test_a_forked_child_that_keeps_the_socket_open_does_not_keep_the_jobs() -> None:
    """A worker forked from a program with an engine inherits the engine's end of the socket."""
    inherited = """
            for descriptor in map(int, os.listdir("/proc/self/fd")):
                if descriptor > 2:
                    with contextlib.suppress(OSError):  # the descriptor of the listing itself
                        os.set_inheritable(descriptor, True)
            if os.fork() == 0:
                os.dup2(os.open(os.devnull, os.O_RDWR), 1)
                os.execvp("sleep", ["sleep", "4"])
            print("forked", flush=True)
            await asyncio.Event().wait()
    """
    with engine(inherited) as (process, jobs):
        assert process.stdout.readline() == "forked\n"
        process.send_signal(signal.SIGKILL)
        assert jobs.all_end()


def test_an_interrupt_from_the_terminal_reaches_only_the_engine() -> None:
    """The engine's process group gets SIGINT; the jobs end because the engine closes."""
    with engine() as (process, jobs):
        process.send_signal_to_all(signal.SIGINT)
        process.wait()
        assert jobs.all_end()
