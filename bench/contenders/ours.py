"""asyncbatch with its default settings."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asyncbatch import AsyncBatchClient, Event, JobFinished, JobRequest, RateLimits
from bench.work import JOB_DEFINITION, QUEUE, Recorder, Work


async def follow(
    work: Work,
    recorder: Recorder,
    session: Any = None,  # noqa: ANN401 (aiobotocore has no types)
    journal: Path | None = None,
) -> None:
    """Submit the jobs and follow them to their end, or for as long as they are held."""

    def observe(event: Event) -> None:
        if isinstance(event, JobFinished):
            recorder.ended(event.job_id)

    async with AsyncBatchClient(
        session=session, limits=_limits(work), observers=[observe], journal=journal
    ) as batch:
        if work.hold is None:
            await batch.run(_requests(work))
            return
        jobs = await batch.submit_many(_requests(work))
        spent = recorder.cpu()
        await asyncio.sleep(work.hold)
        recorder.figure("held_cpu_s", recorder.cpu() - spent)
        recorder.figure("seen", sum(job.description is not None for job in jobs))


async def submit(work: Work, journal: Path) -> None:
    """Submit the jobs with a journal, without waiting for them."""
    async with AsyncBatchClient(limits=_limits(work), journal=journal) as batch:
        await batch.submit_many(_requests(work))


def _requests(work: Work) -> Iterator[JobRequest]:
    if work.array:
        yield JobRequest(JOB_DEFINITION, queue=QUEUE, array_size=work.jobs)
        return
    for _ in range(work.jobs):
        yield JobRequest(JOB_DEFINITION, queue=QUEUE)


def _limits(work: Work) -> RateLimits:
    rates = {
        "submit_per_second": work.submit_per_second,
        "describe_per_second": work.status_per_second,
    }
    return RateLimits(**{name: rate for name, rate in rates.items() if rate is not None})


def main() -> None:
    """Do the work that the environment describes."""
    work = Work.from_environment()
    asyncio.run(follow(work, Recorder(work.records)))


if __name__ == "__main__":
    main()
