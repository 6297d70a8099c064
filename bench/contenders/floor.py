"""The floor: a minimal poller that describes 100 jobs with each call.

It submits at the quota, polls all live jobs once a second, and handles no errors.
"""

import asyncio
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from bench.work import JOB_DEFINITION, QUEUE, Recorder, Work

QUOTA = 50.0  # SubmitJob and DescribeJobs calls a second
_PASS = 1.0  # seconds from the start of a pass to the next one
_ENDED = {"SUCCEEDED", "FAILED"}


async def follow(work: Work, recorder: Recorder, session: Any = None) -> None:  # noqa: ANN401 (aiobotocore has no types)
    """Submit the jobs and follow them to their end, or for as long as they are held."""
    config = AioConfig(retries={"total_max_attempts": 1}, max_pool_connections=50)
    async with (session or get_session()).create_client("batch", config=config) as batch:
        live: set[str] = set()
        async with asyncio.TaskGroup() as group:
            submitting = group.create_task(submit_all(batch, work, live))
            polling = group.create_task(poll(batch, work, live, submitting, recorder))
            if work.hold is not None:
                await submitting
                spent = recorder.cpu()
                await asyncio.sleep(work.hold)
                recorder.figure("held_cpu_s", recorder.cpu() - spent)
                polling.cancel()


async def submit_all(batch: Any, work: Work, live: set[str]) -> None:  # noqa: ANN401 (as follow)
    """Send the submissions evenly spaced, without waiting for responses."""

    async def submit(name: str) -> None:
        array = {"arrayProperties": {"size": work.jobs}} if work.array else {}
        response = await batch.submit_job(
            jobName=name, jobQueue=QUEUE, jobDefinition=JOB_DEFINITION, **array
        )
        live.add(response["jobId"])

    loop = asyncio.get_running_loop()
    started, pace = loop.time(), work.submit_per_second or QUOTA
    async with asyncio.TaskGroup() as group:
        for number in range(1 if work.array else work.jobs):
            await asyncio.sleep(started + number / pace - loop.time())
            group.create_task(submit(f"job-{number}"))


async def poll(
    batch: Any,  # noqa: ANN401 (as follow)
    work: Work,
    live: set[str],
    submitting: "asyncio.Task[None]",
    recorder: Recorder,
) -> None:
    """Poll all live jobs until none is left."""
    loop = asyncio.get_running_loop()
    while live or not submitting.done():
        next_pass = loop.time() + _PASS
        followed = list(live)
        for first in range(0, len(followed), 100):
            response = await batch.describe_jobs(jobs=followed[first : first + 100])
            for job in response["jobs"]:
                if job["status"] in _ENDED:
                    recorder.ended(job["jobId"])
                    live.discard(job["jobId"])
            await asyncio.sleep(1 / (work.status_per_second or QUOTA))
        await asyncio.sleep(next_pass - loop.time())


def main() -> None:
    """Do the work that the environment describes."""
    work = Work.from_environment()
    asyncio.run(follow(work, Recorder(work.records)))


if __name__ == "__main__":
    main()
