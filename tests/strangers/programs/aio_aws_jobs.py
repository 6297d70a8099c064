"""aio-aws: three jobs, one of which fails, and their logs."""

import asyncio

from aio_aws.aio_aws_batch import AWSBatchConfig, aio_batch_get_logs, aio_batch_run_jobs
from aio_aws.aws_batch_models import AWSBatchJob

jobs = [
    AWSBatchJob(
        job_name=f"job-{number}",
        job_queue="default",
        job_definition="command",
        command=["sh", "-c", f"echo hello {number}; exit {number // 2}"],
        max_tries=1,
    )
    for number in range(3)
]


async def main() -> None:
    """Run the jobs and read their logs."""
    config = AWSBatchConfig(start_pause=0.1, min_pause=0.1, max_pause=0.2)
    await aio_batch_run_jobs(jobs, config)
    await aio_batch_get_logs(jobs, config)


asyncio.run(main())
for job in jobs:
    print(f"{job.job_name} {job.status}: {', '.join(event['message'] for event in job.logs)}")
