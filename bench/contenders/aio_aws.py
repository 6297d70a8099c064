"""aio-aws with its default settings."""

import asyncio

from aio_aws.aio_aws_batch import (  # pyright: ignore[reportMissingImports]
    AWSBatchConfig,
    aio_batch_run_jobs,
)
from aio_aws.aws_batch_models import AWSBatchJob  # pyright: ignore[reportMissingImports]

from bench.work import JOB_DEFINITION, QUEUE, Recorder, Work

_WORK = Work.from_environment()
_RECORDER = Recorder(_WORK.records)
_ENDED = {"SUCCEEDED", "FAILED"}


class NotingJob(AWSBatchJob):
    """A job of aio-aws; it records its end."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "status" and value in _ENDED:
            _RECORDER.ended(self.job_id)


async def follow() -> None:
    """Submit the jobs and follow them to their end."""
    jobs = [
        NotingJob(job_name=f"job-{number}", job_queue=QUEUE, job_definition=JOB_DEFINITION)
        for number in range(_WORK.jobs)
    ]
    await aio_batch_run_jobs(jobs, AWSBatchConfig())


def main() -> None:
    """Do the work that the environment describes."""
    asyncio.run(follow())


if __name__ == "__main__":
    main()
