"""The parts of a job that AWS describes: containers, attempts, array, nodes, pod."""

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

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
    ]
)
_ATTEMPT_MEMBERS = frozenset(
    [
        "container",
        "containers",
        "taskProperties",
        "startedAt",
        "stoppedAt",
        "statusReason",
    ]
)
_POD_MEMBERS = frozenset({"podName", "nodeName", "containers"})
_NODE_RANGE_MEMBERS = frozenset({"targetNodes", "container", "ecsProperties", "eksProperties"})

# Members of which only these parts are modelled.
_RESOURCES = frozenset({"VCPU", "MEMORY", "GPU"})
_LOG_MEMBERS = frozenset({"logDriver", "options"})

_NUMBER = (int, float)  # made once, as it is asked for twenty times a job

T = TypeVar("T")

_LAST: dict[str, Any] = {}
_DEFINED: dict[str | None, tuple[Wire, Mapping[str, Any]]] = {}
_MOST_DEFINED = 100


def job_containers(detail: Wire) -> tuple[Container, ...]:
    """Return the containers of a container job, of an ECS task, or of an EKS pod."""
    tasks = (detail.get("ecsProperties") or {}).get("taskProperties") or ()
    if tasks:
        return _task_containers(tasks)
    pod = (detail.get("eksProperties") or {}).get("podProperties") or {}
    if pod:
        return tuple(one_container(c) for c in pod.get("containers") or ())
    container = detail.get("container")
    return (one_container(container),) if container else ()


def _task_containers(tasks: Iterable[Wire]) -> tuple[Container, ...]:
    """Return the containers of ECS tasks; the task's ARNs belong to each of its containers."""
    return tuple(
        one_container(
            {
                "taskArn": task.get("taskArn"),
                "containerInstanceArn": task.get("containerInstanceArn"),
                **container,
            }
        )
        for task in tasks
        for container in task.get("containers") or ()
    )


def attempts(detail: Wire) -> tuple[Attempt, ...]:
    listed = detail.get("attempts") or detail.get("eksAttempts") or ()
    return tuple(_attempt(number, attempt) for number, attempt in enumerate(listed, start=1))


def _attempt(number: int, attempt: Wire) -> Attempt:
    if attempt.get("taskProperties"):
        containers = _task_containers(attempt["taskProperties"])
    elif attempt.get("containers"):
        containers = tuple(one_container(c) for c in attempt["containers"])
    else:
        container = attempt.get("container")
        containers = (one_container(container),) if container else ()
    return Attempt(
        number=number,
        containers=containers,
        status_reason=attempt.get("statusReason") or None,
        started_at=moment(attempt.get("startedAt")),
        stopped_at=moment(attempt.get("stoppedAt")),
        extra={**rest(attempt, _ATTEMPT_MEMBERS), **task_rests(attempt)},
    )


def one_container(container: Wire) -> Container:
    defined = {member: said for member, said in container.items() if member not in _OF_ONE_RUN}
    return Container(
        exit_code=container.get("exitCode"),
        reason=container.get("reason") or None,
        log_stream_name=container.get("logStreamName") or None,
        task_arn=container.get("taskArn"),
        container_instance_arn=shared_text(container.get("containerInstanceArn")),
        **_as_defined(defined),
    )


def _as_defined(container: Wire) -> Mapping[str, Any]:
    """Return the fields of a `Container` that jobs of one definition have in common.

    The ones made last for an image are remembered: to see that they are the same takes a third of
    the time of making them, and for a hundred thousand jobs half of the memory.
    """
    image = container.get("image")
    known = _DEFINED.get(image)
    if known is not None and known[0] == container:
        return known[1]
    fields = _fields_as_defined(container)
    if len(_DEFINED) >= _MOST_DEFINED:
        _DEFINED.clear()
    _DEFINED[image] = (container, fields)
    return fields


def _fields_as_defined(container: Wire) -> dict[str, Any]:
    listed = container.get("resourceRequirements") or ()
    resources = {r.get("type"): r.get("value") for r in listed}
    logs = container.get("logConfiguration") or {}
    vcpus = resources.get("VCPU", container.get("vcpus"))
    memory = resources.get("MEMORY", container.get("memory"))
    return {
        "name": container.get("name"),
        "image": shared_text(container.get("image")),
        "command": shared("command", tuple(container.get("command") or ())),
        "environment": shared("environment", _environment(container)),
        "vcpus": None if vcpus is None else float(vcpus),
        "memory_mib": None if memory is None else int(memory),
        "gpus": None if resources.get("GPU") is None else int(resources["GPU"]),
        "log_driver": logs.get("logDriver"),
        "log_options": shared("log options", dict(logs.get("options") or {})),
        "extra": shared("container", _container_rest(container, listed, logs)),
    }


def _container_rest(container: Wire, resources: Iterable[Wire], logs: Wire) -> dict[str, Any]:
    said = rest(container, _CONTAINER_MEMBERS)
    if others := [r for r in resources if r.get("type") not in _RESOURCES]:
        said["resourceRequirements"] = others
    if logs and (more := rest(logs, _LOG_MEMBERS)):
        said["logConfiguration"] = more
    return said


def _environment(container: Wire) -> dict[str, str]:
    # EKS calls it env; both are lists of name and value.
    listed = container.get("environment") or container.get("env") or ()
    return {e["name"]: e.get("value", "") for e in listed if "name" in e}


def array(properties: Wire | None) -> ArrayProperties | None:
    if not properties:
        return None
    summary = properties.get("statusSummary") or {}
    return ArrayProperties(
        size=properties.get("size"),
        index=properties.get("index"),
        status_summary={JobStatus(s): n for s, n in summary.items()},
        updated_at=moment(properties.get("statusSummaryLastUpdatedAt")),
    )


def node(properties: Wire | None, details: Wire | None) -> NodeProperties | None:
    if not properties and not details:
        return None
    properties, details = properties or {}, details or {}
    return NodeProperties(
        count=properties.get("numNodes"),
        main_index=properties.get("mainNode"),
        index=details.get("nodeIndex"),
        is_main=bool(details.get("isMainNode")),
        ranges=tuple(_node_range(r) for r in properties.get("nodeRangeProperties") or ()),
    )


def _node_range(properties: Wire) -> NodeRange:
    return NodeRange(
        target_nodes=properties.get("targetNodes", ""),
        containers=job_containers(properties),
        extra={
            **rest(properties, _NODE_RANGE_MEMBERS),
            **present(
                ecsProperties=task_rests(properties.get("ecsProperties") or {}),
                eksProperties=_pod_rest(properties.get("eksProperties") or {}),
            ),
        },
    )


def pod(properties: Wire | None) -> PodProperties | None:
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
    # Batch says 0 for a moment that has not come.
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def seconds(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)


def task_rests(parent: Wire) -> dict[str, Any]:
    """Return what is said of ECS tasks beside their containers: roles, network, volumes."""
    rests = [
        # The ARNs are in the containers, if there are any.
        rest(task, frozenset({"containers", "taskArn", "containerInstanceArn"}))
        if task.get("containers")
        else dict(task)
        for task in parent.get("taskProperties") or ()
    ]
    return {"taskProperties": rests} if any(rests) else {}


def _pod_rest(parent: Wire) -> dict[str, Any]:
    """Return what is said of a pod of a node range beside its containers."""
    said = rest(parent.get("podProperties") or {}, frozenset({"containers"}))
    return present(podProperties=said)


def present(**members: object) -> dict[str, Any]:
    """Return the members that say something."""
    return {k: v for k, v in members.items() if v}


def rest(answer: Wire, known: frozenset[str]) -> dict[str, Any]:
    """Return what the values do not model, unless it is empty; numbers and False say something."""
    return {k: v for k, v in answer.items() if k not in known and (v or isinstance(v, _NUMBER))}


def shared(part: str, value: T) -> T:
    """Return an equal value that was met before as the same part of another job, if there is one.

    A hundred thousand jobs of one definition have the same command, environment and so on. Kept
    once for each they would take twice the memory. Only the last value is remembered.
    """
    if part in _LAST and _LAST[part] == value:
        value = _LAST[part]
    _LAST[part] = value
    return value


def shared_text(text: str | None) -> str | None:
    """Return the one copy of a text that many jobs have, such as a queue's ARN."""
    return None if text is None else sys.intern(text)
