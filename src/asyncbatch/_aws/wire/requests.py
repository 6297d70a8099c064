"""Arguments of SubmitJob and RegisterJobDefinition, encoded from values.

The journal's identity of a request is a hash of what `submit_job` returns. So a field that is not
set must add no member, and the encoding of a field must not change (`tests/test_identities.py`).

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.request_checks import STRUCTURES
from asyncbatch._values.requests import Dependency, JobRequest
from asyncbatch._values.retries import EvaluateOnExit, RetryStrategy

Wire = Mapping[str, Any]

# Bytes; https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
SUBMIT_PAYLOAD_LIMIT = 30 * 1024
DEFINITION_LIMIT = 24 * 1024
# Characters; https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html
OVERRIDES_LIMIT = 8_192
_VARIABLE = len('{"name":"","value":""},')

# Bytes that stay free in both limits where something is added: AWS Batch adds variables as well.
_RESERVE = 1_024
_OTHER_OVERRIDES = frozenset({"nodeOverrides", "ecsPropertiesOverride", "eksPropertiesOverride"})

# Names and numbers, which are too short to reach the limit: most requests need no measuring.
_SHORT_MEMBERS = frozenset({"jobName", "jobQueue", "jobDefinition", "arrayProperties"})

MAX_TAGS = 50
DEFINITION_HASH_TAG = "asyncbatch:definition-sha256"


def submit_job(
    request: JobRequest, *, name: str, queue: str, marks: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the arguments of SubmitJob.

    Args:
        request: What to submit.
        name: Its job name.
        queue: Its job queue.
        marks: Tags in addition to those of the request.

    Raises:
        InvalidRequest: `extra` repeats a field, command and environment are longer than 8,192
            characters, or the arguments are larger than 30 KiB.
    """
    arguments = _present(
        jobName=name,
        jobQueue=queue,
        jobDefinition=request.job_definition,
        parameters=request.parameters,
        containerOverrides=_container_overrides(request),
        arrayProperties=_present(size=request.array_size),
        dependsOn=[_dependency(d) for d in request.depends_on if isinstance(d, Dependency)],
        retryStrategy=_retry_strategy(request.retry),
        timeout=_timeout(request.attempt_timeout),
        tags=request.tags,
        propagateTags=request.propagate_tags,
        shareIdentifier=request.share_identifier,
        schedulingPriorityOverride=request.scheduling_priority,
        consumableResourcePropertiesOverride=_consumable_resources(request.consumable_resources),
        nodeOverrides=request.node_overrides,
        ecsPropertiesOverride=request.ecs_properties_override,
        eksPropertiesOverride=request.eks_properties_override,
    )
    for member, value in request.extra.items():
        if member in arguments:
            rule = "a field of the request sets this member. Remove it from extra."
            raise InvalidRequest("extra", member, rule)
        arguments[member] = value
    if marks:
        arguments["tags"] = {**arguments.get("tags", {}), **marks}
    if not arguments.keys() <= _SHORT_MEMBERS:
        _check_overrides(request)
        _check_size("request", arguments, SUBMIT_PAYLOAD_LIMIT, "SubmitJob")
    return arguments


def with_variables(arguments: Wire, variables: Mapping[str, str]) -> Wire | None:
    """Return arguments of SubmitJob with further environment variables.

    They are returned unchanged where the container's environment cannot be extended: they have
    overrides of nodes, a task or a pod, or one of the variables, in capital or small letters:
    Windows does not distinguish these.

    Returns:
        The arguments; None where there is no room for the variables.
    """
    overrides = arguments.get("containerOverrides", {})
    environment = overrides.get("environment", []) if isinstance(overrides, Mapping) else None
    if not isinstance(environment, list) or not arguments.keys().isdisjoint(_OTHER_OVERRIDES):
        return arguments
    own = (each.get("name") for each in environment if isinstance(each, Mapping))
    if any(isinstance(name, str) and name.upper() in variables for name in own):
        return arguments
    added = [{"name": name, "value": value} for name, value in variables.items()]
    overrides = {**overrides, "environment": [*environment, *added]}
    extended = {**arguments, "containerOverrides": overrides}
    limits = ((overrides, OVERRIDES_LIMIT), (extended, SUBMIT_PAYLOAD_LIMIT))
    if any(_size(value) > limit - _RESERVE for value, limit in limits):
        return None
    return extended


def needs_model(request: JobRequest) -> bool:
    """Return whether a request has members that only the SDK's model of AWS Batch can check."""
    return bool(request.extra) or any(getattr(request, name) for name in STRUCTURES)


def _check_overrides(request: JobRequest) -> None:
    """Check the limit of ECS, which would fail the job after AWS Batch has accepted it.

    ECS counts the JSON with its punctuation, and what AWS Batch adds. That is not known, so a
    request just below the limit may still fail.
    """
    command = sum(len(argument) + len('"",') for argument in request.command or ())
    environment = sum(len(f"{n}{v}") + _VARIABLE for n, v in request.environment.items())
    if command + environment > OVERRIDES_LIMIT:
        rule = (
            f"ECS allows {OVERRIDES_LIMIT:,} characters of command and environment in a request,"
            f" and these are {command + environment:,}. Put large input into S3, or constant values"
            " into the job definition."
        )
        field = "command" if command > environment else "environment"
        raise InvalidRequest(field, f"<{max(command, environment):,} characters>", rule)


def _container_overrides(request: JobRequest) -> dict[str, Any]:
    resources = {"VCPU": request.vcpus, "MEMORY": request.memory_mib, "GPU": request.gpus}
    return _present(
        command=list(request.command or ()),
        environment=[{"name": n, "value": v} for n, v in request.environment.items()],
        resourceRequirements=[
            {"type": kind, "value": f"{amount:g}" if isinstance(amount, float) else str(amount)}
            for kind, amount in resources.items()
            if amount is not None
        ],
        instanceType=request.instance_type,
    )


def _consumable_resources(quantities: Mapping[str, int]) -> dict[str, Any]:
    listed = [{"consumableResource": n, "quantity": v} for n, v in quantities.items()]
    return _present(consumableResourceList=listed)


def _dependency(dependency: Dependency) -> dict[str, str]:
    return _present(jobId=dependency.job_id, type=dependency.type and str(dependency.type))


def _retry_strategy(retry: RetryStrategy | int | str | None) -> dict[str, Any]:
    if not isinstance(retry, RetryStrategy):
        return {}
    return _present(
        attempts=retry.attempts,
        evaluateOnExit=[_evaluate_on_exit(rule) for rule in retry.evaluate_on_exit],
    )


def _evaluate_on_exit(rule: EvaluateOnExit) -> dict[str, str]:
    return _present(
        onStatusReason=rule.on_status_reason,
        onReason=rule.on_reason,
        onExitCode=rule.on_exit_code,
        action=str(rule.action),
    )


def _timeout(limit: timedelta | None) -> dict[str, int]:
    return {} if limit is None else {"attemptDurationSeconds": int(limit.total_seconds())}


def register_job_definition(definition: Wire, *, tagged: bool = True) -> dict[str, Any]:
    """Return the arguments of RegisterJobDefinition.

    Args:
        definition: The definition in AWS's spelling.
        tagged: Whether to add a tag with the hash of the content, by which the revision is found
            again. A definition with 50 tags has no room for it.

    Raises:
        InvalidRequest: A required member is missing, the tags are no mapping, or the arguments are
            larger than 24 KiB.
    """
    for member in ("jobDefinitionName", "type"):
        if not isinstance(definition.get(member), str) or not definition[member]:
            rule = "is required and must be a non-empty string"
            raise InvalidRequest(f"definition[{member!r}]", definition.get(member), rule)
    arguments = dict(definition)
    tags = definition.get("tags", {})
    if not isinstance(tags, Mapping):
        rule = "must be a mapping of tag keys and values. Leave it out for no tags."
        raise InvalidRequest("definition['tags']", tags, rule)
    if tagged and len(tags) < MAX_TAGS:
        arguments["tags"] = {**tags, DEFINITION_HASH_TAG: definition_hash(definition)}
    _check_size("definition", arguments, DEFINITION_LIMIT, "a job definition")
    return arguments


def definition_hash(definition: Wire) -> str:
    """Return the SHA-256 of a job definition, independent of the order of its members."""
    import hashlib  # here, as it loads OpenSSL and only registering needs it

    text = json.dumps(definition, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _check_size(field: str, arguments: Wire, limit: int, what: str) -> None:
    size = _size(arguments)
    if size > limit:
        rule = f"{what} may have {limit:,} bytes, and this has {size:,}. Put large input into S3."
        raise InvalidRequest(field, f"<{size:,} bytes>", rule)


def _size(value: object) -> int:
    """Return the size in bytes as JSON."""
    return len(json.dumps(value, default=str).encode())


def _present(**members: object) -> dict[str, Any]:
    """Return the members that are set: neither None nor empty. False and 0 are set."""
    return {k: v for k, v in members.items() if v is not None and v not in ({}, [], ())}
