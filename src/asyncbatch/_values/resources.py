"""Compute environments, job definitions, and the front of a job queue, as AWS returns them.

vCPUs are those that AWS Batch counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from asyncbatch._values.descriptions import Container
from asyncbatch._values.masking import MaskedRepr


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeEnvironment:
    """A compute environment.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeEnvironmentDetail.html

    Attributes:
        name: Name of the compute environment.
        arn: Amazon Resource Name.
        state: ``ENABLED`` or ``DISABLED``: whether jobs are placed in it.
        status: ``VALID`` when it works, else for example ``CREATING``, ``UPDATING``, ``INVALID``.
        status_reason: Details of the status.
        type: ``MANAGED`` or ``UNMANAGED``.
        provider: ``EC2``, ``SPOT``, ``FARGATE``, ``FARGATE_SPOT`` or ``ECS_MANAGED_INSTANCES``;
            None for one that is UNMANAGED.
        min_vcpus: vCPUs that it keeps without jobs; None on Fargate.
        max_vcpus: vCPUs that it can have at most; None for one that is UNMANAGED.
        desired_vcpus: vCPUs that it should have now; None on Fargate.
        instance_types: Instance types and families, such as ``c5.large``, ``c5`` or ``optimal``.
        extra: Further members of the response, in AWS's spelling.
    """

    name: str
    arn: str
    state: str
    status: str | None = None
    status_reason: str | None = None
    type: str | None = None
    provider: str | None = None
    min_vcpus: int | None = None
    max_vcpus: int | None = None
    desired_vcpus: int | None = None
    instance_types: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def takes_jobs(self) -> bool:
        """Whether it is ENABLED and VALID."""
        return self.state == "ENABLED" and self.status == "VALID"

    @property
    def is_fargate(self) -> bool:
        """Whether jobs run on Fargate."""
        return self.provider in {"FARGATE", "FARGATE_SPOT"}

    @property
    def is_spot(self) -> bool:
        """Whether AWS may reclaim the capacity."""
        return self.provider in {"SPOT", "FARGATE_SPOT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedJob:
    """A job at the front of a job queue.

    Attributes:
        job_id: Job id.
        since: Earliest time at which it was at this position.
    """

    job_id: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSnapshot:
    """The front of a job queue, and what its jobs use.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_GetJobQueueSnapshot.html

    Attributes:
        front: The first RUNNABLE jobs, in order; at most 100.
        updated_at: When AWS last updated the front.
        capacity_used: What the queue's jobs use, by capacity unit such as ``VCPU``.
        capacity_by_share: What the shares with the largest use use, by share identifier: the sum
            over the capacity units. Empty for queues without a fair-share policy.
    """

    front: tuple[QueuedJob, ...] = ()
    updated_at: datetime | None = None
    capacity_used: Mapping[str, float] = field(default_factory=dict)
    capacity_by_share: Mapping[str, float] = field(default_factory=dict)

    def position_of(self, job_id: str) -> int | None:
        """Return the position of a job, 1 for the first; None if it is not at the front."""
        for place, job in enumerate(self.front, start=1):
            if job.job_id == job_id:
                return place
        return None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RegisteredDefinition(MaskedRepr):
    """A revision of a job definition, with what it defines.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDefinition.html

    Attributes:
        name: Job definition name.
        revision: Revision number.
        arn: Amazon Resource Name, with the revision.
        type: ``container`` or ``multinode``.
        platforms: ``EC2``, ``FARGATE``; empty where AWS returns none.
        containers: Containers of the job; empty for multi-node jobs.
        attempt_timeout: Time limit of one attempt.
        attempts: Maximum number of attempts.
        extra: Further members of the response, in AWS's spelling.
    """

    name: str
    revision: int
    arn: str
    type: str | None = None
    platforms: tuple[str, ...] = ()
    containers: tuple[Container, ...] = ()
    attempt_timeout: timedelta | None = None
    attempts: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
