"""Classification of failures and of reasons to wait: ordered tables of AWS's reasons.

Three tables are tried one after the other:

1. Who ended the job: AWS's own exact texts, a person, another job. The first match decides.
2. What AWS says of the last attempt and its container. A permanent reason decides before a
   transient one, since the same request would meet it again. Of a reason such as
   CannotPullContainerError, the inner causes in its text decide before the reason itself.
3. The exit code, since a Spot interruption and a timeout also end with 137 (SIGKILL).

A failure is transient only where the same request can succeed unchanged. A reason whose cause is
not known is permanent: a program that retries on `transient` would repeat it without end.

A job that was never placed has no attempt, and its own status reason is used. An attempt without an
exit code never ran, or lost its host.

Sources: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html,
https://docs.aws.amazon.com/batch/latest/userguide/batch-best-practices.html,
https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-errors.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html (its errors),
https://github.com/aws/amazon-ecs-agent (what the agent on EC2 writes),
https://docs.aws.amazon.com/batch/latest/APIReference/API_EksAttemptContainerDetail.html
"""

import functools
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass

from asyncbatch._values.additions import SUBMISSION_TAG
from asyncbatch._values.descriptions import Attempt, JobDescription, deciding_container
from asyncbatch._values.results import Failure, FailureKind, JobResult
from asyncbatch._values.status import JobStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """The facts that the rules check; `container` names one of several."""

    status_reasons: tuple[str, ...]
    reason: str = ""
    container: str = ""
    exit_code: int | None = None
    attempt: int | None = None
    is_cancelled: bool = False
    is_terminated: bool = False
    has_mark: bool = False

    def contains(self, pattern: str) -> bool:
        """Whether the status reason or the container's reason contains a pattern, in any case."""
        reasons = "\n".join((*self.status_reasons, self.reason))
        return bool(re.search(pattern, reasons, re.IGNORECASE | re.MULTILINE))


@dataclass(frozen=True, slots=True)
class _Rule:
    """A row of a table; the fields after `when` become those of the `Failure`.

    Attributes:
        when: A pattern that the reasons contain, exit codes, or a condition.
        kind: Kind of the failure.
        transient: Whether the same request can succeed when it is submitted again unchanged.
        meaning: What it means and what to do.
        causes: Rows for causes that the text of the reason may name; the first match decides.
    """

    when: str | range | Callable[[_Facts], bool]
    kind: FailureKind
    transient: bool
    meaning: str
    causes: "tuple[_Rule, ...]" = ()

    def match(self, facts: _Facts) -> "_Rule | None":
        """Return the row that decides if this one applies: itself or one of its causes."""
        if isinstance(self.when, str):
            applies = facts.contains(self.when)
        elif isinstance(self.when, range):
            applies = facts.exit_code in self.when
        else:
            applies = self.when(facts)
        return _first(self.causes, facts) or self if applies else None


def _is(pattern: str) -> Callable[[_Facts], bool]:
    """Return the condition that a status reason as a whole has a pattern."""
    return lambda facts: any(re.fullmatch(pattern, each) for each in facts.status_reasons)


NOT_STARTED = "asyncbatch: not started"
"""Begins the reason with which a `RecoveryPolicy` cancels a job that waited too long."""

_K = FailureKind

_TRANSIENT, _PERMANENT = True, False

# -- causes that several reasons name -------------------------------------------------------------

_DENIED = (
    r"denied|not authorized|unauthorized|not allowed|forbidden|\b403\b|authentication required|"
    r"no basic auth"
)
_MISSING = (
    # Not "no such host": that is DNS, a network fault. Not "unknown" alone: containerd ends errors
    # of any kind with it.
    r"not found|NotFound|does(?:n't| not) exist|can(?:'t|not) find|no such (?!host)|"
    r"(?:manifest|name|blob) unknown|"
    r"invalid reference|repository name"
)
_INVALID = r"invalid|json key|Validation|DecryptionFailure|malformed"
_PLATFORM = (
    r"matching platform|no matching manifest|match for platform|exec format error|"
    r"does not match the .{0,40}platform|image operating system|image is incompatible with|"
    r"host operating system"
)
_DISK_FULL = r"no space|disk quota exceeded|free data blocks"
_THROTTLED = r"too ?many ?requests|pull rate limit|\b429\b|Throttl|Rate exceeded"
_NETWORK = (
    # Not "API error (500)", with which Docker begins errors of any kind.
    r"tim(?:ed|e) ?out|i/o timeout|deadline exceeded|cancell?ed|\bEOF\b|"
    r"connection (?:reset|refused|issue)|no route|unreachable|no such host|TLS handshake|"
    r"RequestError|RequestCanceled|send request failed|server misbehaving|broken pipe|"
    r"try again|temporar|HTTP status: 5\d\d|\b50[234]\b|Service Unavailable"
)
# Fargate kills its own calls of services that do not respond.
_UNREACHABLE = rf"{_NETWORK}|signal: killed"
# These words end reasons that begin with another guess, such as a missing log group.
_NO_CONNECTION = r"connection issue between the task and"


def _unreachable(pattern: str, kind: FailureKind) -> _Rule:
    """Return the row of a service that did not respond."""
    return _Rule(
        pattern,
        kind,
        _TRANSIENT,
        "the network or a service did not respond; retry, then check subnets, routes, endpoints "
        "and security groups",
    )


def _common_causes(kind: FailureKind, role: str) -> tuple[_Rule, ...]:
    """Return the rows of the causes that calls to other services have."""
    return (
        _unreachable(_NO_CONNECTION, kind),
        _Rule(_THROTTLED, kind, _TRANSIENT, "the rate limit of a service was reached; retry later"),
        _Rule(_DENIED, kind, _PERMANENT, f"a permission is missing; check {role}"),
        _Rule(_MISSING, kind, _PERMANENT, "something that the job definition names does not exist"),
        _Rule(_INVALID, kind, _PERMANENT, "a value in the job definition or a secret is not valid"),
        _unreachable(_UNREACHABLE, kind),
    )


_MAY_NOT_PULL = (
    "pulling the image is not allowed: the execution role (Fargate) or the instance role (EC2) "
    "needs ecr:GetAuthorizationToken, ecr:BatchGetImage and ecr:GetDownloadUrlForLayer; other "
    "registries need repositoryCredentials"
)

_PULL_CAUSES = (
    # Docker goes on with "does not exist", which is not the cause.
    _Rule(r"not authorized to perform", _K.IMAGE_PULL, _PERMANENT, _MAY_NOT_PULL),
    _Rule(
        _PLATFORM,
        _K.IMAGE_PULL,
        _PERMANENT,
        "the image is not built for the CPU architecture or the operating system of the compute "
        "environment",
    ),
    _Rule(
        r"authorization token has expired",
        _K.IMAGE_PULL,
        _TRANSIENT,
        "the host's registry login had expired; retry",
    ),
    _Rule(
        _THROTTLED,
        _K.IMAGE_PULL,
        _TRANSIENT,
        "the registry's rate limit was reached; retry later, log in, or copy the image to ECR",
    ),
    _Rule(
        r"does not exist or (?:may require|no pull access)",
        _K.IMAGE_PULL,
        _PERMANENT,
        "the image does not exist, or pulling it is not allowed",
    ),
    _Rule(_DENIED, _K.IMAGE_PULL, _PERMANENT, _MAY_NOT_PULL),
    _Rule(
        r"schema ?(?:version )?1\b",
        _K.IMAGE_PULL,
        _PERMANENT,
        "the image has an old format that is no longer supported; build and push it again",
    ),
    _Rule(
        _MISSING,
        _K.IMAGE_PULL,
        _PERMANENT,
        "the image does not exist; check its name, tag, account and Region",
    ),
    _Rule(
        # Each Fargate task has a disk of its own, and containerd.
        rf"/containerd/.*(?:{_DISK_FULL})",
        _K.IMAGE_PULL,
        _PERMANENT,
        "the image does not fit on the task's disk; raise ephemeralStorage",
    ),
    _Rule(
        _DISK_FULL,
        _K.IMAGE_PULL,
        _TRANSIENT,
        "the host's disk is full; retry on another host, or enlarge the disk in the launch "
        "template",
    ),
    _Rule(
        r"failed open: unexpected status code(?!.*\b5\d\d\b)",
        _K.IMAGE_PULL,
        _PERMANENT,
        "the layers of the image cannot be read; check the VPC endpoint and its policy for S3",
    ),
    _Rule(
        _UNREACHABLE,
        _K.IMAGE_PULL,
        _TRANSIENT,
        "the registry or the network failed; retry, then check the route to the registry",
    ),
)

_LOG_DRIVER_CAUSES = (
    _unreachable(_NO_CONNECTION, _K.RESOURCE_INITIALIZATION),
    _Rule(
        r"log group does not exist|cannot find the Amazon CloudWatch log group",
        _K.RESOURCE_INITIALIZATION,
        _PERMANENT,
        "create the log group, or set awslogs-create-group",
    ),
    *_common_causes(
        _K.RESOURCE_INITIALIZATION,
        "the logs: actions of the execution role (Fargate) or the instance role (EC2)",
    ),
)

_START_CAUSES = (
    _Rule(
        r"log(?:ging)? driver|logger args|awslogs",
        _K.RESOURCE_INITIALIZATION,
        _PERMANENT,
        "the log driver could not be started; check the log configuration",
        _LOG_DRIVER_CAUSES,
    ),
    _Rule(
        _PLATFORM,
        _K.NOT_RUNNABLE,
        _PERMANENT,
        "the image is not built for the CPU architecture or the operating system of the compute "
        "environment",
    ),
    _Rule(
        r"executable file not found|no command specified|"
        r"exec: .*(?:no such file|permission denied|is a directory)",
        _K.NOT_RUNNABLE,
        _PERMANENT,
        "the command does not exist in the image, or cannot be run",
    ),
    _Rule(
        r"nvidia",
        _K.CONTAINER_START,
        _PERMANENT,
        "the host has no GPU, or no driver that fits the image; check gpus, instance types and the "
        "image's CUDA version",
    ),
    _Rule(
        r"failed to get container status",
        _K.CONTAINER_START,
        _PERMANENT,
        "the container ended while it started; check its memory and its command",
    ),
    _Rule(
        _DISK_FULL,
        _K.CONTAINER_START,
        _TRANSIENT,
        "the host's disk is full; retry on another host, or enlarge the disk",
    ),
    _Rule(
        r"port is already allocated|address already in use",
        _K.CONTAINER_START,
        _TRANSIENT,
        "another container of the host has the port; retry",
    ),
    _Rule(
        rf"{_DENIED}|{_MISSING}",
        _K.CONTAINER_START,
        _PERMANENT,
        "a volume, device or file that the job definition names is missing or not accessible",
    ),
    _Rule(
        _NETWORK,
        _K.CONTAINER_START,
        _TRANSIENT,
        "the host or a file system did not respond; retry",
    ),
)

_INITIALIZATION_CAUSES = (
    _Rule(
        r"logger args|logging driver|CloudWatch log",
        _K.RESOURCE_INITIALIZATION,
        _PERMANENT,
        "the log driver could not be started; check the log configuration",
        _LOG_DRIVER_CAUSES,
    ),
    _Rule(
        r"\bEFS\b",
        _K.RESOURCE_INITIALIZATION,
        _PERMANENT,
        "the EFS volume could not be mounted; check its id, mount targets and security groups",
        _common_causes(_K.RESOURCE_INITIALIZATION, "the job role and the file system's policy"),
    ),
    *_common_causes(
        _K.RESOURCE_INITIALIZATION,
        "the execution role: secretsmanager:GetSecretValue, ssm:GetParameters, kms:Decrypt, "
        "ecr:GetAuthorizationToken, s3:GetObject",
    ),
)

# -- the tables -----------------------------------------------------------------------------------

# AWS's exact texts come first: they also set isCancelled or isTerminated. Then a person: the words
# of a reason that a person gave are not AWS's.
_ENDED_BY: tuple[_Rule, ...] = (
    _Rule(
        _is(r"Job attempt duration exceeded timeout\.?"),
        _K.TIMEOUT,
        _PERMANENT,
        "the attempt exceeded its timeout; AWS Batch does not retry that",
    ),
    _Rule(
        _is(r"(?:Cancell?ed|Terminated) by JobStateTimeLimit action due to reason: .*"),
        _K.QUEUE_POLICY,
        _PERMANENT,
        "the queue limits the time in a state and ended it; see what it waited for",
    ),
    _Rule(
        lambda f: f.is_cancelled and f.contains(rf"\A{NOT_STARTED}"),
        _K.NOT_STARTED,
        _PERMANENT,
        "it waited too long; use another queue, or ask for less",
    ),
    _Rule(lambda f: f.is_cancelled, _K.CANCELLED, _PERMANENT, "it was cancelled"),
    _Rule(lambda f: f.is_terminated, _K.TERMINATED, _PERMANENT, "it was terminated"),
    # https://docs.aws.amazon.com/batch/latest/userguide/tag-resources.html#propagate-tags
    _Rule(
        lambda f: f.has_mark and f.contains("combined tags"),
        _K.DEFINITION,
        _PERMANENT,
        "job and job definition may have 50 tags in all, and asyncbatch added one to the job; with "
        "propagate_tags=True in the request it adds none, and with False tags are not combined",
    ),
    _Rule(r"^Dependent Job failed", _K.DEPENDENCY, _PERMANENT, "a job that it depends on failed"),
    _Rule(
        r"^Array Child Job failed", _K.ARRAY_CHILD, _PERMANENT, "see the failures of its children"
    ),
)

_REASONS: tuple[_Rule, ...] = (
    # The container.
    _Rule(
        r"(?-i:OutOfMemory)|killed due to memory usage|\bOOMKilled\b|\bOOM-killed\b",
        _K.OUT_OF_MEMORY,
        _PERMANENT,
        "the container exceeded its memory limit; raise memory_mib",
    ),
    _Rule(
        r"CannotPull\w*",
        _K.IMAGE_PULL,
        _PERMANENT,
        "the image could not be pulled; check its name, the registry and the network",
        _PULL_CAUSES,
    ),
    _Rule(
        r"CannotStartContainerError|CannotCreateContainerError|CannotCreateVolumeError",
        _K.CONTAINER_START,
        _PERMANENT,
        "the container could not be created; check mounts, devices and limits in the job "
        "definition",
        _START_CAUSES,
    ),
    _Rule(
        # The second is what the agent on EC2 writes.
        r"ResourceInitializationError|\bfetching secret data from\b",
        _K.RESOURCE_INITIALIZATION,
        _PERMANENT,
        "secrets, registry or volumes could not be set up; check roles, names and subnets",
        _INITIALIZATION_CAUSES,
    ),
    # Pods: reasons of Kubernetes.
    _Rule(
        r"\bInvalidImageName\b|\bErrImageNeverPull\b",
        _K.IMAGE_PULL,
        _PERMANENT,
        "the image name is not valid, or the image is not on the node and must not be pulled",
    ),
    _Rule(
        r"\bErrImagePull\b|\bImagePullBackOff\b|\bImageInspectError\b",
        _K.IMAGE_PULL,
        _PERMANENT,
        "the image could not be pulled; check its name, imagePullSecrets and the node's role",
        _PULL_CAUSES,
    ),
    _Rule(
        r"\bRegistryUnavailable\b", _K.IMAGE_PULL, _TRANSIENT, "the registry is unavailable; retry"
    ),
    _Rule(
        r"\bContainerCannotRun\b|\bStartError\b",
        _K.NOT_RUNNABLE,
        _PERMANENT,
        "the command does not exist in the image, or cannot be run",
    ),
    _Rule(
        r"\bCreateContainer(?:Config)?Error\b|\bRun(?:Init)?ContainerError\b|"
        r"\b(?:PreCreate|PreStart|PostStart)HookError\b",
        _K.CONTAINER_START,
        _PERMANENT,
        "the pod's configuration cannot be used; check its secrets, config maps and mounts",
        _START_CAUSES,
    ),
    _Rule(
        r"\b(?:FailedCreatePodSandBox|CreatePodSandboxError)\b",
        _K.CONTAINER_RUNTIME,
        _TRANSIENT,
        "the node could not set up the pod, such as its network; retry",
    ),
    _Rule(
        # As a whole: calls that took too long have it in their texts as well.
        r"^DeadlineExceeded$",
        _K.TIMEOUT,
        _PERMANENT,
        "the pod exceeded its deadline",
    ),
    _Rule(
        r"exceeds the total limit|exceeded its local ephemeral storage|emptyDir .*exceeds",
        _K.CONTAINER_START,
        _PERMANENT,
        "the pod used more disk than its limit; raise ephemeral-storage",
    ),
    _Rule(
        r"\bEvicted\b|\bNodeLost\b|\bNodeShutdown\b|\bPreempt(?:ed|ing|ion\w*)\b|"
        r"\bContainerStatusUnknown\b|\bDeletionBy\w+|\bTerminationByKubelet\b|"
        r"\bimminent node shutdown\b",
        _K.HOST_LOST,
        _TRANSIENT,
        "the node was lost or needed its resources; retry",
    ),
    _Rule(
        r"\bUnexpectedAdmissionError\b|"
        r"(?-i:\bOutOf(?:cpu|memory|pods|ephemeral-storage|[a-z.]+/\w+)\b)",
        _K.TASK_START,
        _TRANSIENT,
        "the node had no room left for the pod; retry",
    ),
    # The host.
    _Rule(
        r"Your Spot Task was interrupted|SpotInterruption",
        _K.SPOT_INTERRUPTION,
        _TRANSIENT,
        "Fargate Spot reclaimed the capacity; retry, or use on-demand capacity",
    ),
    _Rule(
        r"Host EC2",
        _K.HOST_LOST,
        _TRANSIENT,
        "the instance was terminated, usually a Spot reclaim; retry, or use on-demand capacity",
    ),
    _Rule(
        r"Container instance deregist|performing maintenance on the underlying infrastructure|"
        r"(?-i:\bTerminationNotice\b|\bINACTIVE\b|^(?:TaskFailedToStart: )?MISSING$)",
        _K.HOST_LOST,
        _TRANSIENT,
        "the host was taken out of service; retry",
    ),
    _Rule(
        r"^(?:UserInitiated: )?Task stopped by ",
        _K.TERMINATED,
        _PERMANENT,
        "the ECS task was stopped directly, not through AWS Batch",
    ),
    _Rule(
        r"CannotInspectContainerError|CannotStopContainerError",
        _K.CONTAINER_RUNTIME,
        _TRANSIENT,
        "Docker did not respond; the work may be done, so check the output before a retry",
    ),
    _Rule(
        r"DockerTimeoutError|ContainerRuntimeTimeoutError",
        _K.CONTAINER_RUNTIME,
        _TRANSIENT,
        "the host's Docker was too slow; retry",
    ),
    _Rule(
        r"ContainerRuntimeError|\bInternalError\b",
        _K.CONTAINER_RUNTIME,
        _TRANSIENT,
        "the container agent or runtime failed; retry",
    ),
    # Refused before there was a container.
    _Rule(
        r"Job definition invalid|combined tags",
        _K.DEFINITION,
        _PERMANENT,
        "the job definition cannot be used as it is",
    ),
    _Rule(
        r"length must be at most|Container Overrides",
        _K.DEFINITION,
        _PERMANENT,
        "the request is too large: command and environment may have 8,192 characters in all; pass "
        "large inputs through S3",
    ),
    _Rule(
        r"unable to assume the role|role .{0,200}is (?:not valid|invalid)|to have execution role",
        _K.DEFINITION,
        _PERMANENT,
        "a role of the job definition is missing, or does not trust ecs-tasks.amazonaws.com",
    ),
    _Rule(
        r"No Fargate configuration exists|Invalid '?(?:cpu|memory)|Fargate (?:only )?supports|"
        r"Fargate launch type (?:does|do) not support|required capabilities|"
        r"\bPlatformTaskDefinitionIncompatibility|\bPlatformUnknown|\bUnsupportedFeature",
        _K.DEFINITION,
        _PERMANENT,
        "Fargate does not offer this; see its table of vCPU and memory values",
    ),
    _Rule(
        r"ClientException.*(?:log driver|log ?configuration|log option)",
        _K.DEFINITION,
        _PERMANENT,
        "the log configuration cannot be used; check driver and options",
    ),
    _Rule(
        r"reached the limit on the number of",
        _K.CAPACITY,
        _TRANSIENT,
        "a quota of the account is used up; retry later, or ask for a higher quota",
    ),
    _Rule(
        r"Capacity is unavailable|InsufficientInstanceCapacity|\bRESOURCE:\w+|"
        r"Empty ?Capacity ?Provider|No Container Instances were found",
        _K.CAPACITY,
        _TRANSIENT,
        "there is no capacity now; retry, or allow more instance types and Availability Zones",
    ),
    _Rule(
        r"network interface provisioning|EphemeralStorage provisioning",
        _K.RESOURCE_INITIALIZATION,
        _TRANSIENT,
        "the network interface or the disk took too long; retry",
    ),
    _Rule(
        r"create network interface|while attempting to .{1,40} network interface",
        _K.RESOURCE_INITIALIZATION,
        _PERMANENT,
        "the network interface could not be set up; check subnets and security groups",
        (
            _Rule(
                r"InsufficientFreeAddresses|LimitExceeded",
                _K.RESOURCE_INITIALIZATION,
                _TRANSIENT,
                "the subnet has no free addresses; retry later, or add subnets",
            ),
            *_common_causes(_K.RESOURCE_INITIALIZATION, "the service-linked role of ECS"),
        ),
    ),
    _Rule(
        r"(?-i:\bATTRIBUTE\b|\bLOCATION\b)|placement constraint",
        _K.TASK_START,
        _PERMANENT,
        "no host has what the job definition requires, such as GPUs, a log driver or a role",
    ),
    _Rule(r"(?-i:\bAGENT\b)", _K.TASK_START, _TRANSIENT, "the host's agent was off; retry"),
    _Rule(
        r"\bClusterNotFoundException\b",
        _K.TASK_START,
        _PERMANENT,
        "the ECS cluster of the compute environment does not exist; make a new environment",
    ),
    _Rule(
        r"\bBlockedException\b|\baccount is .{0,20}(?:blocked|suspended)",
        _K.TASK_START,
        _PERMANENT,
        "AWS has blocked the account; contact AWS Support",
    ),
    _Rule(
        r"\bServerException\b",
        _K.TASK_START,
        _TRANSIENT,
        "ECS had a fault of its own; retry",
    ),
    _Rule(
        r"\bThrottlingException\b",
        _K.TASK_START,
        _TRANSIENT,
        "the rate limit of a service was reached; retry later",
    ),
    _Rule(
        r"\bClientException\b|\bInvalidParameterException\b",
        _K.DEFINITION,
        _PERMANENT,
        "ECS refused the task; correct the job definition or the request",
    ),
    _Rule(
        r"AccessDenied|not authorized to perform",
        _K.TASK_START,
        _PERMANENT,
        "a permission is missing; check the roles of the job and of the compute environment",
    ),
    _Rule(
        # As a whole: further words are a reason that no rule knows.
        lambda f: _is(r"Task failed to start\.?|TaskFailedToStart")(f) and not f.reason,
        _K.TASK_START,
        _TRANSIENT,
        "ECS could not start the task; retry",
    ),
)

_KILLED_BY_SIGKILL = 128 + signal.SIGKILL
_KILLED_BY_SIGTERM = 128 + signal.SIGTERM
_CRASHED = 128 + signal.SIGSEGV
_ABORTED = 128 + signal.SIGABRT

_EXIT_CODES: tuple[_Rule, ...] = (
    _Rule(
        range(_KILLED_BY_SIGKILL, _KILLED_BY_SIGKILL + 1),
        _K.KILLED,
        _PERMANENT,
        "it was killed (SIGKILL): out of memory, or it ignored SIGTERM",
    ),
    _Rule(
        range(_KILLED_BY_SIGTERM, _KILLED_BY_SIGTERM + 1),
        _K.KILLED,
        _PERMANENT,
        "it was stopped (SIGTERM)",
    ),
    _Rule(
        range(125, 129),
        _K.NOT_RUNNABLE,
        _PERMANENT,
        "the command does not exist in the image, or cannot be run",
    ),
    _Rule(
        range(_CRASHED, _CRASHED + 1),
        _K.EXIT_CODE,
        _PERMANENT,
        "the program crashed (segmentation fault)",
    ),
    _Rule(range(_ABORTED, _ABORTED + 1), _K.EXIT_CODE, _PERMANENT, "the program aborted"),
    _Rule(lambda f: f.exit_code is not None, _K.EXIT_CODE, _PERMANENT, "see its log"),
    # Why the task failed to start is in words that no rule knows.
    _Rule(
        r"Task failed to start|TaskFailedToStart",
        _K.TASK_START,
        _PERMANENT,
        "ECS could not start the task, for a reason that asyncbatch does not know",
    ),
)

_UNKNOWN = _Rule("", _K.UNKNOWN, _PERMANENT, "AWS gave no known reason")

# https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_time_limit_actions.html
_WAITING: tuple[_Rule, ...] = (
    _Rule(
        r"^CAPACITY:",
        _K.CAPACITY,
        _TRANSIENT,
        "AWS has no capacity now; wait, or allow more instance types and Availability Zones",
    ),
    _Rule(
        r"^MISCONFIGURATION:",
        _K.MISCONFIGURATION,
        _PERMANENT,
        "it will not run until the compute environment is corrected",
        (
            _Rule(
                r"JOB_RESOURCE_REQUIREMENT",
                _K.MISCONFIGURATION,
                _PERMANENT,
                "no compute environment of the queue is large enough; request less, or use another "
                "queue",
            ),
            _Rule(
                r"COMPUTE_ENVIRONMENT_MAX_RESOURCE",
                _K.MISCONFIGURATION,
                _PERMANENT,
                "the job needs more than the maximum vCPUs of the compute environments; raise "
                "maxvCpus, or request less",
            ),
            _Rule(
                r"SERVICE_ROLE_PERMISSIONS",
                _K.MISCONFIGURATION,
                _PERMANENT,
                "the service role of the compute environment lacks permissions",
            ),
            _Rule(
                r"EC2_INSTANCE_CONFIGURATION_UNSUPPORTED",
                _K.MISCONFIGURATION,
                _PERMANENT,
                "EC2 does not offer the compute environment's instance types in this configuration",
            ),
        ),
    ),
    _Rule(
        r"^ACTION_REQUIRED",
        _K.MISCONFIGURATION,
        _PERMANENT,
        "the compute environments of the queue need a person; see their status reasons",
    ),
    _Rule(
        r"^UNDETERMINED",
        _K.BLOCKED,
        _TRANSIENT,
        "the head of the queue is blocked; check the compute environments and their service role",
    ),
)


def failure_of(description: JobDescription) -> Failure | None:
    """Return why a job failed; None unless it is FAILED."""
    if description.status is not JobStatus.FAILED:
        return None
    facts = _facts(description)
    rule = (
        _first(_ENDED_BY, facts)
        or _by_reasons(facts.status_reasons, facts.reason)
        or _first(_EXIT_CODES, facts)
        or _UNKNOWN
    )
    return _failure(facts, rule)


def wait_reason_of(description: JobDescription) -> Failure | None:
    """Return why a live job does not run; None where AWS gives no known reason."""
    if description.status.is_terminal or not description.status_reason:
        return None
    # Only the job's own reason: an earlier attempt's is not about the wait for the next one.
    facts = _Facts(status_reasons=(description.status_reason,))
    rule = _first(_WAITING, facts)
    return _failure(facts, rule) if rule else None


def result_of(description: JobDescription) -> JobResult:
    """Return the result of a job that has ended."""
    return JobResult(description=description, failure=failure_of(description))


def _first(rules: tuple[_Rule, ...], facts: _Facts) -> _Rule | None:
    """Return the first row that matches."""
    return next((match for rule in rules if (match := rule.match(facts))), None)


# Searching takes 0.1 to 0.6 ms, and thousands of failed jobs have the same few reasons.
@functools.lru_cache(maxsize=256)
def _by_reasons(status_reasons: tuple[str, ...], reason: str) -> _Rule | None:
    """Return the first permanent row that the reasons match, else the first transient one."""
    facts = _Facts(status_reasons=status_reasons, reason=reason)
    matches = [match for rule in _REASONS if (match := rule.match(facts))]
    return min(matches, key=lambda match: match.transient, default=None)


def _failure(facts: _Facts, rule: _Rule) -> Failure:
    return Failure(
        kind=rule.kind,
        transient=rule.transient,
        message=_sentence(facts, rule.meaning),
        attempt=facts.attempt,
    )


def _facts(description: JobDescription) -> _Facts:
    """Return the facts of the last attempt, and of the job where there is no attempt."""
    last = description.attempts[-1] if description.attempts else None
    reasons = (description.status_reason, last.status_reason if last else None)
    return _Facts(
        # Both, since a terminated job's own reason is the caller's text, its attempt's is ECS's.
        status_reasons=tuple(dict.fromkeys(r for r in reasons if r)),
        reason=description.reason or "",
        container=_named_container(last) if last else "",
        exit_code=description.exit_code,
        attempt=last.number if last else None,
        is_cancelled=description.is_cancelled,
        is_terminated=description.is_terminated,
        has_mark=SUBMISSION_TAG in description.tags,
    )


def _named_container(attempt: Attempt) -> str:
    """Return which container decided the end of an attempt with several; else an empty text."""
    containers = (*attempt.init_containers, *attempt.containers)
    decided = deciding_container(containers) if len(containers) > 1 else None
    if decided is None or not decided.name:
        return ""
    kind = "init container" if decided in attempt.init_containers else "container"
    return f"{kind} {decided.name}"


def _sentence(facts: _Facts, meaning: str) -> str:
    """Return one sentence: container, exit code, AWS's reasons, and what they mean."""
    parts = [f"exit code {facts.exit_code}"] if facts.exit_code is not None else []
    parts += [line.strip() for each in facts.status_reasons for line in each.splitlines()]
    parts += [facts.reason.strip()]
    head = "; ".join(dict.fromkeys(part.rstrip(".") for part in parts if part))
    head = ": ".join(part for part in (facts.container, head) if part)
    return f"{head} ({meaning})" if head else meaning
