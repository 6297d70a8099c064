"""Print the logs of several jobs while they run, merged into one stream.

Shows `AsyncBatchClient.logs`, which yields each line once and in the order of its job until all
jobs have ended, and the last log lines that `JobFailed` carries.

Run it without an AWS account, from the root of the repository:

    python -m examples.live_logs

`examples/account.py` explains how to run it on AWS.
"""

import asyncio

from asyncbatch import AsyncBatchClient, JobFailed, JobRequest
from examples.account import DEFINITION, LOGS, QUEUE, account

TRAINING = ["sh", "-c", 'for epoch in 1 2 3; do echo "epoch $epoch of 3"; sleep 1; done']
BROKEN = ["sh", "-c", "echo 'reading input.csv'; echo 'input.csv is empty'; exit 2"]


async def main() -> None:
    """Follow the logs of three jobs, then handle the one that failed."""
    async with AsyncBatchClient(logs=LOGS) as batch:
        jobs = await batch.submit_many(
            [
                JobRequest(DEFINITION, queue=QUEUE, name="train-a", command=TRAINING),
                JobRequest(DEFINITION, queue=QUEUE, name="train-b", command=TRAINING),
                JobRequest(DEFINITION, queue=QUEUE, name="broken", command=BROKEN),
            ]
        )
        names = {job.id: job.name for job in jobs}
        async for event in batch.logs(jobs):
            print(f"{names[event.job_id]:>7} | {event.message}")

        for job in jobs:
            try:
                await job
            except JobFailed as error:
                print(f"{job.name} failed with exit code {error.exit_code}")
                print(f"its last line was: {error.log_tail[-1].message}")


if __name__ == "__main__":
    with account():
        asyncio.run(main())
