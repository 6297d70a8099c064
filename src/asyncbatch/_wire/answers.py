"""Values made from what AWS answers: DescribeJobs, ListJobs, queues and job definitions.

What AWS says and the values do not model is kept in ``extra`` as it came, unless it is empty: Batch
echoes dozens of empty lists per job. Of a member that is modelled in part, the rest is kept.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDetail.html
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncbatch._models import (
    ArrayProperties,
    Attempt,
    Container,
    JobDefinition,
    JobDescription,
    JobQueue,
    NodeProperties,
    NodeRange,
    PodProperties,
)
from asyncbatch._status import JobStatus

Wire = Mapping[str, Any]

_DETAIL_MEMBERS = frozenset(
    [
        "jobArn",
        "jobName",
        "jobId",
        "jobQueue",
        "status",
        "statusReason",
        "shareIdentifier",
        "schedulingPriority",
        "createdAt",
        "startedAt",
        "stoppedAt",
        "retryStrategy",
        "dependsOn",
        "jobDefinition",
        "parameters",
        "tags",
        "timeout",
        "isCancelled",
        "isTerminated",
        "container",
        "attempts",
        "arrayProperties",
        "nodeProperties",
        "nodeDetails",
        "ecsProperties",
        "eksProperties",
        "eksAttempts",
    ]
)
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
        "exitCode",
        "reason",
        "logStreamName",
        "logConfiguration",
        "taskArn",
        "containerInstanceArn",
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
_PARTS: Mapping[str, frozenset[str]] = {
    "retryStrategy": frozenset({"attempts"}),
    "timeout": frozenset({"attemptDurationSeconds"}),
    "arrayProperties": frozenset({"size", "index", "statusSummary", "statusSummaryLastUpdatedAt"}),
    "nodeProperties": frozenset(
        {"numNodes", "mainNode", "nodeRangeProperties", "nodeIndex", "isMainNode"}
    ),
    "nodeDetails": frozenset({"nodeIndex", "isMainNode"}),
    "ecsProperties": frozenset({"taskProperties"}),
    "eksProperties": frozenset({"podProperties"}),
}
_RESOURCES = frozenset({"VCPU", "MEMORY", "GPU"})


def job_description(detail: Wire) -> JobDescription:
    """Return the value for a JobDetail of DescribeJobs."""
    return JobDescription(
        **_common(detail),
        containers=_job_containers(detail),
        attempts=_attempts(detail),
        array=_array(detail.get("arrayProperties")),
        node=_node(detail.get("nodeProperties"), detail.get("nodeDetails")),
        pod=_pod(detail.get("eksProperties")),
        depends_on=tuple(d["jobId"] for d in detail.get("dependsOn") or () if d.get("jobId")),
        parameters=dict(detail.get("parameters") or {}),
        tags=dict(detail.get("tags") or {}),
        scheduling_priority=detail.get("schedulingPriority"),
        attempt_timeout=_seconds((detail.get("timeout") or {}).get("attemptDurationSeconds")),
        attempts_allowed=(detail.get("retryStrategy") or {}).get("attempts"),
        extra=_job_rest(detail, _DETAIL_MEMBERS),
    )


_SUMMARY_MEMBERS = frozenset(
    [
        "jobArn",
        "jobId",
        "jobName",
        "createdAt",
        "status",
        "statusReason",
        "startedAt",
        "stoppedAt",
        "container",
        "arrayProperties",
        "nodeProperties",
        "jobDefinition",
        "shareIdentifier",
        "isCancelled",
        "isTerminated",
    ]
)


def job_summary(summary: Wire, *, queue: str | None = None) -> JobDescription:
    """Return the value for a JobSummary of ListJobs: no attempts, streams or environment."""
    container = summary.get("container")
    return JobDescription(
        **{**_common(summary), "queue": queue},
        containers=(_container(container),) if container else (),
        array=_array(summary.get("arrayProperties")),
        # ListJobs folds what makes a parent and what makes a node into one.
        node=_node(summary.get("nodeProperties"), summary.get("nodeProperties")),
        is_summary=True,
        extra=_job_rest(summary, _SUMMARY_MEMBERS),
    )


def job_queue(detail: Wire) -> JobQueue:
    """Return the value for a JobQueueDetail of DescribeJobQueues."""
    known = frozenset(
        {"jobQueueName", "jobQueueArn", "state", "status", "statusReason", "priority"}
    )
    return JobQueue(
        name=detail["jobQueueName"],
        arn=detail["jobQueueArn"],
        state=detail["state"],
        status=detail.get("status"),
        priority=detail.get("priority"),
        status_reason=detail.get("statusReason"),
        extra=_rest(detail, known),
    )


def job_definition(answer: Wire) -> JobDefinition:
    """Return the value for a registered revision, or for one that was described."""
    return JobDefinition(
        name=answer["jobDefinitionName"],
        revision=answer["revision"],
        arn=answer["jobDefinitionArn"],
    )


def _common(job: Wire) -> dict[str, Any]:
    """Return the members that a detail and a summary share."""
    return {
        "job_id": job["jobId"],
        "status": JobStatus.from_aws(job["status"]),
        "name": job.get("jobName", ""),
        "arn": job.get("jobArn"),
        "queue": job.get("jobQueue"),
        "job_definition": job.get("jobDefinition"),
        "status_reason": job.get("statusReason") or None,
        "created_at": _time(job.get("createdAt")),
        "started_at": _time(job.get("startedAt")),
        "stopped_at": _time(job.get("stoppedAt")),
        "share_identifier": job.get("shareIdentifier"),
        "is_cancelled": bool(job.get("isCancelled")),
        "is_terminated": bool(job.get("isTerminated")),
    }


def _job_containers(detail: Wire) -> tuple[Container, ...]:
    """Return the containers of a container job, of an ECS task, or of an EKS pod."""
    tasks = (detail.get("ecsProperties") or {}).get("taskProperties") or ()
    if tasks:
        return _task_containers(tasks)
    pod = (detail.get("eksProperties") or {}).get("podProperties") or {}
    if pod:
        return tuple(_container(c) for c in pod.get("containers") or ())
    container = detail.get("container")
    return (_container(container),) if container else ()


def _task_containers(tasks: Iterable[Wire]) -> tuple[Container, ...]:
    """Return the containers of ECS tasks; the task's ARNs belong to each of its containers."""
    return tuple(
        _container(
            {
                "taskArn": task.get("taskArn"),
                "containerInstanceArn": task.get("containerInstanceArn"),
                **container,
            }
        )
        for task in tasks
        for container in task.get("containers") or ()
    )


def _attempts(detail: Wire) -> tuple[Attempt, ...]:
    listed = detail.get("attempts") or detail.get("eksAttempts") or ()
    return tuple(_attempt(number, attempt) for number, attempt in enumerate(listed, start=1))


def _attempt(number: int, attempt: Wire) -> Attempt:
    if attempt.get("taskProperties"):
        containers = _task_containers(attempt["taskProperties"])
    elif attempt.get("containers"):
        containers = tuple(_container(c) for c in attempt["containers"])
    else:
        container = attempt.get("container")
        containers = (_container(container),) if container else ()
    return Attempt(
        number=number,
        containers=containers,
        status_reason=attempt.get("statusReason") or None,
        started_at=_time(attempt.get("startedAt")),
        stopped_at=_time(attempt.get("stoppedAt")),
        extra={**_rest(attempt, _ATTEMPT_MEMBERS), **_task_rests(attempt)},
    )


def _container(container: Wire) -> Container:
    listed = container.get("resourceRequirements") or ()
    resources = {r.get("type"): r.get("value") for r in listed}
    logs = container.get("logConfiguration") or {}
    vcpus = resources.get("VCPU", container.get("vcpus"))
    memory = resources.get("MEMORY", container.get("memory"))
    return Container(
        name=container.get("name"),
        image=container.get("image"),
        command=tuple(container.get("command") or ()),
        environment=_environment(container),
        vcpus=None if vcpus is None else float(vcpus),
        memory_mib=None if memory is None else int(memory),
        gpus=None if resources.get("GPU") is None else int(resources["GPU"]),
        exit_code=container.get("exitCode"),
        reason=container.get("reason") or None,
        log_stream_name=container.get("logStreamName") or None,
        log_driver=logs.get("logDriver"),
        log_options=dict(logs.get("options") or {}),
        task_arn=container.get("taskArn"),
        container_instance_arn=container.get("containerInstanceArn"),
        extra={
            **_rest(container, _CONTAINER_MEMBERS),
            **_present(
                resourceRequirements=[r for r in listed if r.get("type") not in _RESOURCES],
                logConfiguration=_rest(logs, frozenset({"logDriver", "options"})),
            ),
        },
    )


def _environment(container: Wire) -> dict[str, str]:
    # EKS calls it env; both are lists of name and value.
    listed = container.get("environment") or container.get("env") or ()
    return {e["name"]: e.get("value", "") for e in listed if "name" in e}


def _array(properties: Wire | None) -> ArrayProperties | None:
    if not properties:
        return None
    summary = properties.get("statusSummary") or {}
    return ArrayProperties(
        size=properties.get("size"),
        index=properties.get("index"),
        status_summary={JobStatus.from_aws(s): n for s, n in summary.items()},
        updated_at=_time(properties.get("statusSummaryLastUpdatedAt")),
    )


def _node(properties: Wire | None, details: Wire | None) -> NodeProperties | None:
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
        containers=_job_containers(properties),
        extra={
            **_rest(properties, _NODE_RANGE_MEMBERS),
            **_present(
                ecsProperties=_task_rests(properties.get("ecsProperties") or {}),
                eksProperties=_pod_rest(properties.get("eksProperties") or {}),
            ),
        },
    )


def _pod(properties: Wire | None) -> PodProperties | None:
    pod = (properties or {}).get("podProperties")
    if not pod:
        return None
    return PodProperties(
        name=pod.get("podName"),
        namespace=(pod.get("metadata") or {}).get("namespace"),
        node_name=pod.get("nodeName"),
        extra=_rest(pod, _POD_MEMBERS),
    )


def _time(milliseconds: float | None) -> datetime | None:
    # Batch says 0 for a moment that has not come.
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def _seconds(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)


def _job_rest(job: Wire, known: frozenset[str]) -> dict[str, Any]:
    """Return what a description does not model, also of the members that it models in part."""
    rest = _rest(job, known)
    for member, modelled in _PARTS.items():
        rest |= _present(**{member: _rest(job.get(member) or {}, modelled)})
    if tasks := _task_rests(job.get("ecsProperties") or {}):
        rest["ecsProperties"] = {**rest.get("ecsProperties", {}), **tasks}
    # A dependency without a job is one among an array's own children.
    typed = [d for d in job.get("dependsOn") or () if d.get("type")]
    return rest | _present(dependsOn=typed)


def _task_rests(parent: Wire) -> dict[str, Any]:
    """Return what is said of ECS tasks beside their containers: roles, network, volumes."""
    rests = [
        # The ARNs are in the containers, if there are any.
        _rest(task, frozenset({"containers", "taskArn", "containerInstanceArn"}))
        if task.get("containers")
        else dict(task)
        for task in parent.get("taskProperties") or ()
    ]
    return {"taskProperties": rests} if any(rests) else {}


def _pod_rest(parent: Wire) -> dict[str, Any]:
    """Return what is said of a pod of a node range beside its containers."""
    rest = _rest(parent.get("podProperties") or {}, frozenset({"containers"}))
    return _present(podProperties=rest)


def _present(**members: object) -> dict[str, Any]:
    """Return the members that say something."""
    return {k: v for k, v in members.items() if v}


def _rest(answer: Wire, known: frozenset[str]) -> dict[str, Any]:
    """Return what the values do not model, unless it is empty."""
    return {k: v for k, v in answer.items() if k not in known and v not in (None, "", [], {})}
