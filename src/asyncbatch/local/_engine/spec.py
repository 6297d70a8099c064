"""What a job is to run: its definition, with what SubmitJob overrides, checked as AWS checks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asyncbatch.local._engine.definitions import JobDefinition, check_timeout
from asyncbatch.local._engine.errors import client_error, not_here
from asyncbatch.local._engine.retry import RetryRules, parse_retry_strategy

_DEFAULT_GROUP = "/aws/batch/job"
_STREAM_NAME_CHARACTERS = 200  # of the job definition's name

_REFUSED = {
    "nodeOverrides": "multi-node parallel jobs",
    "eksPropertiesOverride": "jobs on Amazon EKS",
    "ecsPropertiesOverride": "jobs with more than one container",
    "consumableResourcePropertiesOverride": "consumable resources",
}
_REFUSED_IN_DEFINITIONS = {
    "nodeProperties": "multi-node parallel jobs",
    "eksProperties": "jobs on Amazon EKS",
    "ecsProperties": "jobs with more than one container",
    "consumableResourceProperties": "consumable resources",
}
_NO_POLICY = "A job queue without a scheduling policy does not accept {}."


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTarget:
    """Where an attempt's output goes: a log group, and what its streams' names begin with."""

    group: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What a job runs; an array's children share one.

    Attributes:
        command: The command, with `Ref::name` where a parameter belongs.
        environment: The variables that the definition and the job set.
        parameters: The definition's parameters, overridden by the job's.
        container: The container as DescribeJobs shows it before any attempt.
        millicpus: Thousandths of a vCPU that an attempt occupies.
        retry: When the job is tried again.
        timeout_seconds: How long an attempt may run, or None.
        log: Where the output goes; None when the log driver is not `awslogs`.
        extra: Members that DescribeJobs returns as they were given.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    parameters: Mapping[str, str]
    container: Mapping[str, Any]
    millicpus: int
    retry: RetryRules
    timeout_seconds: int | None
    log: LogTarget | None
    extra: Mapping[str, Any]


def build_spec(request: Mapping[str, Any], definition: JobDefinition) -> JobSpec:
    """Combine a SubmitJob request with its job definition.

    Raises:
        ServiceError: What AWS would answer, or what the local engine does not do.
    """
    _check_refused(request, definition)
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
        retry=parse_retry_strategy(retry),
        timeout_seconds=(timeout or {}).get("attemptDurationSeconds"),
        log=_log_target(container, definition.name),
        extra=_described(request, definition, parameters, retry, timeout),
    )


def _described(
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
    return {**described, "timeout": dict(timeout)} if timeout else described


def _check_refused(request: Mapping[str, Any], definition: JobDefinition) -> None:
    for member, what in _REFUSED.items():
        if request.get(member):
            raise not_here(what)
    for member, what in _REFUSED_IN_DEFINITIONS.items():
        if definition.body.get(member):
            raise not_here(what)
    if request.get("shareIdentifier"):
        raise client_error(_NO_POLICY.format("a shareIdentifier"))
    if request.get("schedulingPriorityOverride") is not None:
        raise client_error(_NO_POLICY.format("a schedulingPriorityOverride"))
    if definition.body["containerProperties"].get("secrets"):
        raise not_here("secrets: it cannot look them up")


def _override(properties: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the container as DescribeJobs shows it."""
    if overrides.get("instanceType"):
        raise not_here("instanceType: it belongs to multi-node parallel jobs")
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
    for legacy in ("vcpus", "memory"):  # they override their likes only, not resourceRequirements
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
    merged = {entry["type"]: entry["value"] for entry in entries}
    return [{"value": value, "type": kind} for kind, value in merged.items()]


def _millicpus(container: Mapping[str, Any]) -> int:
    given = {entry["type"]: entry["value"] for entry in container["resourceRequirements"]}
    if given.get("GPU"):
        raise not_here("GPUs")
    vcpus: Any = given.get("VCPU", container.get("vcpus"))
    try:
        millicpus = round(float(vcpus) * 1000)
    except (TypeError, ValueError):
        raise client_error(f"Container vcpus {vcpus} should be a number.") from None
    if millicpus <= 0:
        raise client_error("Container vcpus should be greater than 0.")
    return millicpus


def _log_target(container: Mapping[str, Any], definition_name: str) -> LogTarget | None:
    configuration = container.get("logConfiguration", {})
    if configuration.get("logDriver", "awslogs") != "awslogs":
        return None
    options = configuration.get("options", {})
    prefix = options.get("awslogs-stream-prefix") or definition_name[:_STREAM_NAME_CHARACTERS]
    return LogTarget(group=options.get("awslogs-group") or _DEFAULT_GROUP, prefix=prefix)
