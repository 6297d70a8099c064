"""Jobs, queues, job definitions and the compute environment in the form of AWS's responses."""

from typing import Any

from asyncbatch._values.status import JobStatus
from asyncbatch.local._engine.definitions import JobDefinition
from asyncbatch.local._engine.ids import ACCOUNT, CLUSTER, REGION, task_arn
from asyncbatch.local._engine.jobs import Attempt, Job, Stop
from asyncbatch.local._engine.queues import (
    COMPUTE_ENVIRONMENT,
    COMPUTE_ENVIRONMENT_ARN,
    JobQueue,
)

_CONTAINER_INSTANCE = "arn:aws:ecs:local:000000000000:container-instance/local/local"


def job_detail(job: Job) -> dict[str, Any]:
    """Return a job as in DescribeJobs."""
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
    """Return a job as in ListJobs."""
    summary: dict[str, Any] = {
        "jobArn": job.arn,
        "jobId": job.id,
        "jobName": job.name,
        "createdAt": job.created_at,
        "status": job.status.value,
        "jobDefinition": job.definition.arn,
    }
    # Of the container, AWS lists exit code and reason only.
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
    if job.spec.share_identifier is not None:
        summary["shareIdentifier"] = job.spec.share_identifier
    if job.stop is Stop.CANCELLED:
        summary["isCancelled"] = True
    if job.stop is Stop.TERMINATED:
        summary["isTerminated"] = True
    return _with_times(summary, job)


def queue_detail(queue: JobQueue) -> dict[str, Any]:
    """Return a job queue as in DescribeJobQueues."""
    policy = {} if queue.policy is None else {"schedulingPolicyArn": queue.policy.arn}
    return {
        **policy,
        "jobQueueName": queue.name,
        "jobQueueArn": queue.arn,
        "state": "ENABLED" if queue.enabled else "DISABLED",
        "status": "VALID",
        "statusReason": "JobQueue Healthy",
        "priority": queue.priority,
        "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": COMPUTE_ENVIRONMENT_ARN}],
        "serviceEnvironmentOrder": [],
        "jobQueueType": "ECS",
        "tags": dict(queue.tags),
        "jobStateTimeLimitActions": [],
    }


def definition_detail(definition: JobDefinition) -> dict[str, Any]:
    """Return a revision of a job definition as in DescribeJobDefinitions."""
    return {
        "jobDefinitionName": definition.name,
        "jobDefinitionArn": definition.arn,
        "revision": definition.revision,
        "status": "ACTIVE" if definition.active else "INACTIVE",
        "tags": dict(definition.tags),
        "containerOrchestrationType": "ECS",
        **definition.body,
    }


def compute_environment_detail(vcpus: int) -> dict[str, Any]:
    """Return the one compute environment as in DescribeComputeEnvironments."""
    return {
        "computeEnvironmentName": COMPUTE_ENVIRONMENT,
        "computeEnvironmentArn": COMPUTE_ENVIRONMENT_ARN,
        "ecsClusterArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}",
        "type": "UNMANAGED",
        "state": "ENABLED",
        "status": "VALID",
        "statusReason": "ComputeEnvironment Healthy",
        "unmanagedvCpus": vcpus,
        "containerOrchestrationType": "ECS",
        "tags": {},
    }


def _with_times(members: dict[str, Any], job: Job) -> dict[str, Any]:
    if job.status_reason is not None:
        members["statusReason"] = job.status_reason
    if job.started_at is not None:
        members["startedAt"] = job.started_at
    if job.stopped_at is not None:
        members["stoppedAt"] = job.stopped_at
    return members


def _container(job: Job) -> dict[str, Any]:
    """Return the container: its definition, and facts of the current or the last attempt."""
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
    members: dict[str, Any] = {
        "container": _attempt_container(attempt),
        "stoppedAt": attempt.stopped_at,
    }
    if attempt.started_at is not None:
        members["startedAt"] = attempt.started_at
    if attempt.status_reason is not None:
        members["statusReason"] = attempt.status_reason
    return members


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
    members = {"exitCode": attempt.exit_code, "reason": attempt.reason}
    return {key: value for key, value in members.items() if value is not None}
