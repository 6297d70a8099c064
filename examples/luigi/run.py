"""Run the three Luigi examples beside a local AWS Batch.

They are the usage examples of `luigi.contrib.batch`, with `asyncbatch_luigi` in its place. This
script starts `asyncbatch.local`, prepares the job queues and job definitions that the examples
name, and runs each of them as a program of its own, with the variables that lead it to the local
AWS Batch.

Run it without an AWS account, from the root of the repository:

    python -m examples.luigi.run
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

import anyio

from asyncbatch import AsyncBatchClient
from asyncbatch.local import LocalBatch

HERE = Path(__file__).parent
# The examples in their order, with the job queue that is created for them; the first takes the one
# that there is.
PROGRAMS = {"basic_usage": None, "custom_queue": "gpu-queue", "batch_client": "default-queue"}
# Job definitions, with the number of their revisions.
DEFINITIONS = {"etl_processor": 3, "ml_training_gpu": 1}


async def register_definitions(local: LocalBatch) -> None:
    """Register the job definitions that the examples name."""
    async with AsyncBatchClient(session=local.session) as batch:
        for name, revisions in DEFINITIONS.items():
            definition = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
            for _ in range(revisions):
                await batch.register_job_definition(definition, reuse=False)


async def create_queue(local: LocalBatch, name: str) -> None:
    """Create a job queue."""
    async with local.session.create_client("batch") as client:
        await client.create_job_queue(
            jobQueueName=name,
            priority=1,
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "local"}],
        )


async def main() -> None:
    """Run the examples one after the other, in an empty directory."""
    with tempfile.TemporaryDirectory() as directory:
        async with LocalBatch(vcpus=8) as local, local.serve() as door:
            await register_definitions(local)
            for program, queue in PROGRAMS.items():
                if queue is not None:
                    await create_queue(local, queue)
                print(f"-- {program}", flush=True)
                await anyio.run_process(
                    [sys.executable, str(HERE / f"{program}.py")],
                    cwd=directory,
                    env={**os.environ, **door.environment},
                    stdout=None,
                    stderr=None,
                )


if __name__ == "__main__":
    asyncio.run(main())
