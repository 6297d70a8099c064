"""Responses of AWS in its own spelling, and a connection that returns them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from asyncbatch._aws.wire.sharing import SharedValues
from asyncbatch._values.errors import AccessDenied, AsyncBatchError

REGION = "eu-west-1"
ARN = f"arn:aws:batch:{REGION}:123456789012:"
QUEUE_ARN = f"{ARN}job-queue/main"

Detail = dict[str, Any]


def job(job_id: str = "j-1", status: str = "RUNNABLE", **members: object) -> Detail:
    """Return a JobDetail; `vcpus`, `memory` and `gpus` become its resource requirements."""
    amounts = {"VCPU": members.pop("vcpus", 1), "MEMORY": members.pop("memory", 2048)}
    if gpus := members.pop("gpus", None):
        amounts["GPU"] = gpus
    container = {
        "image": "busybox",
        "command": ["run", "--fast"],
        "resourceRequirements": [
            {"type": kind, "value": str(value)} for kind, value in amounts.items()
        ],
    }
    more: Any = members.pop("container", {})
    return {
        "jobId": job_id,
        "jobName": f"name-{job_id}",
        "jobQueue": QUEUE_ARN,
        "jobDefinition": f"{ARN}job-definition/etl:1",
        "status": status,
        "createdAt": 1_700_000_000_000,
        "container": {**container, **more},
        **members,
    }


def failed(
    reason: str | None = None,
    *,
    exit_code: int | None = None,
    status_reason: str = "Essential container in task exited",
    **members: object,
) -> Detail:
    """Return the JobDetail of a failed job with one attempt."""
    container = {"exitCode": exit_code, "reason": reason}
    ended = {key: value for key, value in container.items() if value is not None}
    attempt = {"container": ended, "statusReason": status_reason, "stoppedAt": 1_700_000_500_000}
    ends: Detail = {
        "statusReason": status_reason,
        "attempts": [attempt],
        "startedAt": 1_700_000_400_000,
        "stoppedAt": 1_700_000_500_000,
        **members,
    }
    return job(status="FAILED", **ends)


def nodes(number: int, *, vcpus: int) -> Detail:
    """Return the JobDetail of a multi-node job that waits, whose nodes have `vcpus` each."""
    detail = job(vcpus=vcpus)
    container = detail.pop("container")
    ranges = [{"targetNodes": "0:", "container": container}]
    detail["nodeProperties"] = {
        "numNodes": number,
        "mainNode": 0,
        "nodeRangeProperties": ranges,
    }
    return detail


def queue(**members: object) -> Detail:
    """Return a JobQueueDetail with the compute environments ``ce-0`` and ``ce-1``."""
    order = [{"order": n, "computeEnvironment": f"{ARN}compute-environment/ce-{n}"} for n in (1, 0)]
    return {
        "jobQueueName": "main",
        "jobQueueArn": QUEUE_ARN,
        "state": "ENABLED",
        "status": "VALID",
        "statusReason": "JobQueue Healthy",
        "priority": 1,
        "computeEnvironmentOrder": order,
        **members,
    }


def environment(number: int = 0, resources: Mapping[str, object] = {}, **members: object) -> Detail:
    """Return a ComputeEnvironmentDetail; `resources` are members of its computeResources."""
    computed = {"type": "EC2", "minvCpus": 0, "maxvCpus": 256, "desiredvCpus": 0, **resources}
    return {
        "computeEnvironmentName": f"ce-{number}",
        "computeEnvironmentArn": f"{ARN}compute-environment/ce-{number}",
        "type": "MANAGED",
        "state": "ENABLED",
        "status": "VALID",
        "computeResources": computed,
        **members,
    }


def front(*job_ids: str, shares: Mapping[str, float] = {}) -> Detail:
    """Return a response of GetJobQueueSnapshot."""
    use = [
        {
            "shareIdentifier": name,
            "capacityUsage": [{"capacityUnit": "VCPU", "quantity": quantity}],
        }
        for name, quantity in shares.items()
    ]
    return {
        "frontOfQueue": {
            "jobs": [
                {"jobArn": f"{ARN}job/{each}", "earliestTimeAtPosition": 1_700_000_100_000}
                for each in job_ids
            ],
        },
        "queueUtilization": {"fairshareUtilization": {"topCapacityUtilization": use}},
    }


_DENIED = AccessDenied("any", "AccessDeniedException", "not authorized", status=403)


class Answers:
    """A connection that returns responses, as much as `API` uses of one.

    Attributes:
        calls: The number of calls of each operation.
    """

    region = REGION

    def __init__(
        self,
        jobs: Sequence[Detail],
        *,
        listed: Sequence[Detail] = (),
        queues: Sequence[Detail] = (),
        environments: Sequence[Detail] = (),
        snapshot: Mapping[str, object] | None = None,
        denied: Sequence[str] = (),
        failing: Mapping[str, AsyncBatchError] = {},
    ) -> None:
        """Return the responses; the first DescribeJobs always succeeds."""
        self.calls: Counter[str] = Counter()
        self.shared_values = SharedValues()
        self._jobs = {detail["jobId"]: detail for detail in jobs}
        self._failing = dict.fromkeys(denied, _DENIED) | dict(failing)
        self._answers: dict[str, Any] = {
            "ListJobs": {"jobSummaryList": list(listed)},
            "DescribeJobQueues": {"jobQueues": list(queues)},
            "DescribeComputeEnvironments": {"computeEnvironments": list(environments)},
            "GetJobQueueSnapshot": snapshot or {},
        }

    async def call(
        self,
        service: str,
        operation: str,
        arguments: Mapping[str, Any],
        region: str | None = None,
        *,
        validate: bool = True,
    ) -> dict[str, Any]:
        """Return the response of an operation."""
        self.calls[operation] += 1
        is_required = operation == "DescribeJobs" and self.calls[operation] == 1
        if operation in self._failing and not is_required:
            raise self._failing[operation]
        if operation == "DescribeJobs":
            return {"jobs": [self._jobs[each] for each in arguments["jobs"] if each in self._jobs]}
        answer: dict[str, Any] = self._answers[operation]
        return answer
