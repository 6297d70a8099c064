"""Values decoded from DescribeComputeEnvironments, DescribeJobDefinitions, GetJobQueueSnapshot.

As with jobs, members of an unexpected type are left out.
"""

from collections.abc import Mapping
from typing import Any

from asyncbatch._aws.wire import parts, shapes
from asyncbatch._aws.wire.responses import readable
from asyncbatch._aws.wire.sharing import SharedValues
from asyncbatch._values.resources import (
    ComputeEnvironment,
    QueuedJob,
    QueueSnapshot,
    RegisteredDefinition,
)

Wire = Mapping[str, Any]

_ENVIRONMENT_MEMBERS = frozenset(
    [
        "computeEnvironmentName",
        "computeEnvironmentArn",
        "state",
        "status",
        "statusReason",
        "type",
    ]
)

# The properties themselves stay in `extra`, since `containers` is only a part of them.
_DEFINITION_MEMBERS = frozenset(
    {"jobDefinitionName", "jobDefinitionArn", "revision", "type", "platformCapabilities"}
)


def compute_environment(detail: Wire) -> ComputeEnvironment:
    """Return the value for a ComputeEnvironmentDetail.

    Raises:
        Unreadable: It has no name, no ARN or no state.
    """
    required = ("computeEnvironmentName", "computeEnvironmentArn", "state")
    detail, _odd = readable(detail, shapes.COMPUTE_ENVIRONMENT, required)
    resources = detail.get("computeResources") or {}
    return ComputeEnvironment(
        name=detail["computeEnvironmentName"],
        arn=detail["computeEnvironmentArn"],
        state=detail["state"],
        status=detail.get("status"),
        status_reason=detail.get("statusReason"),
        type=detail.get("type"),
        provider=resources.get("type"),
        min_vcpus=resources.get("minvCpus"),
        max_vcpus=resources.get("maxvCpus"),
        desired_vcpus=resources.get("desiredvCpus"),
        instance_types=tuple(resources.get("instanceTypes") or ()),
        extra=parts.rest(detail, _ENVIRONMENT_MEMBERS),
    )


def registered_definition(detail: Wire, shared: SharedValues) -> RegisteredDefinition:
    """Return the value for a JobDefinition of DescribeJobDefinitions.

    Raises:
        Unreadable: It has no name, no revision or no ARN.
    """
    required = ("jobDefinitionName", "revision", "jobDefinitionArn")
    detail, _odd = readable(detail, shapes.REGISTERED_DEFINITION, required)
    as_job = {**detail, "container": detail.get("containerProperties")}
    timeout, retry = detail.get("timeout") or {}, detail.get("retryStrategy") or {}
    return RegisteredDefinition(
        name=detail["jobDefinitionName"],
        revision=detail["revision"],
        arn=detail["jobDefinitionArn"],
        type=detail.get("type"),
        platforms=tuple(detail.get("platformCapabilities") or ()),
        containers=parts.job_containers(as_job, shared),
        attempt_timeout=parts.seconds(timeout.get("attemptDurationSeconds")),
        attempts=retry.get("attempts"),
        extra=parts.rest(detail, _DEFINITION_MEMBERS),
    )


def queue_snapshot(response: Wire) -> QueueSnapshot:
    """Return the value for a response of GetJobQueueSnapshot.

    Raises:
        Unreadable: It is no object.
    """
    response, _odd = readable(response, shapes.QUEUE_SNAPSHOT, ())
    front = response.get("frontOfQueue") or {}
    use = response.get("queueUtilization") or {}
    shares = (use.get("fairshareUtilization") or {}).get("topCapacityUtilization") or ()
    return QueueSnapshot(
        front=tuple(
            QueuedJob(
                # An ARN ends with the id: …:job/ID, and …:job/ID:INDEX for the child of an array.
                job_id=job["jobArn"].rpartition("/")[2],
                since=parts.moment(job.get("earliestTimeAtPosition")),
            )
            for job in front.get("jobs") or ()
            if job.get("jobArn")
        ),
        updated_at=parts.moment(front.get("lastUpdatedAt")),
        capacity_used=_quantities(use.get("totalCapacityUsage")),
        capacity_by_share={
            share["shareIdentifier"]: sum(_quantities(share.get("capacityUsage")).values())
            for share in shares
            if share.get("shareIdentifier")
        },
    )


def _quantities(usage: Any) -> dict[str, float]:
    """Return quantities by capacity unit."""
    return {
        item["capacityUnit"]: float(item["quantity"])
        for item in usage or ()
        if item.get("capacityUnit") and item.get("quantity") is not None
    }
