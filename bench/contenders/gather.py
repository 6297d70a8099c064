"""Everything at once: `asyncio.gather` over all submissions, throttling left to the SDK's retries.

Its status calls are those of the floor.
"""

import asyncio
from typing import Any

from aiobotocore.session import get_session

from bench.contenders.floor import poll
from bench.work import JOB_DEFINITION, QUEUE, News, Work


async def follow(work: Work, news: News) -> None:
    """Submit the jobs, all at once, and follow those that were accepted to their ends."""
    async with get_session().create_client("batch") as batch:
        live: set[str] = set()
        async with asyncio.TaskGroup() as group:
            submitting = group.create_task(_submit_all(batch, work, live))
            group.create_task(poll(batch, work, live, submitting, news))


async def _submit_all(batch: Any, work: Work, live: set[str]) -> None:  # noqa: ANN401 (aiobotocore has no types)
    async def submit(name: str) -> None:
        answer = await batch.submit_job(jobName=name, jobQueue=QUEUE, jobDefinition=JOB_DEFINITION)
        live.add(answer["jobId"])

    names = [f"job-{number}" for number in range(work.jobs)]
    await asyncio.gather(*map(submit, names), return_exceptions=True)


def main() -> None:
    """Do the work that the environment names."""
    work = Work.from_environment()
    asyncio.run(follow(work, News(work.news)))


if __name__ == "__main__":
    main()
