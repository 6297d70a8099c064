"""From a task to the job that it stands for, and to what tells that job from all others.

A run that was killed may have left a live job behind. The next run of the same task has to find
it, so a generated job name says which task it is, and which content: family, parameters and Luigi's
hash of both, then a hash of all that is asked of AWS. Where the user chose the name, tags say the
same. Tasks of two people that have the same id but ask for different jobs do not get into each
other's way.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from asyncbatch import InvalidRequest, JobRequest
from asyncbatch_luigi import config
from asyncbatch_luigi._conversions import as_retry, as_text, as_timeout, to_plain

FAMILY_TAG = "luigi:task-family"
ID_TAG = "luigi:task-id"
CONTENT_TAG = "luigi:content"

# The fields that have always been part of the content hash, set or not. The hash is stored in names
# and tags of live jobs, so this list must never change.
_ALWAYS_HASHED = frozenset(
    (
        *("array_size", "attempt_timeout", "command", "depends_on", "environment", "extra", "gpus"),
        *("job_definition", "memory_mib", "parameters", "propagate_tags", "queue", "retry"),
        *("scheduling_priority", "share_identifier", "vcpus"),
    )
)
_NEVER_HASHED = frozenset(("name", "tags", "key"))

_LONGEST_NAME = 128
_LONGEST_TAG = 256
_LONGEST_ID = 200
_HASH_LENGTH = 12
# Luigi ends a task id with its own hash of family and parameters.
_LUIGI_HASH_LENGTH = 10


class TaskAttributes(Protocol):
    """The attributes of a `BatchTask` that are read here; their meaning is documented there."""

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
    job_attempt_timeout: Any
    job_share_identifier: Any
    job_scheduling_priority: Any
    job_tags: Any
    job_propagate_tags: Any
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
    """What is to be done for one run of a task.

    Attributes:
        request: The job, with a name and with the task's own tags.
        identity: Tags that say whose job it is; they may be left out where tagging is not allowed.
        has_own_name: Whether the task chose the job's name, so that others may have it as well.
        follow_live_job: Whether to look for a live job of an earlier run first.
        stream_logs: Whether to write the job's log to Luigi's.
        terminate_on_interrupt: Whether the job is to end when the run is interrupted.
    """

    request: JobRequest
    identity: Mapping[str, str] = dataclasses.field(default_factory=dict)
    has_own_name: bool = True
    follow_live_job: bool = False
    stream_logs: bool = False
    terminate_on_interrupt: bool = False


def plan_run(task: TaskAttributes, request: JobRequest, settings: config.asyncbatch) -> RunPlan:
    """Return what is to be done for a task.

    Args:
        task: The task.
        request: What `build_request` made of it.
        settings: Luigi's configuration.

    Raises:
        InvalidRequest: A value breaks a rule.
    """
    content = _content_hash(task.task_id, request)
    # A journal finds the job by this key; a search by name would only add calls.
    key = f"{task.task_id[-_LONGEST_ID:]}-{content}" if settings.journal else None
    identity = {
        FAMILY_TAG: task.task_family[-_LONGEST_TAG:],
        ID_TAG: task.task_id[-_LONGEST_TAG:],
    }
    if request.name is not None:
        identity[CONTENT_TAG] = content
    return RunPlan(
        request=request.replace(name=request.name or _name(task.task_id, content), key=key),
        identity=identity if settings.tag_jobs else {},
        has_own_name=request.name is not None,
        follow_live_job=key is None
        and bool(_first(task.follow_live_job, settings.follow_live_job)),
        stream_logs=bool(_first(task.stream_logs, settings.stream_logs)),
        terminate_on_interrupt=_terminates(_first(task.on_interrupt, settings.on_interrupt)),
    )


def build_request(task: TaskAttributes, settings: config.asyncbatch) -> JobRequest:
    """Return the request that a task's attributes make.

    Raises:
        InvalidRequest: A value breaks a rule.
    """
    # Luigi writes a None as empty text, so empty text is a None.
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
        depends_on=tuple(task.job_depends_on),
        retry=as_retry(task.job_retry),
        attempt_timeout=as_timeout(task.job_attempt_timeout),
        tags=as_text("tags", task.job_tags or {}),
        propagate_tags=task.job_propagate_tags,
        share_identifier=task.job_share_identifier or None,
        scheduling_priority=task.job_scheduling_priority,
        extra=to_plain(task.job_extra or {}),
    )


def _first(own: object, configured: object) -> object:
    """Return what the task says, or else the configuration."""
    return configured if own is None else own


def _terminates(on_interrupt: object) -> bool:
    if on_interrupt not in ("leave", "terminate"):
        raise InvalidRequest("on_interrupt", on_interrupt, "'leave' or 'terminate'")
    return on_interrupt == "terminate"


def _content_hash(task_id: str, request: JobRequest) -> str:
    """Return a hash of what is asked for, whatever it is called and tagged with."""
    fields = {
        field.name: getattr(request, field.name)
        for field in dataclasses.fields(request)
        if _is_hashed(field, request)
    }
    text = json.dumps([task_id, fields], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]


def _is_hashed(field: "dataclasses.Field[Any]", request: JobRequest) -> bool:
    """Return whether a field is part of the hash: a new one only where it is set."""
    if field.name in _NEVER_HASHED:
        return False
    return field.name in _ALWAYS_HASHED or getattr(request, field.name) != _default(field)


def _default(field: "dataclasses.Field[Any]") -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _name(task_id: str, content: str) -> str:
    """Return a job name of at most 128 letters, digits, ``-`` and ``_``."""
    stem = re.sub(r"[^A-Za-z0-9_-]", "-", task_id).lstrip("-_")
    room = _LONGEST_NAME - 1 - len(content)
    if len(stem) > room:
        stem = f"{stem[: room - 1 - _LUIGI_HASH_LENGTH]}-{stem[-_LUIGI_HASH_LENGTH:]}"
    return f"{stem}-{content}" if stem else f"task-{content}"
