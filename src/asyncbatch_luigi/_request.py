"""What a run of a task does: which job it requests, and how a rerun recognises that job.

Identity
--------
A run that was killed may have left a live job behind, and the next run of the same task must find
it. So a generated job name contains the task's id (family, parameters, and Luigi's hash of both)
and a hash of all that is requested from AWS. If the user chose the name, tags contain the same.
Tasks of two users that have the same id but request different jobs are distinguished by that hash.

The hash is stored in AWS, in names and tags of live jobs: the same request must have the same hash
in every version of this module, or an upgrade would run live jobs a second time.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from asyncbatch import InvalidRequest, JobRequest, RecoveryPolicy
from asyncbatch_luigi import config
from asyncbatch_luigi._conversions import as_text, as_timeout, to_plain

FAMILY_TAG = "luigi:task-family"
ID_TAG = "luigi:task-id"
CONTENT_TAG = "luigi:content"

# Fields that are hashed even if they are not set. This list must never change: fields that are
# added to `JobRequest` later are hashed only if they are set.
_ALWAYS_HASHED = frozenset(
    (
        *("array_size", "attempt_timeout", "command", "depends_on", "environment", "extra", "gpus"),
        *("job_definition", "memory_mib", "parameters", "propagate_tags", "queue", "retry"),
        *("scheduling_priority", "share_identifier", "vcpus"),
    )
)
_NEVER_HASHED = frozenset(("name", "tags", "key", "recovery"))

# Limits of AWS, in characters.
_NAME_LIMIT = 128
_TAG_LIMIT = 256
# Keeps a journal key, of a task id and a hash, below the client's limit of 256 characters.
_TASK_ID_LIMIT = 200
_HASH_LENGTH = 12
# A task id ends with Luigi's hash of family and parameters, of this length.
_LUIGI_HASH_LENGTH = 10


class TaskAttributes(Protocol):
    """The attributes of a `BatchTask` that are read here; `BatchTask` documents them.

    A protocol, as `task` imports this module.
    """

    task_id: str
    job_definition: Any
    job_name: Any
    job_queue: Any
    job_command: Any
    job_environment: Any
    job_vcpus: Any
    job_memory_mib: Any
    job_gpus: Any
    job_array_size: Any
    job_depends_on: Any
    job_retry: Any
    job_recovery: Any
    job_attempt_timeout: Any
    job_share_identifier: Any
    job_scheduling_priority: Any
    job_tags: Any
    job_propagate_tags: Any
    job_consumable_resources: Any
    job_instance_type: Any
    job_node_overrides: Any
    job_ecs_properties_override: Any
    job_eks_properties_override: Any
    job_extra: Any
    stream_logs: Any
    on_interrupt: Any
    follow_live_job: Any

    @property
    def task_family(self) -> str:
        """Luigi's name of the task's class."""
        ...

    @property
    def parameters(self) -> Mapping[str, object]:
        """Values for ``Ref::`` placeholders."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What one run of a task does.

    Attributes:
        request: The job, with its name and the task's own tags.
        identity: Tags that identify the task; left out if the user may not tag jobs.
        has_own_name: Whether the task sets the job's name, so that other jobs may have it as well.
        follow_live_job: Whether to search for a live job of an earlier run first.
        searched_queues: Job queues to search; empty for that of the request.
        fallback_queues: Job queues to which the task's recovery policy may submit the job.
        stream_logs: Whether to copy the job's log to Luigi's log.
        terminate_on_interrupt: Whether to terminate the job if the run is interrupted.
        default_tags: Tags that the client adds; no part of the identity.
    """

    request: JobRequest
    identity: Mapping[str, str] = dataclasses.field(default_factory=dict)
    has_own_name: bool = True
    follow_live_job: bool = False
    searched_queues: tuple[str, ...] = ()
    fallback_queues: tuple[str, ...] = ()
    stream_logs: bool = False
    terminate_on_interrupt: bool = False
    default_tags: Mapping[str, str] = dataclasses.field(default_factory=dict)


def plan_run(task: TaskAttributes, request: JobRequest, settings: config.asyncbatch) -> RunPlan:
    """Return what a run of a task does.

    Args:
        task: The task.
        request: The request that its attributes describe; see `build_request`.
        settings: The ``[asyncbatch]`` section of Luigi's configuration.

    Raises:
        InvalidRequest: A value breaks a rule.
    """
    content = _content_hash(task.task_id, request)
    # With a journal, the client finds the job of an earlier run by this key, and no search for live
    # jobs is needed.
    key = f"{task.task_id[-_TASK_ID_LIMIT:]}-{content}" if settings.journal else None
    identity = {
        FAMILY_TAG: task.task_family[-_TAG_LIMIT:],
        ID_TAG: task.task_id[-_TAG_LIMIT:],
    }
    if request.name is not None:
        identity[CONTENT_TAG] = content
    policy = request.recovery
    return RunPlan(
        request=request.replace(name=request.name or _name(task.task_id, content), key=key),
        identity=identity if settings.tag_jobs else {},
        has_own_name=request.name is not None,
        follow_live_job=key is None
        and bool(_setting(task.follow_live_job, settings.follow_live_job)),
        fallback_queues=policy.queues if isinstance(policy, RecoveryPolicy) else (),
        stream_logs=bool(_setting(task.stream_logs, settings.stream_logs)),
        terminate_on_interrupt=_terminates(_setting(task.on_interrupt, settings.on_interrupt)),
        default_tags=settings.job_tags or {},
    )


def build_request(task: TaskAttributes, settings: config.asyncbatch) -> JobRequest:
    """Return the request that a task's attributes describe.

    Raises:
        InvalidRequest: A value breaks a rule.
    """
    # Luigi serialises None as empty text, so empty text stands for None here.
    return JobRequest(
        task.job_definition,
        name=task.job_name or None,
        queue=task.job_queue or settings.job_queue or None,
        parameters=as_text("parameters", task.parameters),
        command=task.job_command,
        environment=as_text("environment", task.job_environment or {}),
        vcpus=task.job_vcpus,
        memory_mib=task.job_memory_mib,
        gpus=task.job_gpus,
        array_size=task.job_array_size,
        depends_on=task.job_depends_on,
        retry=task.job_retry,
        recovery=task.job_recovery or settings.job_recovery or None,
        attempt_timeout=as_timeout(task.job_attempt_timeout),
        tags=as_text("tags", task.job_tags or {}),
        propagate_tags=task.job_propagate_tags,
        share_identifier=task.job_share_identifier or None,
        scheduling_priority=task.job_scheduling_priority,
        consumable_resources=to_plain(task.job_consumable_resources or {}),
        instance_type=task.job_instance_type or None,
        node_overrides=to_plain(task.job_node_overrides or {}),
        ecs_properties_override=to_plain(task.job_ecs_properties_override or {}),
        eks_properties_override=to_plain(task.job_eks_properties_override or {}),
        extra=to_plain(task.job_extra or {}),
    )


def _setting(own: object, configured: object) -> object:
    """Return the task's own setting, or the configured one if that is None."""
    return configured if own is None else own


def _terminates(on_interrupt: object) -> bool:
    if on_interrupt not in ("leave", "terminate"):
        raise InvalidRequest("on_interrupt", on_interrupt, "must be 'leave' or 'terminate'")
    return on_interrupt == "terminate"


def _content_hash(task_id: str, request: JobRequest) -> str:
    """Return a hash of a task's id and of a request, without its name, tags and key."""
    fields = {
        field.name: getattr(request, field.name)
        for field in dataclasses.fields(request)
        if _is_hashed(field, request)
    }
    # `default=str` hashes the repr of RetryStrategy and Dependency: it must not change either.
    text = json.dumps([task_id, fields], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]


def _is_hashed(field: "dataclasses.Field[Any]", request: JobRequest) -> bool:
    """Return whether a field is part of the hash: always, never, or only if it is set."""
    if field.name in _NEVER_HASHED:
        return False
    return field.name in _ALWAYS_HASHED or getattr(request, field.name) != _default(field)


def _default(field: "dataclasses.Field[Any]") -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _name(task_id: str, content: str) -> str:
    """Return a job name of letters, digits, ``-`` and ``_``, at most 128, as AWS requires.

    A task id that is too long is cut, but keeps Luigi's hash at its end.
    """
    stem = re.sub(r"[^A-Za-z0-9_-]", "-", task_id).lstrip("-_")
    limit = _NAME_LIMIT - 1 - len(content)
    if len(stem) > limit:
        stem = f"{stem[: limit - 1 - _LUIGI_HASH_LENGTH]}-{stem[-_LUIGI_HASH_LENGTH:]}"
    return f"{stem}-{content}" if stem else f"task-{content}"
