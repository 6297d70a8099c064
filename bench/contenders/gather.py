"""`asyncio.gather` over all submissions; the SDK retries throttled calls.

It polls as the floor does.
"""

import asyncio
from typing import Any

from aiobotocore.session import get_session

from bench.contenders.floor import poll
from bench.work import JOB_DEFINITION, QUEUE, Recorder, Work


async def follow(work: Work, recorder: Recorder) -> None:
    """Submit all jobs at once, and follow those that were accepted to their end."""
    async with get_session().create_client("batch") as batch:
        live: set[str] = set()
        async with asyncio.TaskGroup() as group:
            submitting = group.create_task(_submit_all(batch, work, live))
            group.create_task(poll(batch, work, live, submitting, recorder))


async def _submit_all(batch: Any, work: Work, live: set[str]) -> None:  # noqa: ANN401 (aiobotocore has no types)
    async def submit(name: str) -> None:
        response = await batch.submit_job(
            jobName=name, jobQueue=QUEUE, jobDefinition=JOB_DEFINITION
        )
        live.add(response["jobId"])

    names = [f"job-{number}" for number in range(work.jobs)]
    await asyncio.gather(*map(submit, names), return_exceptions=True)


def main() -> None:
    """Do the work that the environment describes."""
    work = Work.from_environment()
    asyncio.run(follow(work, Recorder(work.records)))


if __name__ == "__main__":
    main()
