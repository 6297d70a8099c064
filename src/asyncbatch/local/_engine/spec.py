"""What a job runs: its job definition merged with the overrides of SubmitJob, and validated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asyncbatch.local._engine.definitions import JobDefinition, check_timeout
from asyncbatch.local._engine.errors import client_error, not_supported
from asyncbatch.local._engine.ids import resource_name
from asyncbatch.local._engine.retry import RetryRules, parse_retry_strategy

_DEFAULT_GROUP = "/aws/batch/job"
_PRIORITIES = range(10_000)
_STREAM_NAME_CHARACTERS = 200  # AWS cuts the job definition's name in a stream's name

_UNSUPPORTED = {
    "nodeOverrides": "multi-node parallel jobs",
    "eksPropertiesOverride": "jobs on Amazon EKS",
    "ecsPropertiesOverride": "jobs with more than one container",
}
_UNSUPPORTED_IN_DEFINITIONS = {
    "nodeProperties": "multi-node parallel jobs",
    "eksProperties": "jobs on Amazon EKS",
    "ecsProperties": "jobs with more than one container",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTarget:
    """Where an attempt's output goes: the log group, and the prefix of its streams' names."""

    group: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What a job runs; the children of an array share one.

    Attributes:
        command: Command with `Ref::name` placeholders for parameters.
        environment: Variables of the job definition, overridden by the job's.
        parameters: Parameters of the job definition, overridden by the job's.
        container: `container` in DescribeJobs, before the first attempt.
        millicpus: Thousandths of a vCPU that an attempt occupies.
        gpus: GPUs that an attempt occupies.
        memory_mib: Memory limit of an attempt in MiB; None for none.
        consumables: Quantities of consumable resources, by the name of each.
        share_identifier: Share of a fair-share queue that the job belongs to.
        scheduling_priority: Priority within the share; None where neither sets one.
        retry: Retry strategy.
        timeout_seconds: Maximum duration of an attempt; None is unlimited.
        log: Target of the output; None for a log driver other than `awslogs`.
        extra: More members of the job in DescribeJobs, returned as they were given.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    parameters: Mapping[str, str]
    container: Mapping[str, Any]
    millicpus: int
    gpus: int
    memory_mib: int | None
    consumables: Mapping[str, int]
    share_identifier: str | None
    scheduling_priority: int | None
    retry: RetryRules
    timeout_seconds: int | None
    log: LogTarget | None
    extra: Mapping[str, Any]


def build_spec(request: Mapping[str, Any], definition: JobDefinition) -> JobSpec:
    """Merge a SubmitJob request with its job definition.

    Raises:
        ServiceError: The request is invalid, or uses a feature that the local engine does not have.
    """
    _check_supported(request, definition)
    container = _override(
        definition.body["containerProperties"], request.get("containerOverrides", {})
    )
    retry = request.get("retryStrategy", definition.body.get("retryStrategy"))
    timeout = request.get("timeout", definition.body.get("timeout"))
    check_timeout(timeout)
    parameters = {**definition.body.get("parameters", {}), **request.get("parameters", {})}
    return JobSpec(
        command=tuple(container.get("command", ())),
        environment={entry["name"]: entry.get("value", "") for entry in container["environment"]},
        parameters=parameters,
        container=container,
        millicpus=_millicpus(container),
        gpus=_whole(container, "GPU", None) or 0,
        memory_mib=_whole(container, "MEMORY", container.get("memory")),
        consumables=_consumables(request, definition),
        share_identifier=request.get("shareIdentifier"),
        scheduling_priority=_priority(request, definition),
        retry=parse_retry_strategy(retry),
        timeout_seconds=(timeout or {}).get("attemptDurationSeconds"),
        log=_log_target(container, definition.name),
        extra=_described_members(request, definition, parameters, retry, timeout),
    )


def _described_members(
    request: Mapping[str, Any],
    definition: JobDefinition,
    parameters: Mapping[str, str],
    retry: Mapping[str, Any] | None,
    timeout: Mapping[str, Any] | None,
) -> dict[str, Any]:
    strategy = {"attempts": 1, "evaluateOnExit": [], **(retry or {})}
    described = {
        "parameters": dict(parameters),
        "retryStrategy": strategy,
        "propagateTags": request.get("propagateTags", definition.body.get("propagateTags", False)),
        "platformCapabilities": definition.body.get("platformCapabilities", []),
    }
    optional = {
        "timeout": timeout and dict(timeout),
        "shareIdentifier": request.get("shareIdentifier"),
        "schedulingPriority": _priority(request, definition),
    }
    consumables = [
        {"consumableResource": reference, "quantity": quantity}
        for reference, quantity in _consumables(request, definition).items()
    ]
    if consumables:
        optional["consumableResourceProperties"] = {"consumableResourceList": consumables}
    return described | {name: value for name, value in optional.items() if value is not None}


def _consumables(request: Mapping[str, Any], definition: JobDefinition) -> dict[str, int]:
    """Return quantities of consumable resources; an override replaces that of the same one only."""
    quantities: dict[str, int] = {}
    for properties in (
        definition.body.get("consumableResourceProperties", {}),
        request.get("consumableResourcePropertiesOverride", {}),
    ):
        for entry in properties.get("consumableResourceList", []):
            reference, quantity = entry.get("consumableResource"), entry.get("quantity", 0)
            if not reference or quantity <= 0:
                raise client_error(f"Quantity {quantity} of {reference} should be above 0.")
            quantities[resource_name(reference, "consumable-resource")] = quantity
    return quantities


def _priority(request: Mapping[str, Any], definition: JobDefinition) -> int | None:
    of_definition: int | None = definition.body.get("schedulingPriority")
    priority: int | None = request.get("schedulingPriorityOverride", of_definition)
    if priority is not None and priority not in _PRIORITIES:
        raise client_error(f"Scheduling priority {priority} should be between 0 and 9999.")
    return priority


def _check_supported(request: Mapping[str, Any], definition: JobDefinition) -> None:
    for member, feature in _UNSUPPORTED.items():
        if request.get(member):
            raise not_supported(feature)
    for member, feature in _UNSUPPORTED_IN_DEFINITIONS.items():
        if definition.body.get(member):
            raise not_supported(feature)
    container = definition.body.get("containerProperties")
    if container is None:  # one of the other kinds, and empty
        raise client_error("The job definition has no containerProperties.")
    if container.get("secrets"):
        raise not_supported("secrets, which it cannot look up")


def _override(properties: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the container properties with the overrides applied."""
    if overrides.get("instanceType"):
        raise not_supported("instanceType, which is for multi-node parallel jobs")
    command = overrides.get("command")
    if command is not None and "" in command:
        raise client_error("Container override command should not contain empty strings.")
    container = {
        "volumes": [],
        "mountPoints": [],
        "ulimits": [],
        "networkInterfaces": [],
        "secrets": [],
        **properties,
        "environment": _merge_environment(properties, overrides),
        "resourceRequirements": _merge_resources(properties, overrides),
    }
    if command is not None:
        container["command"] = list(command)
    # These deprecated overrides apply to the properties of the same name only, not to
    # resourceRequirements.
    for legacy in ("vcpus", "memory"):
        if legacy in overrides and legacy in properties:
            container[legacy] = overrides[legacy]
    return container


def _merge_environment(
    properties: Mapping[str, Any], overrides: Mapping[str, Any]
) -> list[dict[str, str]]:
    merged: dict[str, str] = {}
    for entry in [*properties.get("environment", []), *overrides.get("environment", [])]:
        name = entry.get("name", "")
        if name.startswith("AWS_BATCH"):
            raise client_error("Environment variables cannot start with 'AWS_BATCH'.")
        merged[name] = entry.get("value", "")
    return [{"name": name, "value": value} for name, value in merged.items()]


def _merge_resources(
    properties: Mapping[str, Any], overrides: Mapping[str, Any]
) -> list[dict[str, str]]:
    entries = [
        *properties.get("resourceRequirements", []),
        *overrides.get("resourceRequirements", []),
    ]
    # An override replaces the entry of the same type only.
    merged = {entry["type"]: entry["value"] for entry in entries}
    return [{"value": value, "type": kind} for kind, value in merged.items()]


def _millicpus(container: Mapping[str, Any]) -> int:
    requirements = _requirements(container)
    vcpus: Any = requirements.get("VCPU", container.get("vcpus"))
    try:
        millicpus = round(float(vcpus) * 1000)
    except (TypeError, ValueError, OverflowError):
        raise client_error(f"Container vcpus {vcpus} should be a number.") from None
    if millicpus <= 0:
        raise client_error("Container vcpus should be greater than 0.")
    return millicpus


def _whole(container: Mapping[str, Any], kind: str, default: object) -> int | None:
    """Return a whole number of a resource; None where the container does not ask for it."""
    value: Any = _requirements(container).get(kind, default)
    if value is None:
        return None
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number <= 0:
        raise client_error(f"Container {kind} {value} should be a whole number above 0.")
    return number


def _requirements(container: Mapping[str, Any]) -> dict[str, Any]:
    return {entry["type"]: entry["value"] for entry in container["resourceRequirements"]}


def _log_target(container: Mapping[str, Any], definition_name: str) -> LogTarget | None:
    configuration = container.get("logConfiguration", {})
    if configuration.get("logDriver", "awslogs") != "awslogs":
        return None
    options = configuration.get("options", {})
    prefix = options.get("awslogs-stream-prefix") or definition_name[:_STREAM_NAME_CHARACTERS]
    return LogTarget(group=options.get("awslogs-group") or _DEFAULT_GROUP, prefix=prefix)
