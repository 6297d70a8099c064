"""Jobs as DescribeJobs and ListJobs show them."""

from typing import Any

from asyncbatch._values.status import JobStatus
from asyncbatch.local._ids import task_arn
from asyncbatch.local._jobs import Attempt, Job, Stop

_CONTAINER_INSTANCE = "arn:aws:ecs:local:000000000000:container-instance/local/local"


def job_detail(job: Job) -> dict[str, Any]:
    """Return a job as DescribeJobs does."""
    detail: dict[str, Any] = {
        "jobArn": job.arn,
        "jobName": job.name,
        "jobId": job.id,
        "jobQueue": job.queue.arn,
        "status": job.status.value,
        "attempts": [_attempt(attempt) for attempt in job.attempts],
        "createdAt": job.created_at,
        "dependsOn": job.depends_on,
        "jobDefinition": job.definition.arn,
        **job.spec.extra,
        "container": _container(job),
        "tags": dict(job.tags),
        "isCancelled": job.stop is Stop.CANCELLED,
        "isTerminated": job.stop is Stop.TERMINATED,
    }
    if job.array is not None:
        detail["arrayProperties"] = {
            "statusSummary": job.array.index.summary(),
            "size": len(job.array.children),
            "statusSummaryLastUpdatedAt": job.array.updated_at,
        }
    elif job.position is not None:
        detail["arrayProperties"] = {"index": job.position}
    return _with_times(detail, job)


def job_summary(job: Job) -> dict[str, Any]:
    """Return a job as ListJobs does."""
    summary: dict[str, Any] = {
        "jobArn": job.arn,
        "jobId": job.id,
        "jobName": job.name,
        "createdAt": job.created_at,
        "status": job.status.value,
        "jobDefinition": job.definition.arn,
    }
    if job.attempts and job.current is None:
        summary["container"] = _exit_of(job.attempts[-1])
    if job.array is not None:
        summary["arrayProperties"] = {
            "size": len(job.array.children),
            "statusSummary": job.array.index.summary(),
            "statusSummaryLastUpdatedAt": job.array.updated_at,
        }
    elif job.position is not None:
        summary["arrayProperties"] = {"index": job.position}
    if job.stop is Stop.CANCELLED:
        summary["isCancelled"] = True
    if job.stop is Stop.TERMINATED:
        summary["isTerminated"] = True
    return _with_times(summary, job)


def _with_times(shown: dict[str, Any], job: Job) -> dict[str, Any]:
    if job.status_reason is not None:
        shown["statusReason"] = job.status_reason
    if job.started_at is not None:
        shown["startedAt"] = job.started_at
    if job.stopped_at is not None:
        shown["stoppedAt"] = job.stopped_at
    return shown


def _container(job: Job) -> dict[str, Any]:
    """Return the container: what it is to run, and what the current or last attempt made of it."""
    container = dict(job.spec.container)
    if job.current is not None:
        container["containerInstanceArn"] = _CONTAINER_INSTANCE
        container["taskArn"] = task_arn(job.current.task_id)
        if job.status is JobStatus.RUNNING and job.current.log_stream is not None:
            container["logStreamName"] = job.current.log_stream.name
    elif job.attempts:
        container |= _attempt_container(job.attempts[-1])
    return container


def _attempt(attempt: Attempt) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "container": _attempt_container(attempt),
        "stoppedAt": attempt.stopped_at,
    }
    if attempt.started_at is not None:
        shown["startedAt"] = attempt.started_at
    if attempt.status_reason is not None:
        shown["statusReason"] = attempt.status_reason
    return shown


def _attempt_container(attempt: Attempt) -> dict[str, Any]:
    container: dict[str, Any] = {
        "containerInstanceArn": _CONTAINER_INSTANCE,
        "taskArn": task_arn(attempt.task_id),
        "networkInterfaces": [],
        **_exit_of(attempt),
    }
    if attempt.log_stream is not None:
        container["logStreamName"] = attempt.log_stream
    return container


def _exit_of(attempt: Attempt) -> dict[str, Any]:
    shown = {"exitCode": attempt.exit_code, "reason": attempt.reason}
    return {key: value for key, value in shown.items() if value is not None}
