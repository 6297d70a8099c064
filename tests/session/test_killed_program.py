"""`kill -9` of a real program at a real endpoint; then the same program runs again.

The tests wait for no fixed time: the program prints the id of each job that AWS has accepted, and
is killed after some of them.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from asyncbatch import AsyncBatchClient
from asyncbatch.local import Fault, LocalBatch, Script, ScriptedExecutor
from tests.fixtures.bench import DEFINITION

PROGRAM = """
import asyncio, sys
from asyncbatch import AsyncBatchClient, JobRequest, JobSubmitted

def print_id(event):
    if isinstance(event, JobSubmitted):
        print(event.job_id, flush=True)

async def main():
    requests = [JobRequest("hello", parameters={"n": n // 2}) for n in range(40)]
    async with AsyncBatchClient(journal=sys.argv[1], observers=[print_id]) as batch:
        results = await batch.run(requests)
        print("all", len({result.job_id for result in results}), flush=True)

asyncio.run(main())
"""


async def start(journal: Path, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        journal,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("printed", [1, 15])
async def test_killed_program_completes_its_work_when_run_again(
    tmp_path: Path, printed: int
) -> None:
    executor = ScriptedExecutor(Script(startup=0.01, duration=0.1))
    async with (
        LocalBatch(vcpus=100, executor=executor, seed=printed) as local,
        local.serve() as door,
    ):
        async with AsyncBatchClient(session=local.session) as batch:
            await batch.register_job_definition(DEFINITION)
        local.faults.add("SubmitJob", Fault.latency(0.05))
        program = await start(tmp_path / "run.db", door.environment)
        assert program.stdout is not None
        for _ in range(printed):
            assert await program.stdout.readline()
        program.send_signal(signal.SIGKILL)
        await program.communicate()
        before = len(local.ledger.submissions)
        assert printed <= before < 40
        again = await start(tmp_path / "run.db", door.environment)
        output, _ = await again.communicate()
        lines = output.decode().split("\n")
        assert lines[-2] == "all 40"
        assert len({job.job_id for job in local.ledger.submissions}) == 40
        assert len(local.ledger.submissions) == 40
