"""Job queues, and the one compute environment that all of them share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncbatch.local._engine.errors import client_error, not_supported
from asyncbatch.local._engine.ids import batch_arn, resource_name
from asyncbatch.local._engine.limits import JOB_QUEUES, check_tags, is_name
from asyncbatch.local._engine.scheduling_policies import SchedulingPolicies, SchedulingPolicy

COMPUTE_ENVIRONMENT = "local"
COMPUTE_ENVIRONMENT_ARN = batch_arn("compute-environment", COMPUTE_ENVIRONMENT)
DEFAULT_QUEUE = "default"

_STATES = ("ENABLED", "DISABLED")
_UNSUPPORTED = {
    "serviceEnvironmentOrder": "service environments",
    "jobStateTimeLimitActions": "job state time limit actions",
}


@dataclass(slots=True, kw_only=True, eq=False)
class JobQueue:
    """A job queue.

    Attributes:
        name: Unique name.
        priority: Queues with a higher priority are served first.
        enabled: Whether the queue accepts new jobs.
        policy: Its fair-share policy; None for first in, first out.
        tags: Tags of the queue.
    """

    name: str
    priority: int = 1
    enabled: bool = True
    policy: SchedulingPolicy | None = None
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The ARN."""
        return batch_arn("job-queue", self.name)


class JobQueues:
    """All job queues by name; `default` exists from the start."""

    def __init__(self, policies: SchedulingPolicies | None = None) -> None:
        self._policies = policies if policies is not None else SchedulingPolicies()
        self._by_name: dict[str, JobQueue] = {DEFAULT_QUEUE: JobQueue(name=DEFAULT_QUEUE)}

    def __iter__(self) -> Iterator[JobQueue]:
        return iter(self._by_name.values())

    def find(self, reference: str) -> JobQueue | None:
        """Return the queue with this name or ARN."""
        return self._by_name.get(resource_name(reference, "job-queue"))

    def get(self, reference: str) -> JobQueue:
        """Return the queue with this name or ARN.

        Raises:
            ServiceError: There is no such queue.
        """
        queue = self.find(reference)
        if queue is None:
            raise client_error(f"JobQueue {reference} not found.")
        return queue

    def for_job(self, reference: str) -> JobQueue:
        """Return the queue with this name or ARN, for a new job.

        Raises:
            ServiceError: There is no such queue, or it is DISABLED.
        """
        queue = self.get(reference)
        if not queue.enabled:
            raise client_error(f"JobQueue {reference} is not in ENABLED state.")
        return queue

    def create(self, request: Mapping[str, Any]) -> JobQueue:
        """Create a queue.

        Raises:
            ServiceError: The request is invalid, or the name is taken.
        """
        name = request["jobQueueName"]
        if not is_name(name):
            raise client_error("Job queue name should match valid pattern")
        if name in self._by_name:
            raise client_error(f"Object already exists: {name}")
        if len(self._by_name) >= JOB_QUEUES:
            raise client_error(f"The number of job queues is limited to {JOB_QUEUES}.")
        tags = dict(request.get("tags", {}))
        check_tags(tags)
        queue = JobQueue(name=name, tags=tags)
        if request.get("schedulingPolicyArn"):
            queue.policy = self._policies.get(request["schedulingPolicyArn"])
        _apply(queue, request)
        self._by_name[name] = queue
        return queue

    def update(self, reference: str, request: Mapping[str, Any]) -> JobQueue:
        """Change a queue's state or priority.

        Raises:
            ServiceError: There is no such queue, or a value is invalid.
        """
        queue = self.get(reference)
        arn = request.get("schedulingPolicyArn")
        if arn and (queue.policy is None or queue.policy.arn != arn):
            raise not_supported("another scheduling policy for a queue that exists")
        _apply(queue, request)
        return queue

    def delete(self, reference: str) -> JobQueue | None:
        """Delete a DISABLED queue and return it; None if there is no such queue.

        Raises:
            ServiceError: The queue is ENABLED.
        """
        queue = self.find(reference)
        if queue is None:
            return None
        if queue.enabled:
            raise client_error(f"Cannot delete, JobQueue {reference} is not in DISABLED state.")
        return self._by_name.pop(queue.name)


def _apply(queue: JobQueue, request: Mapping[str, Any]) -> None:
    for member, feature in _UNSUPPORTED.items():
        if request.get(member):
            raise not_supported(feature)
    if request.get("jobQueueType", "ECS") not in {"ECS", "ECS_FARGATE"}:
        raise not_supported(f"job queues of type {request['jobQueueType']}")
    state = request.get("state", "ENABLED" if queue.enabled else "DISABLED")
    if state not in _STATES:
        raise client_error(f"Job queue state {state} should be one of {', '.join(_STATES)}.")
    for entry in request.get("computeEnvironmentOrder", []):
        if resource_name(entry["computeEnvironment"], "compute-environment") != COMPUTE_ENVIRONMENT:
            raise client_error(f"ComputeEnvironment {entry['computeEnvironment']} does not exist.")
    queue.enabled = state == "ENABLED"
    queue.priority = request.get("priority", queue.priority)
