"""No process outlives the engine, however the engine ends.

The tests wait for processes with pidfds, which only Linux has.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pidfds exist on Linux only")

DEADLINE = 3.0  # seconds within which all processes must have ended

ENGINE = """
import asyncio, contextlib, os, sys
from asyncbatch.local import LocalBatch

SCRIPTS = {
    "plain": "echo pid $$; exec sleep 1000",
    "ignores-sigterm": "trap '' TERM; echo pid $$; while :; do sleep 0.05; done",
    "daemon": "setsid sh -c 'echo pid $$; exec nohup sleep 1000' & echo pid $$; exec sleep 1000",
    "with-child": "sh -c 'echo pid $$; exec sleep 1000' & echo pid $$; wait",
}
PIDS = 6

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
    async with LocalBatch(vcpus=8) as local:
        create = local.session.create_client
        async with create("batch") as batch, create("logs") as logs:
            for name, script in SCRIPTS.items():
                await start(batch, name, script)
            print(*await pids(logs), flush=True)
            await asyncio.to_thread(sys.stdin.readline)  # until the test holds the pidfds
            {ending}

asyncio.run(main())
"""


@contextmanager
def engine(ending: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Start an engine with running jobs; yield its process and a pidfd of each job's process."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", ENGINE.replace("{ending}", ending)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    watched: list[int] = []
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 6
        watched = [os.pidfd_open(pid) for pid in pids]
        process.stdin.close()
        yield process, watched
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        for pidfd in watched:
            os.close(pidfd)


def all_end(pidfds: list[int]) -> bool:
    """Wait until all processes have ended, or the deadline has passed."""
    return all(select.select([pidfd], [], [], DEADLINE)[0] for pidfd in pidfds)


def test_no_process_outlives_an_engine_that_was_killed() -> None:
    """SIGKILL cannot be handled; jobs that ignore SIGTERM and daemons have to end as well."""
    with engine("await asyncio.Event().wait()") as (process, jobs):
        process.kill()
        assert all_end(jobs)


def test_no_process_outlives_an_engine_that_exits_without_closing() -> None:
    with engine("os._exit(1)") as (process, jobs):
        assert process.wait(DEADLINE) == 1
        assert all_end(jobs)


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
        assert process.stdout is not None
        assert process.stdout.readline() == "forked\n"
        process.kill()
        assert all_end(jobs)


def test_an_interrupt_from_the_terminal_reaches_only_the_engine() -> None:
    """The engine's process group gets SIGINT; the jobs end because the engine closes."""
    with engine("await asyncio.Event().wait()") as (process, jobs):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(10)
        assert all_end(jobs)
