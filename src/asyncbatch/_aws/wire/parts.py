"""The parts of a job description: containers, attempts, array, nodes, pod.

AWS returns null, an empty list or nothing at all for a member without a value, depending on the
operation and the platform. So members are read with ``get(...) or`` the empty value.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncbatch._aws.wire.sharing import Fields, SharedValues, interned
from asyncbatch._values.descriptions import (
    ArrayProperties,
    Attempt,
    Container,
    NodeProperties,
    NodeRange,
    PodProperties,
)
from asyncbatch._values.status import JobStatus

Wire = Mapping[str, Any]

# Members that differ between the jobs of one job definition.
_OF_ONE_RUN = frozenset({"exitCode", "reason", "logStreamName", "taskArn", "containerInstanceArn"})
_CONTAINER_MEMBERS = frozenset(
    [
        "name",
        "image",
        "command",
        "environment",
        "env",
        "vcpus",
        "memory",
        "resourceRequirements",
        "logConfiguration",
        "essential",
    ]
)
_ATTEMPT_MEMBERS = frozenset(
    [
        "container",
        "containers",
        "initContainers",
        "taskProperties",
        "startedAt",
        "stoppedAt",
        "statusReason",
    ]
)
_POD_MEMBERS = frozenset({"podName", "nodeName", "containers"})
_NODE_RANGE_MEMBERS = frozenset({"targetNodes", "container", "ecsProperties", "eksProperties"})

# Members that a `Container` models in part: the rest of them is kept in `extra`.
_RESOURCES = frozenset({"VCPU", "MEMORY", "GPU"})
_LOG_MEMBERS = frozenset({"logDriver", "options"})

_NUMBER = (int, float)  # a constant, since it is used twenty times a job


def job_containers(detail: Wire, shared: SharedValues) -> tuple[Container, ...]:
    """Return the containers of a container job, of an ECS task, or of an EKS pod."""
    tasks = (detail.get("ecsProperties") or {}).get("taskProperties") or ()
    if tasks:
        return _task_containers(tasks, shared)
    pod = (detail.get("eksProperties") or {}).get("podProperties") or {}
    if pod:
        return tuple(one_container(c, shared) for c in pod.get("containers") or ())
    container = detail.get("container")
    return (one_container(container, shared),) if container else ()


def _task_containers(tasks: Iterable[Wire], shared: SharedValues) -> tuple[Container, ...]:
    """Return the containers of ECS tasks; the task's ARNs belong to each of its containers."""
    return tuple(
        one_container(
            {
                "taskArn": task.get("taskArn"),
                "containerInstanceArn": task.get("containerInstanceArn"),
                **container,
            },
            shared,
        )
        for task in tasks
        for container in task.get("containers") or ()
    )


def attempts(detail: Wire, shared: SharedValues) -> tuple[Attempt, ...]:
    """Return the finished attempts, oldest first; EKS jobs have them under another name."""
    listed = detail.get("attempts") or detail.get("eksAttempts") or ()
    sidecars = _not_essential(detail) if listed else frozenset()
    return tuple(
        [_attempt(number, each, sidecars, shared) for number, each in enumerate(listed, start=1)]
    )


def _not_essential(detail: Wire) -> frozenset[str]:
    """Return the names of the job's containers that are not essential: attempts do not say it."""
    tasks = (detail.get("ecsProperties") or {}).get("taskProperties") or ()
    return frozenset(
        container.get("name", "")
        for task in tasks
        for container in task.get("containers") or ()
        if container.get("essential") is False
    )


def _attempt(number: int, attempt: Wire, sidecars: frozenset[str], shared: SharedValues) -> Attempt:
    if attempt.get("taskProperties"):
        containers = tuple(
            dataclasses.replace(container, essential=False)
            if container.name in sidecars
            else container
            for container in _task_containers(attempt["taskProperties"], shared)
        )
    elif attempt.get("containers"):
        containers = tuple(one_container(c, shared) for c in attempt["containers"])
    else:
        container = attempt.get("container")
        containers = (one_container(container, shared),) if container else ()
    return Attempt(
        number=number,
        containers=containers,
        init_containers=tuple(
            [one_container(c, shared) for c in attempt.get("initContainers") or ()]
        ),
        status_reason=attempt.get("statusReason") or None,
        started_at=moment(attempt.get("startedAt")),
        stopped_at=moment(attempt.get("stoppedAt")),
        extra={**rest(attempt, _ATTEMPT_MEMBERS), **task_rests(attempt)},
    )


def one_container(container: Wire, shared: SharedValues) -> Container:
    """Return the value for one container of a job or of an attempt."""
    defined = {name: value for name, value in container.items() if name not in _OF_ONE_RUN}
    return Container(
        exit_code=container.get("exitCode"),
        reason=container.get("reason") or None,
        log_stream_name=container.get("logStreamName") or None,
        task_arn=container.get("taskArn"),
        container_instance_arn=interned(container.get("containerInstanceArn")),
        **shared.container_fields(defined, _defined_fields),
    )


def _defined_fields(container: Wire, shared: SharedValues) -> Fields:
    """Return the fields of a `Container` that the jobs of one job definition have in common."""
    listed = container.get("resourceRequirements") or ()
    resources = {r.get("type"): r.get("value") for r in listed}
    logs = container.get("logConfiguration") or {}
    # vcpus and memory are deprecated members, which old job definitions still have.
    vcpus = resources.get("VCPU", container.get("vcpus"))
    memory = resources.get("MEMORY", container.get("memory"))
    return {
        "name": container.get("name"),
        "image": interned(container.get("image")),
        "command": shared.one("command", tuple(container.get("command") or ())),
        "environment": shared.one("environment", _environment(container)),
        "vcpus": number(vcpus),
        "memory_mib": whole(memory),
        "gpus": whole(resources.get("GPU")),
        "essential": container.get("essential") is not False,
        "log_driver": logs.get("logDriver"),
        "log_options": shared.one("log options", dict(logs.get("options") or {})),
        "extra": shared.one("container", _container_rest(container, listed, logs)),
    }


def _container_rest(container: Wire, resources: Iterable[Wire], logs: Wire) -> dict[str, Any]:
    """Return what a `Container` does not model, also of members that it models in part."""
    extra = rest(container, _CONTAINER_MEMBERS)
    if others := [r for r in resources if r.get("type") not in _RESOURCES]:
        extra["resourceRequirements"] = others
    if logs and (more := rest(logs, _LOG_MEMBERS)):
        extra["logConfiguration"] = more
    return extra


def _environment(container: Wire) -> dict[str, str]:
    # EKS calls it env; both are lists of name and value.
    listed = container.get("environment") or container.get("env") or ()
    return {e["name"]: e.get("value") or "" for e in listed if e.get("name")}


def array(properties: Wire | None) -> ArrayProperties | None:
    """Return the value for arrayProperties; None for a job that is no array and no child."""
    if not properties:
        return None
    summary = properties.get("statusSummary") or {}
    return ArrayProperties(
        size=properties.get("size"),
        index=properties.get("index"),
        status_summary={JobStatus(s): n for s, n in summary.items()},
        updated_at=moment(properties.get("statusSummaryLastUpdatedAt")),
    )


def node(
    properties: Wire | None, details: Wire | None, shared: SharedValues
) -> NodeProperties | None:
    """Return the value for nodeProperties (a parent's) and nodeDetails (a node's)."""
    if not properties and not details:
        return None
    properties, details = properties or {}, details or {}
    return NodeProperties(
        count=properties.get("numNodes"),
        main_index=properties.get("mainNode"),
        index=details.get("nodeIndex"),
        is_main=bool(details.get("isMainNode")),
        ranges=tuple(_node_range(r, shared) for r in properties.get("nodeRangeProperties") or ()),
    )


def _node_range(properties: Wire, shared: SharedValues) -> NodeRange:
    return NodeRange(
        target_nodes=properties.get("targetNodes") or "",
        containers=job_containers(properties, shared),
        extra={
            **rest(properties, _NODE_RANGE_MEMBERS),
            **present(
                ecsProperties=task_rests(properties.get("ecsProperties") or {}),
                eksProperties=_pod_rest(properties.get("eksProperties") or {}),
            ),
        },
    )


def pod(properties: Wire | None) -> PodProperties | None:
    """Return the value for eksProperties; None for a job that is not on EKS."""
    pod = (properties or {}).get("podProperties")
    if not pod:
        return None
    return PodProperties(
        name=pod.get("podName"),
        namespace=(pod.get("metadata") or {}).get("namespace"),
        node_name=pod.get("nodeName"),
        extra=rest(pod, _POD_MEMBERS),
    )


def moment(milliseconds: float | None) -> datetime | None:
    """Return the time that Batch gives in milliseconds since the epoch; 0 means not yet."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def number(value: str | float | None) -> float | None:
    """Return a number that may be given as text; None for a text that is no number."""
    try:
        return None if value is None else float(value)
    except (OverflowError, ValueError):
        return None


def whole(value: str | float | None) -> int | None:
    """Return a whole number that may be given as text; None for a text that is none."""
    try:
        return None if value is None else int(value)
    except (OverflowError, ValueError):
        return None


def seconds(value: float | None) -> timedelta | None:
    """Return the duration that Batch gives in seconds."""
    return None if value is None else timedelta(seconds=value)


def task_rests(parent: Wire) -> dict[str, Any]:
    """Return members of ECS tasks other than their containers: roles, network, volumes."""
    rests = [
        # The ARNs are in the containers, if there are any.
        rest(task, frozenset({"containers", "taskArn", "containerInstanceArn"}))
        if task.get("containers")
        else dict(task)
        for task in parent.get("taskProperties") or ()
    ]
    return {"taskProperties": rests} if any(rests) else {}


def _pod_rest(parent: Wire) -> dict[str, Any]:
    """Return members of a node range's pod other than its containers."""
    extra = rest(parent.get("podProperties") or {}, frozenset({"containers"}))
    return present(podProperties=extra)


def present(**members: object) -> dict[str, Any]:
    """Return the members that are not empty."""
    return {k: v for k, v in members.items() if v}


def rest(structure: Wire, known: frozenset[str]) -> dict[str, Any]:
    """Return the members that are not in `known`, unless they are empty; 0 and False are kept."""
    return {k: v for k, v in structure.items() if k not in known and (v or isinstance(v, _NUMBER))}
