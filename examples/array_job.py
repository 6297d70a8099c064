"""Run 12 equal jobs as one array job.

Shows `submit_array`, the counts of an `ArrayJob`, and how to find the children that failed and read
the log of one of them. One call submits up to 10,000 children, and one id follows all of them.

Run it without an AWS account, from the root of the repository:

    python -m examples.array_job

`examples/account.py` explains how to run it on AWS.
"""

import asyncio

from asyncbatch import AsyncBatchClient, JobFailed, JobRequest
from examples.account import DEFINITION, LOGS, QUEUE, account

# AWS Batch gives each child its index, 0 to 11, in this variable.
COMMAND = [
    "sh",
    "-c",
    'echo "tile $AWS_BATCH_JOB_ARRAY_INDEX"; test $AWS_BATCH_JOB_ARRAY_INDEX != 7',
]


async def main() -> None:
    """Run the array and print which children failed."""
    request = JobRequest(DEFINITION, queue=QUEUE, name="tiles", command=COMMAND)
    async with AsyncBatchClient(logs=LOGS) as batch:
        array = await batch.submit_array(request, size=12)
        try:
            await array
        except JobFailed as error:
            print(error)

        counts = {str(status): count for status, count in array.counts.items() if count}
        print(f"{len(array)} children: {counts}")
        for child in await array.failed_children():
            print(f"log of {child.id}:", [event.message async for event in child.logs()])


if __name__ == "__main__":
    with account():
        asyncio.run(main())
