"""The fields of a `JobRequest` from a SubmitJob document, in AWS's spelling.

It is what ``aws batch submit-job --cli-input-json`` reads, and what ``asyncbatch submit --dry-run``
prints.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
"""

import re
from collections.abc import Mapping
from typing import Any

from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.unknown_fields import require_known

# The field that a member stands for.
_SAME = {
    "jobName": "name",
    "jobQueue": "queue",
    "jobDefinition": "job_definition",
    "parameters": "parameters",
    "tags": "tags",
    "propagateTags": "propagate_tags",
    "shareIdentifier": "share_identifier",
    "schedulingPriorityOverride": "scheduling_priority",
    "nodeOverrides": "node_overrides",
    "ecsPropertiesOverride": "ecs_properties_override",
    "eksPropertiesOverride": "eks_properties_override",
}
MEMBERS = (
    *_SAME,
    "containerOverrides",
    "arrayProperties",
    "dependsOn",
    "retryStrategy",
    "timeout",
    "consumableResourcePropertiesOverride",
)
IN_BOTH = frozenset(("key", "recovery", "extra"))
"""Fields that SubmitJob does not have; a document may have them all the same."""

# Where the others are, for messages about their values.
_PLACES = {
    **{field: member for member, field in _SAME.items()},
    "command": "containerOverrides.command",
    "environment": "containerOverrides.environment",
    "vcpus": "containerOverrides.resourceRequirements VCPU",
    "memory_mib": "containerOverrides.resourceRequirements MEMORY",
    "gpus": "containerOverrides.resourceRequirements GPU",
    "instance_type": "containerOverrides.instanceType",
    "array_size": "arrayProperties.size",
    "depends_on": "dependsOn",
    "retry": "retryStrategy",
    "attempt_timeout": "timeout.attemptDurationSeconds",
    "consumable_resources": "consumableResourcePropertiesOverride",
}
_RESOURCES = {"VCPU": "vcpus", "MEMORY": "memory_mib", "GPU": "gpus"}


def fields_of(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the members of a SubmitJob document stand for.

    Raises:
        InvalidRequest: A structure has another shape than AWS's.
        UnknownField: SubmitJob has no such member.
    """
    require_known("SubmitJob", members, frozenset((*MEMBERS, *IN_BOTH)))
    fields: dict[str, Any] = {}
    for name, value in members.items():
        if name in _SAME:
            fields[_SAME[name]] = value
        elif name in IN_BOTH:
            fields[name] = value
    fields |= _container_overrides(members.get("containerOverrides", {}))
    if array := _structure("arrayProperties", members.get("arrayProperties", {}), "size"):
        fields["array_size"] = array["size"]
    limit = _structure("timeout", members.get("timeout", {}), "attemptDurationSeconds")
    if limit:
        fields["attempt_timeout"] = limit["attemptDurationSeconds"]
    if "dependsOn" in members:
        fields["depends_on"] = _dependencies(members["dependsOn"])
    if "retryStrategy" in members:
        fields["retry"] = _retry(members["retryStrategy"])
    if "consumableResourcePropertiesOverride" in members:
        override = members["consumableResourcePropertiesOverride"]
        fields["consumable_resources"] = _consumable_resources(override)
    return fields


def place_of(field: str) -> str:
    """Return where a document has a field of `JobRequest`, such as ``environment['DAY']``."""
    name = re.match(r"\w*", field)[0]  # type: ignore[index] # it matches any text
    return _PLACES.get(name, name) + field[len(name) :]


def _container_overrides(value: object) -> dict[str, Any]:
    overrides = _structure(
        "containerOverrides",
        value,
        *("command", "environment", "resourceRequirements", "instanceType", "vcpus", "memory"),
    )
    fields: dict[str, Any] = {}
    if "command" in overrides:
        fields["command"] = overrides["command"]
    if "instanceType" in overrides:
        fields["instance_type"] = overrides["instanceType"]
    if "environment" in overrides:
        field = "containerOverrides.environment"
        fields["environment"] = _by_name(field, overrides["environment"], "name", "value")
    # AWS has replaced these two by resourceRequirements, and still accepts them.
    for name, target in (("vcpus", "vcpus"), ("memory", "memory_mib")):
        if name in overrides:
            fields[target] = overrides[name]
    field = "containerOverrides.resourceRequirements"
    needed = _by_name(field, overrides.get("resourceRequirements", []), "type", "value")
    for kind, amount in needed.items():
        if kind not in _RESOURCES:
            raise InvalidRequest(f"{field}.type", kind, f"must be one of {', '.join(_RESOURCES)}")
        fields[_RESOURCES[kind]] = amount
    return fields


def _dependencies(value: object) -> list[dict[str, Any]]:
    items = [_structure("dependsOn", item, "jobId", "type") for item in _list("dependsOn", value)]
    names = {"jobId": "job_id", "type": "type"}
    return [{names[name]: member for name, member in item.items()} for item in items]


def _retry(value: object) -> dict[str, Any]:
    strategy = _structure("retryStrategy", value, "attempts", "evaluateOnExit")
    names = {
        "action": "action",
        "onStatusReason": "on_status_reason",
        "onReason": "on_reason",
        "onExitCode": "on_exit_code",
    }
    field = "retryStrategy.evaluateOnExit"
    rules = [
        _structure(field, rule, *names) for rule in _list(field, strategy.get("evaluateOnExit", []))
    ]
    return {
        # AWS's own default: https://docs.aws.amazon.com/batch/latest/APIReference/API_RetryStrategy.html
        "attempts": strategy.get("attempts", 1),
        "evaluate_on_exit": [{names[name]: rule[name] for name in rule} for rule in rules],
    }


def _consumable_resources(value: object) -> dict[str, Any]:
    field = "consumableResourcePropertiesOverride"
    override = _structure(field, value, "consumableResourceList")
    listed = override.get("consumableResourceList", [])
    return _by_name(f"{field}.consumableResourceList", listed, "consumableResource", "quantity")


def _by_name(field: str, value: object, name: str, content: str) -> dict[str, Any]:
    """Return a list of AWS's pairs as a mapping.

    Raises:
        InvalidRequest: It is no such list, or has a name twice.
    """
    result: dict[str, Any] = {}
    for item in _list(field, value):
        pair = _structure(field, item, name, content)
        if not isinstance(pair.get(name), str):
            raise InvalidRequest(f"{field}.{name}", pair.get(name), "is required and must be text")
        if content not in pair:
            rule = f"{content} is required"
            raise InvalidRequest(f"{field}.{name}", pair[name], rule)
        if pair[name] in result:
            raise InvalidRequest(f"{field}.{name}", pair[name], "is there twice")
        result[pair[name]] = pair[content]
    return result


def _structure(field: str, value: object, *members: str) -> dict[str, Any]:
    """Return the members of a structure that are not null.

    Raises:
        InvalidRequest: It is no structure.
        UnknownField: It has other members.
    """
    if not isinstance(value, Mapping):
        rule = f"must be an object with {' and '.join(members)}"
        raise InvalidRequest(field, value, rule, shown=_shown(field, value))
    require_known(field, value, frozenset(members))
    return {name: member for name, member in value.items() if member is not None}


def _list(field: str, value: object) -> list[Any]:
    check.iterable(field, value, rule="must be a list")
    return list(value)  # type: ignore[call-overload, no-any-return] # it was checked


def _shown(field: str, value: object) -> object:
    """Return what a message shows instead of a value that may contain secrets."""
    return type(value) if "environment" in field else None
