"""boto3: pages, waiting in a loop, logs, tags, failures and errors."""

import time
from typing import Any

import boto3
from botocore.exceptions import ClientError

batch = boto3.client("batch")
logs = boto3.client("logs")


def submit(name: str, script: str, **options: object) -> str:
    """Submit a shell script and return the id of the job."""
    job_id: str = batch.submit_job(
        jobName=name,
        jobQueue="default",
        jobDefinition="command",
        containerOverrides={"command": ["sh", "-c", script]},
        **options,
    )["jobId"]
    return job_id


def ended(*job_ids: str) -> list[dict[str, Any]]:
    """Poll until jobs have ended, and return their descriptions."""
    while True:
        jobs: list[dict[str, Any]] = batch.describe_jobs(jobs=list(job_ids))["jobs"]
        if {job["status"] for job in jobs} <= {"SUCCEEDED", "FAILED"}:
            return jobs
        time.sleep(0.2)


ids = [submit(f"job-{number}", "true") for number in range(25)]
statuses = {job["status"] for job in ended(*ids)}
pages = batch.get_paginator("list_jobs").paginate(
    jobQueue="default", jobStatus="SUCCEEDED", PaginationConfig={"PageSize": 10}
)
sizes = [len(page["jobSummaryList"]) for page in pages]
print(f"{sum(sizes)} jobs {' '.join(statuses)}, listed in {len(sizes)} pages")

(job,) = ended(submit("logged", "for n in 1 2 3; do echo line $n; done", tags={"team": "etl"}))
events = logs.get_log_events(
    logGroupName="/aws/batch/job",
    logStreamName=job["container"]["logStreamName"],
    startFromHead=True,
)["events"]
print(", ".join(event["message"] for event in events))
print(f"tags: {batch.list_tags_for_resource(resourceArn=job['jobArn'])['tags']}")

(job,) = ended(submit("failing", "exit 3"))
print(f"{job['status']}: {job['container']['exitCode']}")

first = submit("first", "sleep 600")
second = submit("second", "true", dependsOn=[{"jobId": first}])
batch.cancel_job(jobId=second, reason="not needed")
batch.terminate_job(jobId=first, reason="not needed")  # AWS cancels when dependencies have ended
(job,) = ended(second)
print(f"cancelled: {job['statusReason']}")

try:
    batch.submit_job(jobName="x", jobQueue="no-such-queue", jobDefinition="command")
except ClientError as error:
    code = error.response["Error"]["Code"]
    print(f"{code}: {error.response['ResponseMetadata']['HTTPStatusCode']}")
