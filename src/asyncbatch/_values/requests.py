"""Requests: jobs to submit, checked against AWS's limits before anything is sent.

A wrong value raises `InvalidRequest` with field, value and rule when the request is made.

The fields of `JobRequest` and the reprs of the values here are part of the identity of a request,
by which a journal and the Luigi adapter find jobs of earlier runs. A new field must not change the
identity of requests that do not set it (`tests/test_identities.py`).

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
from asyncbatch._values.described_fields import request_fields
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.masking import MaskedRepr
from asyncbatch._values.recovery import RecoveryPolicy, optional_policy
from asyncbatch._values.request_checks import (
    STRUCTURES,
    HasArn,
    arguments,
    definition_name,
    environment,
    quantities,
)
from asyncbatch._values.retries import EvaluateOnExit, RetryStrategy, retry_strategy
from asyncbatch._values.unknown_fields import names_unknown_fields

_MAX_DEPENDENCIES = 20


@runtime_checkable
class HasJobId(Protocol):
    """Anything with the ``id`` of a job: a `Job` handle."""

    @property
    def id(self) -> str:
        """Job id."""
        ...


class DependencyType(enum.StrEnum):
    """How an array job depends on another array job, or its children on each other.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_dependencies.html
    """

    #: Each child waits for the child with its index in the other array.
    N_TO_N = "N_TO_N"
    #: The children of this array run one after another.
    SEQUENTIAL = "SEQUENTIAL"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A job that must succeed first.

    Attributes:
        job_id: Id of the job; None only with SEQUENTIAL.
        type: None waits for the whole job. N_TO_N makes each child of the array wait for the child
            with its index in the other array. SEQUENTIAL makes the array's own children run one
            after another.

    Raises:
        InvalidRequest: There is neither a job id nor SEQUENTIAL.
    """

    job_id: str | None = None
    type: DependencyType | None = None

    def __post_init__(self) -> None:
        """Check the combination of the two."""
        check.optional_text("depends_on.job_id", self.job_id, at_most=2048)
        check.optional_choice("depends_on.type", self.type, DependencyType)
        if self.job_id is None and self.type != DependencyType.SEQUENTIAL:
            raise InvalidRequest(
                "depends_on.job_id",
                None,
                "a dependency needs a job id, unless its type is SEQUENTIAL",
            )


class JobFields(TypedDict, total=False):
    """The fields of a `JobRequest` except its job definition, for ``**fields`` arguments."""

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
    retry: RetryStrategy | int | str | None
    attempt_timeout: timedelta | None
    tags: Mapping[str, str]
    propagate_tags: bool | None
    share_identifier: str | None
    scheduling_priority: int | None
    key: str | None
    recovery: RecoveryPolicy | str | None
    consumable_resources: Mapping[str, int]
    instance_type: str | None
    node_overrides: Mapping[str, Any]
    ecs_properties_override: Mapping[str, Any]
    eks_properties_override: Mapping[str, Any]
    extra: Mapping[str, Any]


@names_unknown_fields
@dataclass(frozen=True, slots=True, repr=False)
class JobRequest(MaskedRepr):
    """A job to submit. For a field that is None or empty, the job definition decides.

    Attributes:
        job_definition: ``name``, ``name:revision``, an ARN, or a `JobDefinition`. Without a
            revision, AWS takes the latest ACTIVE one.
        queue: Name or ARN of the job queue; None uses the client's default queue.
        name: Job name: 1 to 128 letters, digits, ``-`` and ``_``, beginning with a letter or digit.
            None generates a unique name, by which a submission is found again reliably after a
            lost response.
        parameters: Values for the definition's ``Ref::`` placeholders; numbers become strings.
        command: Command of the container, as a list of arguments.
        environment: Environment variables; numbers become strings. AWS reserves names that begin
            with ``AWS_BATCH``.
        vcpus: vCPUs for the container; only Fargate accepts fractions.
        memory_mib: Memory limit in MiB, at least 4.
        gpus: GPUs for the container.
        array_size: Number of child jobs, 2 to 10,000; None for a job that is no array.
        depends_on: At most 20 jobs that must succeed first: `Job` handles, ids, `Dependency`
            values.
        retry: A `RetryStrategy`; or a number of attempts, 1 to 10, as an int or a string; or
            ``"spot:3"`` for `RetryStrategy.for_spot` with 3 attempts.
        attempt_timeout: Time limit of one attempt: 60 seconds or more, in whole seconds.
        tags: At most 50 tags; see `propagate_tags`.
        propagate_tags: Whether AWS copies the tags to the ECS task.
        share_identifier: Share identifier. Queues with a fair-share policy require one, other
            queues accept none.
        scheduling_priority: Priority within the share, 0 to 9,999; higher runs first.
        key: Identity of this request for a client with a journal, at most 256 characters: a
            request with the same key in a later run is the same request. None uses a hash of the
            request's content. AWS does not see it.
        recovery: How the job is submitted again when it fails: a `RecoveryPolicy`, or a short form
            such as ``"spot:3,fallback=on-demand"``. None uses the policy of `run` or of the client;
            an empty policy recovers nothing. It is no part of the request's identity.
        consumable_resources: Quantities of consumable resources that the job needs, by the name or
            ARN of each, 1 or more.
        instance_type: EC2 instance type for the container; AWS accepts it for multi-node jobs only.
        node_overrides: Changes of a multi-node job's definition, in the shape and spelling of AWS's
            NodeOverrides: ``{"numNodes": 4, "nodePropertyOverrides": [...]}``. Like the next two,
            it takes the place of `command`, `environment` and resources.
        ecs_properties_override: Changes of a definition with ``ecsProperties``, in the shape of
            AWS's EcsPropertiesOverride: ``{"taskProperties": [{"containers": [...]}]}``.
        eks_properties_override: Changes of a job on Amazon EKS, in the shape of AWS's
            EksPropertiesOverride: ``{"podProperties": {"containers": [...]}}``. Members inside of
            these three are compared with the SDK's model of AWS Batch before the job is sent.
        extra: Further members of SubmitJob in AWS's own spelling, for what AWS adds to it.

    Raises:
        InvalidRequest: A value breaks a rule; the error names field, value and rule.
        UnknownField: There is no such field; the error names the one that was meant.
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
    retry: RetryStrategy | int | str | None = None
    attempt_timeout: timedelta | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    propagate_tags: bool | None = None
    share_identifier: str | None = None
    scheduling_priority: int | None = None
    key: str | None = None
    recovery: RecoveryPolicy | str | None = None
    consumable_resources: Mapping[str, int] = field(default_factory=dict)
    instance_type: str | None = None
    node_overrides: Mapping[str, Any] = field(default_factory=dict)
    ecs_properties_override: Mapping[str, Any] = field(default_factory=dict)
    eks_properties_override: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Normalise the values and check each against AWS's limits."""
        self._set(
            job_definition=definition_name(self.job_definition),
            parameters=check.text_by_name("parameters", self.parameters),
            command=arguments(self.command),
            environment=environment(self.environment),
            depends_on=_dependencies(self.depends_on),
            retry=retry_strategy(self.retry),
            recovery=optional_policy(self.recovery),
            tags=check.tags(self.tags),
            consumable_resources=quantities(self.consumable_resources),
            extra=check.mapping("extra", self.extra),
            **{
                name: check.structure(name, getattr(self, name), members)
                for name, members in STRUCTURES.items()
            },
        )
        check.optional_text("queue", self.queue, at_most=2048)
        check.optional_job_name(self.name)
        self._check_resources()
        if self.array_size is not None:
            check.array_size("array_size", self.array_size)
        check.optional_timeout("attempt_timeout", self.attempt_timeout)
        check.optional_flag("propagate_tags", self.propagate_tags)
        check.optional_share_identifier(self.share_identifier)
        check.optional_integer("scheduling_priority", self.scheduling_priority, 0, 9999)
        check.optional_text("key", self.key, at_most=256)
        check.optional_text("instance_type", self.instance_type, at_most=256)
        self._check_array_dependencies()
        self._check_structures()

    @classmethod
    def from_description(cls, description: JobDescription) -> Self:
        """Return a request that makes the same job again.

        It has the exact revision of the job definition, and all that DescribeJobs returns of
        parameters, command, environment, resources, dependencies, retries and tags, whether the
        earlier request or the job definition set it. It has no `key`, and not what asyncbatch, its
        Luigi adapter, AWS or ECS added: generated names, tags such as ``luigi:task-id``, variables
        such as ``AWS_BATCH_JOB_ID``.

        Args:
            description: A job, or the parent of an array job, as DescribeJobs returned it:
                `Job.description`, or a value of `AsyncBatchClient.describe`.

        Raises:
            InvalidRequest: No request can be made from it: it is a child of an array job, a summary
                from ListJobs, a multi-node job, a job on Amazon EKS or one with ``ecsProperties``.

        Example:
            ```python
            job = await batch.submit("etl", environment={"DAY": "mon"})
            await job
            request = JobRequest.from_description(job.description)
            again = await batch.submit(request, vcpus=2)
            ```
        """
        fields = request_fields(description)
        if fields["retry"] is not None:
            rules = tuple(EvaluateOnExit(**rule) for rule in fields["retry"]["evaluate_on_exit"])
            fields["retry"] = RetryStrategy(
                attempts=fields["retry"]["attempts"], evaluate_on_exit=rules
            )
        fields["depends_on"] = [
            Dependency(job_id, type=None if kind is None else DependencyType(kind))
            for job_id, kind in fields["depends_on"]
        ]
        return cls(**fields)

    def replace(self, **changes: Unpack[JobFields]) -> Self:
        """Return a copy with changed fields, checked like a new request; `self` without changes.

        Raises:
            InvalidRequest: A value breaks a rule, or a request has no such field.
        """
        return dataclasses.replace(self, **changes) if changes else self

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_resources(self) -> None:
        # Which fractions of vCPUs Fargate allows depends on the memory: AWS checks that.
        check.optional_number("vcpus", self.vcpus, above=0)
        check.optional_integer("memory_mib", self.memory_mib, 4)
        check.optional_integer("gpus", self.gpus, 1)

    def _check_array_dependencies(self) -> None:
        """SEQUENTIAL and N_TO_N are about an array's children, so the job must be an array."""
        for dependency in self.depends_on:
            if isinstance(dependency, Dependency) and dependency.type and self.array_size is None:
                raise InvalidRequest(
                    "depends_on",
                    dependency,
                    f"{dependency.type} is for array jobs. Set array_size, or remove the type.",
                )

    def _check_structures(self) -> None:
        """Require that a job has one of these structures, or overrides of its only container."""
        given = [name for name in STRUCTURES if getattr(self, name)]
        if not given:
            return
        of_container = ("command", "environment", "vcpus", "memory_mib", "gpus", "instance_type")
        excluded = [*given[1:], *(name for name in of_container if getattr(self, name))]
        if given[0] == "node_overrides" and self.array_size is not None:
            excluded.append("array_size")
        if excluded:
            rule = f"not together with {given[0]}, which is for another kind of job"
            value = getattr(self, excluded[0])
            shown = type(value) if excluded[0] == "environment" else None
            raise InvalidRequest(excluded[0], value, rule, shown=shown)


def _dependencies(values: Sequence[HasJobId | Dependency | str]) -> tuple[Dependency, ...]:
    if values == ():  # first: isinstance() with a protocol is slow
        return ()
    if isinstance(values, str | Dependency | HasJobId):
        rule = "must be a list of jobs. Pass [job] for a single one."
        raise InvalidRequest("depends_on", values, rule)
    check.iterable("depends_on", values, rule="must be a list of jobs")
    jobs = tuple(values)
    if len(jobs) > _MAX_DEPENDENCIES:
        rule = f"at most {_MAX_DEPENDENCIES} dependencies are allowed, and these are {len(jobs)}"
        raise InvalidRequest("depends_on", values, rule)
    return tuple(map(_dependency, jobs))


def _dependency(value: HasJobId | Dependency | str) -> Dependency:
    if isinstance(value, Dependency):
        return value
    job_id = value if isinstance(value, str) or not isinstance(value, HasJobId) else value.id
    rule = "every item must be a Job, a job id or a Dependency"
    return Dependency(check.text("depends_on", job_id, rule=rule))
