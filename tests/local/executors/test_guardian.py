"""No process outlives the engine, whatever happens to it. Linux tells best: pidfds end waiting."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pidfds are Linux's")

DEADLINE = 3.0  # seconds within which everything is gone

ENGINE = """
import asyncio, contextlib, os
from asyncbatch.local import LocalBatch

SCRIPTS = {
    "plain": "echo pid $$; exec sleep 1000",
    "deaf": "trap '' TERM; echo pid $$; while :; do sleep 0.05; done",
    "daemon": "setsid sh -c 'echo pid $$; exec nohup sleep 1000' & echo pid $$; exec sleep 1000",
    "family": "sh -c 'echo pid $$; exec sleep 1000' & echo pid $$; wait",
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
            answer = await logs.filter_log_events(logGroupName="/aws/batch/job")
            found = [event["message"].split()[1] for event in answer["events"]]
    return found

async def main():
    async with LocalBatch(vcpus=8) as local:
        create = local.session.create_client
        async with create("batch") as batch, create("logs") as logs:
            for name, script in SCRIPTS.items():
                await start(batch, name, script)
            print(*await pids(logs), flush=True)
            {ending}

asyncio.run(main())
"""


@contextmanager
def engine(ending: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Start an engine whose jobs run; yield it and their processes, each as a pidfd."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", ENGINE.replace("{ending}", ending)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    watched: list[int] = []
    try:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 6
        watched = [os.pidfd_open(pid) for pid in pids]
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


def test_nothing_outlives_an_engine_that_was_killed() -> None:
    """SIGKILL leaves the engine no chance; jobs that ignore SIGTERM and daemons end as well."""
    with engine("await asyncio.Event().wait()") as (process, jobs):
        process.kill()
        assert all_end(jobs)


def test_nothing_outlives_an_engine_whose_process_just_exits() -> None:
    with engine("os._exit(1)") as (process, jobs):
        assert process.wait(DEADLINE) == 1
        assert all_end(jobs)


def test_a_fork_that_keeps_the_sockets_does_not_keep_the_jobs() -> None:
    """Workers are forked from programs that run an engine, and inherit its end of the socket."""
    inherited = """
            for descriptor in map(int, os.listdir("/proc/self/fd")):
                if descriptor > 2:
                    with contextlib.suppress(OSError):  # the one that listed them
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


def test_a_terminals_interrupt_reaches_the_engine_only() -> None:
    """The engine's process group gets SIGINT; the jobs end because the engine closes."""
    with engine("await asyncio.Event().wait()") as (process, jobs):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(10)
        assert all_end(jobs)
