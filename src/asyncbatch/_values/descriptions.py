"""Descriptions of jobs, job queues and job definitions as AWS returns them, as frozen values.

Requests are in `requests`, results in `results`. AWS's camelCase occurs only in `_aws.wire`, which
makes these values. Durations are `timedelta`, times are UTC-aware `datetime`, memory is in MiB.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from asyncbatch._values.masking import MaskedRepr
from asyncbatch._values.status import JobStatus


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Container(MaskedRepr):
    """One container of a job or of an attempt.

    A container job has one; multi-container ECS tasks and EKS pods have several with different
    names. Attributes are None or empty where AWS returns no value (yet).

    Attributes:
        name: Container name; None for the only container of a container job.
        image: Container image.
        command: Command after parameter substitution.
        environment: Environment variables, by name.
        vcpus: Reserved vCPUs; fractions occur on Fargate.
        memory_mib: Memory limit in MiB.
        gpus: Reserved GPUs.
        exit_code: Exit code; None while it runs, or where it never ran.
        reason: Why it ended or could not start: text of the container agent.
        log_stream_name: CloudWatch log stream; appears when the job is RUNNING.
        log_driver: Log driver of the job definition; None means awslogs.
        log_options: Options of the log driver, in its own spelling.
        task_arn: ARN of the ECS task.
        container_instance_arn: ARN of the ECS container instance; None on Fargate.
        essential: Whether the job ends with this container; False only where the job definition
            says so.
        extra: Further members of the response, in AWS's spelling.
    """

    name: str | None = None
    image: str | None = None
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    vcpus: float | None = None
    memory_mib: int | None = None
    gpus: int | None = None
    exit_code: int | None = None
    reason: str | None = None
    log_stream_name: str | None = None
    log_driver: str | None = None
    log_options: Mapping[str, str] = field(default_factory=dict)
    task_arn: str | None = None
    container_instance_arn: str | None = None
    essential: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Attempt(MaskedRepr):
    """One finished attempt of a job.

    Attributes:
        number: 1 for the first attempt.
        containers: Its containers; most jobs have one.
        init_containers: Containers of an EKS pod that run before the others.
        status_reason: Why it ended: text of AWS.
        started_at: When its containers started; None where they never did.
        stopped_at: When it ended.
        extra: Further members of the response, in AWS's spelling.
    """

    number: int
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    status_reason: str | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int | None:
        """Exit code of the container that decided the end; None where none ended."""
        return exit_code_of((*self.init_containers, *self.containers))

    @property
    def reason(self) -> str | None:
        """Reason of the container that decided the end."""
        return reason_of((*self.init_containers, *self.containers))

    @property
    def log_stream_names(self) -> tuple[str, ...]:
        """Log streams of its containers, in order."""
        return tuple(c.log_stream_name for c in self.containers if c.log_stream_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayProperties:
    """Array properties of the parent of an array job (`size`) or of a child (`index`).

    Attributes:
        size: Number of child jobs; None on a child.
        index: Index of this child; None on the parent.
        status_summary: Number of children by status; empty on a child. AWS updates it with a
            delay.
        updated_at: When AWS last updated the summary.
    """

    size: int | None = None
    index: int | None = None
    status_summary: Mapping[JobStatus, int] = field(default_factory=dict)
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NodeRange(MaskedRepr):
    """Nodes of a multi-node job that share one definition.

    Attributes:
        target_nodes: Node indexes such as ``0:3``, in AWS's notation.
        containers: Containers that run on each of them.
        extra: Further members of the response, in AWS's spelling.
    """

    target_nodes: str
    containers: tuple[Container, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProperties:
    """Node properties of the parent of a multi-node job (`count`) or of a node (`index`).

    Attributes:
        count: Number of nodes; None on a node.
        main_index: Index of the main node; when it ends, the job ends.
        index: Index of this node; None on the parent.
        is_main: Whether this node is the main node.
        ranges: Containers by range of nodes; empty on a node.
    """

    count: int | None = None
    main_index: int | None = None
    index: int | None = None
    is_main: bool = False
    ranges: tuple[NodeRange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PodProperties(MaskedRepr):
    """The pod of an EKS job.

    Attributes:
        name: Pod name; appears when the pod is scheduled.
        namespace: Kubernetes namespace.
        node_name: Kubernetes node.
        extra: Further members of the pod, in AWS's spelling.
    """

    name: str | None = None
    namespace: str | None = None
    node_name: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class JobDescription(MaskedRepr):
    """A job as DescribeJobs or ListJobs returned it at one moment.

    Attributes:
        job_id: Job id; ``parent:index`` for an array child, ``parent#node`` for a node.
        status: State; see `JobStatus`.
        name: Job name.
        arn: Amazon Resource Name of the job.
        queue: ARN of the job queue.
        job_definition: ARN of the job definition, with revision.
        status_reason: Why the job is in this state: text of AWS, or the reason that a caller gave
            to TerminateJob.
        created_at: When it was submitted.
        started_at: When its last attempt started; None before.
        stopped_at: When it ended; None before.
        containers: Containers of the latest attempt.
        attempts: Finished attempts, oldest first. Parents of array jobs have none.
        array: Set on array parents and children.
        node: Set on multi-node parents and nodes.
        pod: Set on EKS jobs.
        depends_on: Ids of the jobs that it depends on.
        parameters: Parameters for ``Ref::`` placeholders.
        tags: Tags.
        share_identifier: Share identifier in a fair-share queue.
        scheduling_priority: Priority within the share.
        attempt_timeout: Time limit of one attempt.
        attempts_allowed: Maximum number of attempts.
        is_cancelled: Whether CancelJob ended it.
        is_terminated: Whether TerminateJob ended it.
        is_summary: Whether this came from ListJobs, which returns no attempts, log streams or
            environment.
        extra: Further members of the response, in AWS's spelling.
    """

    job_id: str
    status: JobStatus
    name: str = ""
    arn: str | None = None
    queue: str | None = None
    job_definition: str | None = None
    status_reason: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    containers: tuple[Container, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    array: ArrayProperties | None = None
    node: NodeProperties | None = None
    pod: PodProperties | None = None
    depends_on: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    share_identifier: str | None = None
    scheduling_priority: int | None = None
    attempt_timeout: timedelta | None = None
    attempts_allowed: int | None = None
    is_cancelled: bool = False
    is_terminated: bool = False
    is_summary: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int | None:
        """Exit code of the last attempt; None where no container ended."""
        # While the next attempt waits, `containers` is already empty of results.
        last = self.attempts[-1].exit_code if self.attempts else None
        return exit_code_of(self.containers) if last is None else last

    @property
    def reason(self) -> str | None:
        """Why the last attempt's container ended, in the words of the container agent."""
        last = self.attempts[-1].reason if self.attempts else None
        return last or reason_of(self.containers)

    @property
    def is_array_parent(self) -> bool:
        """Whether this is the parent of an array job."""
        return self.array is not None and self.array.size is not None

    @property
    def duration(self) -> timedelta | None:
        """Time from the last attempt's start to the end; None where either is missing."""
        if self.started_at is None or self.stopped_at is None:
            return None
        return self.stopped_at - self.started_at


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQueue:
    """A job queue.

    Attributes:
        name: Queue name.
        arn: Amazon Resource Name.
        state: ``ENABLED`` or ``DISABLED``: whether it accepts jobs.
        status: ``VALID`` when it works, else for example ``CREATING``, ``DELETING``, ``INVALID``.
        priority: Priority among the queues of a compute environment; higher runs first.
        status_reason: Details of the status.
        compute_environments: ARNs of its compute environments, in the order in which jobs are
            placed in them.
        extra: Further members of the response, in AWS's spelling.
    """

    name: str
    arn: str
    state: str
    status: str | None = None
    priority: int | None = None
    status_reason: str | None = None
    compute_environments: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def takes_jobs(self) -> bool:
        """Whether it is ENABLED and VALID, and takes jobs of containers.

        Queues of service environments take other jobs, such as those of SageMaker.
        """
        is_of_services = self.extra.get("jobQueueType") == "SAGEMAKER_TRAINING" or bool(
            self.extra.get("serviceEnvironmentOrder")
        )
        return self.state == "ENABLED" and self.status == "VALID" and not is_of_services


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDefinition:
    """A registered revision of a job definition.

    Attributes:
        name: Job definition name.
        revision: Revision number.
        arn: Amazon Resource Name, with the revision.
    """

    name: str
    revision: int
    arn: str

    def __str__(self) -> str:
        """Return ``name:revision``, which SubmitJob accepts."""
        return f"{self.name}:{self.revision}"


def exit_code_of(containers: tuple[Container, ...]) -> int | None:
    """Return the exit code of the container that decided how the attempt ended."""
    ended = tuple(c for c in containers if c.exit_code is not None)
    decided = deciding_container(containers)
    if decided is not None and decided.exit_code is None:
        decided = deciding_container(ended)
    return decided.exit_code if decided else None


def reason_of(containers: tuple[Container, ...]) -> str | None:
    """Return the reason of the container that decided how the attempt ended."""
    decided = deciding_container(containers)
    return decided.reason if decided else None


def deciding_container(containers: tuple[Container, ...]) -> Container | None:
    """Return the container that decided how an attempt ended; None where there is no result.

    The end of an essential container ends the others, with exit code 137 or 143 and no reason. So
    an essential container that failed otherwise comes first, in AWS's order.
    """
    if len(containers) == 1:  # most jobs
        return containers[0]
    results = [c for c in containers if c.exit_code is not None or c.reason]
    return min(results, key=_decides, default=None)


# What Kubernetes gives where there is no reason but the exit code, or no start yet.
_PLAIN_REASONS = frozenset({"Completed", "Error", "PodInitializing", "ContainerCreating"})


def _decides(container: Container) -> tuple[bool, int]:
    """Return the order in which containers decide; the least decides."""
    code = container.exit_code
    has_reason = bool(container.reason) and container.reason not in _PLAIN_REASONS
    if code == 0:
        rank = 3
    elif has_reason:
        rank = 0
    elif code is None:
        rank = 4
    else:
        rank = 2 if code in _STOPPED else 1
    return (not container.essential, rank)


# 128 + SIGKILL, 128 + SIGTERM.
_STOPPED = frozenset({137, 143})
