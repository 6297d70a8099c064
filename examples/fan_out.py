"""Submit 40 jobs at once and handle each result as soon as the job has ended.

Shows `submit_many`, `as_completed` and results of failed jobs. One client follows all jobs: 100
jobs cost one DescribeJobs call, and calls are paced below the quotas of AWS.

Run it without an AWS account, from the root of the repository:

    python -m examples.fan_out

`examples/account.py` explains how to run it on AWS.
"""

import asyncio

from asyncbatch import AsyncBatchClient, JobRequest
from examples.account import DEFINITION, LOGS, QUEUE, account

# Each job sleeps for 0 to 2 seconds; part 13 fails.
COMMAND = ["sh", "-c", 'sleep $((PART % 3)); test "$PART" != 13']


def request(part: int) -> JobRequest:
    """Describe the job that processes one part."""
    return JobRequest(
        DEFINITION, queue=QUEUE, name=f"part-{part}", command=COMMAND, environment={"PART": part}
    )


async def main() -> None:
    """Run all jobs and print how they ended."""
    async with AsyncBatchClient(logs=LOGS) as batch:
        jobs = await batch.submit_many(request(part) for part in range(40))
        print(f"{len(jobs)} jobs submitted")
        succeeded = 0
        async for job in batch.as_completed(jobs):
            # check=False returns the result of a failed job instead of raising JobFailed.
            result = await job.result(check=False)
            succeeded += result.succeeded
            if not result.succeeded:
                print(f"{result.name} failed with exit code {result.exit_code}")
        print(f"{succeeded} jobs succeeded")


if __name__ == "__main__":
    with account():
        asyncio.run(main())
