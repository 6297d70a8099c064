"""Fields of the request that makes a described job again: pure.

AWS completes a request from its job definition, and a description does not say which of the two a
value came from. So the fields have all that the job has, and the exact revision of its definition.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from asyncbatch._values.additions import (
    is_added_tag,
    is_generated_name,
    without_added_variables,
)
from asyncbatch._values.descriptions import Container, JobDescription
from asyncbatch._values.errors import InvalidRequest


def request_fields(job: JobDescription) -> dict[str, Any]:
    """Return the fields of a `JobRequest` that a description has, as plain values.

    ``retry`` is a mapping of the fields of a `RetryStrategy`, whose rules are mappings as well.
    ``depends_on`` has pairs of a job id and a type, each of which may be None.

    Raises:
        InvalidRequest: A request cannot be made from this description.
    """
    _require_complete(job)
    definition = job.job_definition or ""
    container = job.containers[0]
    return {
        "job_definition": definition,
        "queue": job.queue,
        "name": None if not job.name or is_generated_name(job.name, definition) else job.name,
        "parameters": job.parameters,
        "command": _command(container),
        "environment": without_added_variables(container.environment),
        "vcpus": _plain_number(container.vcpus),
        "memory_mib": container.memory_mib,
        "gpus": container.gpus or None,
        "array_size": job.array.size if job.array else None,
        "depends_on": described_dependencies(job),
        "retry": _retry(job),
        "attempt_timeout": job.attempt_timeout,
        "tags": {key: value for key, value in job.tags.items() if not is_added_tag(key)},
        "propagate_tags": job.extra.get("propagateTags"),
        "share_identifier": job.share_identifier,
        # Job definitions may have a priority, but only queues with shares accept one in a request.
        "scheduling_priority": job.scheduling_priority if job.share_identifier else None,
        "consumable_resources": _consumable_resources(job),
    }


def _require_complete(job: JobDescription) -> None:
    """Raise unless the description has all that made the job.

    Raises:
        InvalidRequest: It has not.
    """
    reason = _why_part(job) or _why_unknown(job) or _what_is_missing(job)
    if reason is not None:
        raise InvalidRequest("description", job.job_id, f"no request can be made from it: {reason}")


def _why_part(job: JobDescription) -> str | None:
    """Return why a job is a part of another one; None for a whole job."""
    if "#" in job.job_id or (job.node is not None and job.node.index is not None):
        return "it is a node of a multi-node job. Submit the whole job again."
    if job.array is not None and job.array.index is not None:
        return (
            "it is a child of an array job, and a plain job has no index. Use the description of"
            " the array job."
        )
    return None


def _why_unknown(job: JobDescription) -> str | None:
    """Return why it is not known what was overridden in a job; None where it is."""
    if job.node is not None:
        return "it is a multi-node job, and what was overridden for its nodes is not known"
    if job.pod is not None or "eksProperties" in job.extra:
        return "it is a job on Amazon EKS, and what was overridden in its pod is not known"
    if len(job.containers) > 1 or "ecsProperties" in job.extra or _is_named(job):
        return "it has ecsProperties, and what was overridden in its containers is not known"
    return None


def _what_is_missing(job: JobDescription) -> str | None:
    """Return what a description lacks; None for a complete one."""
    if job.is_summary:
        return (
            "ListJobs returns no command, environment or tags. Describe the job first:"
            " `await batch.describe([job_id])`."
        )
    members = {
        "container": job.containers,
        "job definition": job.job_definition,
        "queue": job.queue,
    }
    missing = [name for name, value in members.items() if not value]
    return f"it has no {missing[0]}" if missing else None


def _is_named(job: JobDescription) -> bool:
    return any(container.name for container in job.containers)


def _command(container: Container) -> tuple[str, ...] | None:
    """Return the command; None for one with an empty argument, which no request may contain."""
    return container.command if container.command and all(container.command) else None


def _plain_number(number: float | None) -> float | None:
    """Return 2 for 2.0, as people write it."""
    return int(number) if number is not None and number.is_integer() else number


def described_dependencies(job: JobDescription) -> list[tuple[str | None, str | None]]:
    """Return ids and types of the dependencies; a SEQUENTIAL one may have no id."""
    types: defaultdict[str | None, list[str]] = defaultdict(list)
    for dependency in _structures(job.extra.get("dependsOn")):
        types[dependency.get("jobId")].append(str(dependency.get("type")))
    named = [(job_id, types[job_id].pop() if types[job_id] else None) for job_id in job.depends_on]
    return [*named, *((None, each) for each in types[None])]


def _retry(job: JobDescription) -> dict[str, Any] | None:
    if job.attempts_allowed is None:
        return None
    strategy = job.extra.get("retryStrategy")
    rules = strategy.get("evaluateOnExit") if isinstance(strategy, Mapping) else None
    return {
        "attempts": job.attempts_allowed,
        "evaluate_on_exit": [
            {
                "action": rule.get("action"),
                "on_status_reason": rule.get("onStatusReason"),
                "on_reason": rule.get("onReason"),
                "on_exit_code": rule.get("onExitCode"),
            }
            for rule in _structures(rules)
        ],
    }


def _structures(value: object) -> list[Mapping[str, Any]]:
    """Return the structures in a list of AWS; members of an unexpected type are kept in `extra`."""
    listed = value if isinstance(value, list) else []
    return [each for each in listed if isinstance(each, Mapping)]


def _consumable_resources(job: JobDescription) -> dict[str, Any]:
    resources = job.extra.get("consumableResourceProperties")
    listed = resources.get("consumableResourceList") if isinstance(resources, Mapping) else None
    return {
        str(each.get("consumableResource")): each.get("quantity") for each in _structures(listed)
    }
