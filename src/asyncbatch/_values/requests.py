"""What a caller asks for: a job to submit, checked against AWS's limits before anything is sent.

botocore's model of Batch has almost no constraints, so a wrong value would travel to AWS and come
back as a ClientException. Here it meets `InvalidRequest` with field, value and rule, at birth.

Limits: https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html and
https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
"""

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from typing import Any, Protocol, Self, TypedDict, Unpack, runtime_checkable

from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest


@runtime_checkable
class HasJobId(Protocol):
    """Anything that names a job by an ``id``: a `Job` handle."""

    @property
    def id(self) -> str:
        """Job id."""
        ...


@runtime_checkable
class HasArn(Protocol):
    """Anything that names an AWS resource by its ``arn``: a `JobDefinition`."""

    @property
    def arn(self) -> str:
        """Amazon Resource Name."""
        ...


class DependencyType(enum.StrEnum):
    """How an array job depends on another, or on itself."""

    N_TO_N = "N_TO_N"
    SEQUENTIAL = "SEQUENTIAL"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A job that must succeed first.

    Attributes:
        job_id: The job; None only with SEQUENTIAL, which orders an array's own children.
        type: None for the whole job, N_TO_N for child by child, SEQUENTIAL for one after another.

    Raises:
        InvalidRequest: There is neither a job id nor SEQUENTIAL.
    """

    job_id: str | None = None
    type: DependencyType | None = None

    def __post_init__(self) -> None:
        """Check the two against each other."""
        check.optional_text("depends_on.job_id", self.job_id, at_most=2048)
        check.optional_choice("depends_on.type", self.type, DependencyType)
        if self.job_id is None and self.type != DependencyType.SEQUENTIAL:
            raise InvalidRequest(
                "depends_on.job_id",
                None,
                "a dependency names a job, or is SEQUENTIAL among an array's own children",
            )


class RetryAction(enum.StrEnum):
    """What an `EvaluateOnExit` rule does; AWS ignores the case, lower case works everywhere."""

    RETRY = "retry"
    EXIT = "exit"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOnExit:
    """A rule that decides whether a failed attempt is followed by another.

    All patterns that are given must match. A pattern may end in ``*``; nothing else is special.

    Attributes:
        action: Retry or exit when the rule matches.
        on_status_reason: Pattern for the attempt's status reason, such as ``Host EC2*``.
        on_reason: Pattern for the container's reason.
        on_exit_code: Pattern for the exit code in decimal.

    Raises:
        InvalidRequest: No pattern is given, or one is longer than 512 characters.
    """

    action: RetryAction
    on_status_reason: str | None = None
    on_reason: str | None = None
    on_exit_code: str | None = None

    def __post_init__(self) -> None:
        """Check the patterns."""
        check.choice("retry.evaluate_on_exit.action", self.action, RetryAction)
        patterns = (self.on_status_reason, self.on_reason, self.on_exit_code)
        if all(pattern is None for pattern in patterns):
            raise InvalidRequest(
                "retry.evaluate_on_exit", self, "a rule has at least one pattern to match"
            )
        for pattern in patterns:
            check.optional_text("retry.evaluate_on_exit", pattern, at_most=512)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryStrategy:
    """How often AWS Batch attempts a job, and after what.

    Where no rule matches, a failed attempt is followed by another. Cancelled, terminated and
    timed-out jobs are never retried.

    Attributes:
        attempts: 1 to 10, the first one included.
        evaluate_on_exit: At most 5 rules; the first that matches decides.

    Raises:
        InvalidRequest: A number is out of range.
    """

    attempts: int
    evaluate_on_exit: tuple[EvaluateOnExit, ...] = ()

    def __post_init__(self) -> None:
        """Check the numbers."""
        check.integer("retry.attempts", self.attempts, 1, 10)
        object.__setattr__(self, "evaluate_on_exit", tuple(self.evaluate_on_exit))
        for rule in self.evaluate_on_exit:
            if not isinstance(rule, EvaluateOnExit):
                raise InvalidRequest(
                    "retry.evaluate_on_exit", rule, "each one is an EvaluateOnExit"
                )
        if len(self.evaluate_on_exit) > 5:  # noqa: PLR2004 - AWS's limit, said in the message
            raise InvalidRequest(
                "retry.evaluate_on_exit", self.evaluate_on_exit, "at most 5 rules are allowed"
            )

    @classmethod
    def for_spot(cls, attempts: int) -> Self:
        """Return a strategy that retries what Spot and hosts break, but not what the job breaks.

        Args:
            attempts: 1 to 10, the first one included.

        Raises:
            InvalidRequest: `attempts` is out of range.
        """
        retry, leave = RetryAction.RETRY, RetryAction.EXIT
        return cls(
            attempts=attempts,
            evaluate_on_exit=(
                EvaluateOnExit(action=retry, on_status_reason="Host EC2*"),
                EvaluateOnExit(action=retry, on_status_reason="Your Spot Task was interrupted*"),
                EvaluateOnExit(action=retry, on_status_reason="Task failed to start*"),
                EvaluateOnExit(action=retry, on_reason="DockerTimeoutError*"),
                EvaluateOnExit(action=leave, on_reason="*"),
            ),
        )


class JobFields(TypedDict, total=False):
    """The fields of a `JobRequest` beside its job definition, for ``**fields`` arguments."""

    queue: str | None
    name: str | None
    parameters: Mapping[str, str | float]
    command: Sequence[str] | None
    environment: Mapping[str, str | float]
    vcpus: float | None
    memory_mib: int | None
    gpus: int | None
    array_size: int | None
    depends_on: Sequence[HasJobId | Dependency | str]
    retry: RetryStrategy | int | None
    attempt_timeout: timedelta | None
    tags: Mapping[str, str]
    propagate_tags: bool | None
    share_identifier: str | None
    scheduling_priority: int | None
    key: str | None
    extra: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job to submit. None, or nothing given, means that the job definition decides.

    Attributes:
        job_definition: ``name``, ``name:revision``, an ARN, or a `JobDefinition`. Without a
            revision, AWS takes the latest ACTIVE one.
        queue: Name or ARN of the job queue; None takes the client's default queue.
        name: Job name: letters, digits, ``-`` and ``_``, at most 128, beginning with a letter or
            digit. None generates a unique one, which also makes submission safest.
        parameters: Values for the definition's ``Ref::`` placeholders; numbers become text.
        command: Command of the container, one argument each.
        environment: Environment variables; numbers become text. Names may not begin with
            ``AWS_BATCH``.
        vcpus: vCPUs for the container; fractions are for Fargate.
        memory_mib: Memory limit in MiB, at least 4.
        gpus: GPUs for the container.
        array_size: 2 to 10,000 child jobs.
        depends_on: At most 20 jobs that must succeed first: `Job` handles, ids, `Dependency`
            values.
        retry: How often to attempt the job; an int is a number of attempts (1 to 10).
        attempt_timeout: Time that one attempt may take, 60 s or more, in whole seconds.
        tags: At most 50 tags.
        propagate_tags: Whether AWS copies the tags to the ECS task.
        share_identifier: Share of a queue with a fair-share policy; forbidden on others.
        scheduling_priority: 0 to 9,999 within a share.
        key: What makes this request the same as another one of an earlier run, for a client with a
            journal; at most 256 characters. None takes a hash of its content. Nothing of it is
            sent.
        extra: Further members of SubmitJob in AWS's own spelling, such as ``nodeOverrides``,
            ``eksPropertiesOverride``, ``ecsPropertiesOverride`` or
            ``consumableResourcePropertiesOverride``.

    Raises:
        InvalidRequest: A value breaks a rule; the error names field, value and rule.
    """

    job_definition: str | HasArn
    _: KW_ONLY
    queue: str | None = None
    name: str | None = None
    parameters: Mapping[str, str | float] = field(default_factory=dict)
    command: Sequence[str] | None = None
    environment: Mapping[str, str | float] = field(default_factory=dict)
    vcpus: float | None = None
    memory_mib: int | None = None
    gpus: int | None = None
    array_size: int | None = None
    depends_on: Sequence[HasJobId | Dependency | str] = ()
    retry: RetryStrategy | int | None = None
    attempt_timeout: timedelta | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    propagate_tags: bool | None = None
    share_identifier: str | None = None
    scheduling_priority: int | None = None
    key: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Bring the values into one form and check each against AWS's limits."""
        self._set(
            job_definition=_definition_name(self.job_definition),
            parameters=check.text_by_name("parameters", self.parameters),
            command=_arguments(self.command),
            environment=_environment(self.environment),
            depends_on=_dependencies(self.depends_on),
            retry=_retry(self.retry),
            tags=check.tags(self.tags),
            extra=check.mapping("extra", self.extra),
        )
        check.optional_text("queue", self.queue, at_most=2048)
        check.optional_job_name(self.name)
        self._check_resources()
        check.optional_integer("array_size", self.array_size, 2, 10_000)
        check.optional_timeout("attempt_timeout", self.attempt_timeout)
        check.optional_flag("propagate_tags", self.propagate_tags)
        check.optional_share_identifier(self.share_identifier)
        check.optional_integer("scheduling_priority", self.scheduling_priority, 0, 9999)
        check.optional_text("key", self.key, at_most=256)
        self._check_array_dependencies()

    def replace(self, **changes: Unpack[JobFields]) -> Self:
        """Return a copy with some fields changed, checked like a new one; itself without changes.

        Raises:
            InvalidRequest: A value breaks a rule.
            TypeError: There is no such field.
        """
        return dataclasses.replace(self, **changes) if changes else self

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_resources(self) -> None:
        check.optional_number("vcpus", self.vcpus, above=0)
        check.optional_integer("memory_mib", self.memory_mib, 4)
        check.optional_integer("gpus", self.gpus, 1)

    def _check_array_dependencies(self) -> None:
        """SEQUENTIAL and N_TO_N speak of an array's children, so the job must be an array."""
        for dependency in self.depends_on:
            if isinstance(dependency, Dependency) and dependency.type and self.array_size is None:
                raise InvalidRequest(
                    "depends_on",
                    dependency,
                    f"{dependency.type} is for array jobs; give array_size",
                )


def _definition_name(value: str | HasArn) -> str:
    # Text first: asking whether something has an arn is slow.
    text = value if isinstance(value, str) or not isinstance(value, HasArn) else value.arn
    return check.text(
        "job_definition",
        text,
        at_most=2048,
        rule="a job definition is a name, name:revision, or ARN",
    )


def _arguments(command: Sequence[str] | None) -> tuple[str, ...] | None:
    if command is None:
        return None
    if isinstance(command, str):
        raise InvalidRequest(
            "command", command, 'give a list of arguments, such as ["sh", "-c", "..."]'
        )
    return tuple(check.argument("command", argument) for argument in command)


def _environment(environment: Mapping[str, str | float]) -> dict[str, str]:
    values = check.text_by_name("environment", environment)
    for name in values:
        if not name or "=" in name or "\0" in name:
            raise InvalidRequest(
                "environment", name, "a variable's name is not empty and has no '='"
            )
        if name.startswith("AWS_BATCH"):
            raise InvalidRequest(
                "environment", name, "names that begin with AWS_BATCH are AWS's own"
            )
    return values


def _dependencies(values: Sequence[HasJobId | Dependency | str]) -> tuple[Dependency, ...]:
    if values == ():  # first of all: asking whether something has an id is slow
        return ()
    if isinstance(values, str | Dependency | HasJobId):
        raise InvalidRequest("depends_on", values, "give a list of jobs, even for one")
    if len(values) > 20:  # noqa: PLR2004 - AWS's limit, said in the message
        raise InvalidRequest("depends_on", values, f"at most 20 dependencies, not {len(values)}")
    return tuple(_dependency(value) for value in values)


def _dependency(value: HasJobId | Dependency | str) -> Dependency:
    if isinstance(value, Dependency):
        return value
    job_id = value if isinstance(value, str) or not isinstance(value, HasJobId) else value.id
    return Dependency(check.text("depends_on", job_id, rule="a dependency is a Job or a job id"))


def _retry(value: RetryStrategy | int | None) -> RetryStrategy | None:
    if value is None or isinstance(value, RetryStrategy):
        return value
    return RetryStrategy(attempts=value)
