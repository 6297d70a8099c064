"""Values decoded from responses: DescribeJobs, ListJobs, job queues and job definitions.

Decoding is total: whatever a response holds, the result is a value without what cannot be read, or
`Unreadable` where an id or a state is missing. `shapes` says which types are expected.

Members that the values do not model are kept in ``extra`` unchanged, unless they are empty: Batch
returns dozens of empty lists per job. Of a member that is modelled in part, the rest is kept.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDetail.html
"""

import dataclasses
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from asyncbatch._aws.wire import parts, shapes
from asyncbatch._aws.wire.sharing import SharedValues, interned
from asyncbatch._values import checks as check
from asyncbatch._values.descriptions import JobDefinition, JobDescription, JobQueue
from asyncbatch._values.errors import AccessDenied, APIError, ServiceFault, Throttled
from asyncbatch._values.status import JobStatus

logger = logging.getLogger("asyncbatch")

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


UNREADABLE = "UnreadableResponse"
"""Error code of a `ServiceFault` for a response that cannot be read."""


class Unreadable(ValueError):
    """An item of a response lacks what identifies it, or its state."""


def job_description(detail: Wire, shared: SharedValues) -> JobDescription:
    """Return the value for a JobDetail of DescribeJobs.

    Members of an unexpected type are left out, and kept in ``extra``.

    Args:
        detail: The JobDetail.
        shared: Gives jobs one copy of what they have in common.

    Raises:
        Unreadable: It has no id or no state.
    """
    item, odd = readable(detail, shapes.JOB_DETAIL, ("jobId", "status"), shared)
    description = _description(item, shared)
    if item.get("tags", ()) is None:  # AWS has no such job: its tags are unknown, not empty
        odd["tags"] = None
    return description if not odd else _with_odd(description, odd)


def readable(
    item: Any,
    shape: shapes.Structure,
    required: Sequence[str],
    shared: SharedValues | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an item without odd members, and its odd members.

    Raises:
        Unreadable: A required member is missing, or odd.
    """
    odd: dict[str, Any] = {}
    clean = item
    if not shape.fits(item):
        paths: list[str] = []
        clean = shape.cleaned(item, "", paths)
        if clean is not None:
            names = dict.fromkeys(re.split(r"[.\[]", path)[0] for path in paths)
            odd = {name: item[name] for name in names}
            _log_odd(paths if shared is None else shared.new_odd_paths(paths))
    if clean is None or any(not clean.get(name) for name in required):
        raise Unreadable(
            f"an item of the response has no {' or no '.join(required)}: {item!r:.200}"
        )
    return clean, odd


_LOGGED_PATHS = 5


def _log_odd(paths: Sequence[str]) -> None:
    if not paths:
        return
    shown = ", ".join(paths[:_LOGGED_PATHS])
    logger.warning("unexpected types in a response of AWS; members ignored: %s", shown)


def _with_odd(description: JobDescription, odd: Mapping[str, Any]) -> JobDescription:
    return dataclasses.replace(description, extra={**description.extra, **odd})


def _description(detail: Wire, shared: SharedValues) -> JobDescription:
    return JobDescription(
        **_common(detail),
        containers=parts.job_containers(detail, shared),
        attempts=parts.attempts(detail, shared),
        array=parts.array(detail.get("arrayProperties")),
        node=parts.node(detail.get("nodeProperties"), detail.get("nodeDetails"), shared),
        pod=parts.pod(detail.get("eksProperties")),
        depends_on=tuple(d["jobId"] for d in detail.get("dependsOn") or () if d.get("jobId")),
        parameters=shared.one("parameters", dict(detail.get("parameters") or {})),
        tags=shared.one("tags", dict(detail.get("tags") or {})),
        scheduling_priority=detail.get("schedulingPriority"),
        attempt_timeout=parts.seconds((detail.get("timeout") or {}).get("attemptDurationSeconds")),
        attempts_allowed=(detail.get("retryStrategy") or {}).get("attempts"),
        extra=_job_rest(detail, _DETAIL_MEMBERS, shared),
    )


class SummaryMark(NamedTuple):
    """Members of a JobSummary that can change while a job is live."""

    status: str | None = None
    status_reason: str | None = None
    started_at: int | None = None  # a later attempt may have begun since the last list
    status_summary: tuple[tuple[str, int], ...] = ()


class JobMark(NamedTuple):
    """Members of a JobDetail that can change: a job with an equal mark needs no decoding."""

    status: str
    status_reason: str | None
    started_at: int | None
    stopped_at: int | None
    attempts: int
    log_stream_name: str | None
    task_arn: str | None
    exit_code: int | None
    reason: str | None
    status_summary: tuple[tuple[str, int], ...]
    is_cancelled: bool | None
    is_terminated: bool | None

    def as_listed(self) -> SummaryMark:
        """Return the `summary_mark` that ListJobs gives for the same job."""
        return SummaryMark(self.status, self.status_reason, self.started_at, self.status_summary)


def mark(detail: Wire) -> JobMark | None:
    """Return the mark of a job, which takes far less time than its description.

    None for jobs with several containers or nodes and for EKS jobs, which have more that can
    change, and for jobs with members of an unexpected type: they are decoded every time.
    """
    try:
        return _mark(detail)
    except (AttributeError, KeyError, TypeError):
        return None


def _mark(detail: Wire) -> JobMark | None:
    if "ecsProperties" in detail or "eksProperties" in detail or "nodeProperties" in detail:
        return None
    container = detail.get("container") or {}
    array = detail.get("arrayProperties") or {}
    return JobMark(
        detail["status"],
        detail.get("statusReason"),
        detail.get("startedAt"),
        detail.get("stoppedAt"),
        len(detail.get("attempts") or ()),
        container.get("logStreamName"),
        container.get("taskArn"),
        container.get("exitCode"),
        container.get("reason"),
        tuple((array.get("statusSummary") or {}).items()),
        detail.get("isCancelled"),
        detail.get("isTerminated"),
    )


def summary_mark(summary: Wire) -> SummaryMark | None:
    """Return the mark of a listed job; None for one with members of an unexpected type."""
    try:
        return _summary_mark(summary)
    except (AttributeError, KeyError, TypeError):
        return None


def _summary_mark(summary: Wire) -> SummaryMark:
    array = summary.get("arrayProperties") or {}
    return SummaryMark(
        summary["status"],
        summary.get("statusReason"),
        summary.get("startedAt"),
        tuple((array.get("statusSummary") or {}).items()),
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


def job_summary(summary: Wire, shared: SharedValues, *, queue: str | None = None) -> JobDescription:
    """Return the value for a JobSummary of ListJobs: no attempts, streams or environment.

    Args:
        summary: The JobSummary.
        shared: Gives jobs one copy of what they have in common.
        queue: The queue that was listed; a summary does not name it.

    Raises:
        Unreadable: It has no id or no state.
    """
    item, odd = readable(summary, shapes.JOB_SUMMARY, ("jobId", "status"), shared)
    description = _summary(item, shared, queue)
    return description if not odd else _with_odd(description, odd)


def _summary(summary: Wire, shared: SharedValues, queue: str | None) -> JobDescription:
    container = summary.get("container")
    return JobDescription(
        **{**_common(summary), "queue": queue},
        containers=(parts.one_container(container, shared),) if container else (),
        array=parts.array(summary.get("arrayProperties")),
        # ListJobs returns the members of a parent and of a node in one structure.
        node=parts.node(summary.get("nodeProperties"), summary.get("nodeProperties"), shared),
        is_summary=True,
        extra=_job_rest(summary, _SUMMARY_MEMBERS, shared),
    )


_FIRST_MS = 1_480_550_400_000  # AWS Batch was announced on 2016-12-01
_LAST_MS = 253_402_300_799_000  # the end of the year 9999, where datetime ends


class ListedJob(NamedTuple):
    """Members of a JobSummary by which a submission is looked up; None where not readable."""

    job_id: str | None
    name: str | None
    created_at: float | None  # seconds since the epoch


def _can_be_name(name: str) -> bool:
    """Return whether AWS can have accepted a job name; else bytes of it were lost, for example."""
    return name.isascii() and name.isprintable() and bool(name)


def listed_job(summary: object) -> ListedJob:
    """Return what identifies a listed job; an unreadable member is None, never an error."""
    members: Wire = summary if isinstance(summary, Mapping) else {}
    job_id, name = members.get("jobId"), members.get("jobName")
    created: Any = members.get("createdAt")
    is_number = isinstance(created, int | float) and not isinstance(created, bool)
    return ListedJob(
        job_id if isinstance(job_id, str) and check.is_job_id(job_id) else None,
        name if isinstance(name, str) and _can_be_name(name) else None,
        created / 1000 if is_number and _FIRST_MS <= created <= _LAST_MS else None,
    )


def job_queue(detail: Wire) -> JobQueue:
    """Return the value for a JobQueueDetail of DescribeJobQueues.

    Raises:
        Unreadable: It has no name, no ARN or no state.
    """
    required = ("jobQueueName", "jobQueueArn", "state")
    detail, _odd = readable(detail, shapes.JOB_QUEUE, required)
    known = frozenset(
        {"jobQueueName", "jobQueueArn", "state", "status", "statusReason", "priority"}
    )
    entries = detail.get("computeEnvironmentOrder") or ()
    order = sorted(entries, key=lambda entry: entry.get("order") or 0)
    return JobQueue(
        name=detail["jobQueueName"],
        arn=detail["jobQueueArn"],
        state=detail["state"],
        status=detail.get("status"),
        priority=detail.get("priority"),
        status_reason=detail.get("statusReason"),
        compute_environments=tuple(
            entry["computeEnvironment"] for entry in order if entry.get("computeEnvironment")
        ),
        extra=parts.rest(detail, known),
    )


def job_definition(detail: Wire) -> JobDefinition:
    """Return the value for a registered revision, or for one that was described.

    Raises:
        Unreadable: It has no name, no revision or no ARN.
    """
    required = ("jobDefinitionName", "revision", "jobDefinitionArn")
    detail, _odd = readable(detail, shapes.JOB_DEFINITION, required)
    return JobDefinition(
        name=detail["jobDefinitionName"],
        revision=detail["revision"],
        arn=detail["jobDefinitionArn"],
    )


# https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJobs.html
_REFUSALS: Mapping[str, type[APIError]] = {
    "ThrottlingException": Throttled,
    "ServerException": ServiceFault,
    "AccessDenied": AccessDenied,
}


def refusals(operation: str, ids: Sequence[str], response: Wire) -> dict[str, APIError]:
    """Return the errors of jobs that a bulk operation failed on, by their ids.

    A job that the response does not mention counts as a fault of AWS.
    """
    successful, listed = response.get("successful"), response.get("errors")
    done = {job_id for job_id in _items(successful) if isinstance(job_id, str)}
    errors = {
        error["job"]: error
        for error in _items(listed)
        if shapes.REFUSAL.fits(error) and error.get("job")
    }
    refused: dict[str, APIError] = {}
    for job_id in ids:
        if job_id not in done or job_id in errors:
            error = errors.get(job_id, {"message": "the response does not mention the job"})
            code = error.get("code") or "ServerException"
            kind = _REFUSALS.get(code, APIError)
            refused[job_id] = kind(operation, code, f"{job_id}: {error.get('message', '')}")
    return refused


def _items(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _common(job: Wire) -> dict[str, Any]:
    """Return the members that a detail and a summary share."""
    return {
        "job_id": job["jobId"],
        "status": JobStatus(job["status"]),
        "name": job.get("jobName") or "",
        "arn": job.get("jobArn"),
        "queue": interned(job.get("jobQueue")),
        "job_definition": interned(job.get("jobDefinition")),
        "status_reason": interned(job.get("statusReason") or None),
        "created_at": parts.moment(job.get("createdAt")),
        "started_at": parts.moment(job.get("startedAt")),
        "stopped_at": parts.moment(job.get("stoppedAt")),
        "share_identifier": job.get("shareIdentifier"),
        "is_cancelled": bool(job.get("isCancelled")),
        "is_terminated": bool(job.get("isTerminated")),
    }


def _job_rest(job: Wire, known: frozenset[str], shared: SharedValues) -> dict[str, Any]:
    """Return what a description does not model, also of members that it models in part."""
    rest = parts.rest(job, known)
    for member in _PARTS.keys() & job.keys():
        if (value := job[member]) and (more := parts.rest(value, _PARTS[member])):
            rest[member] = more
    if tasks := parts.task_rests(job.get("ecsProperties") or {}):
        rest["ecsProperties"] = {**rest.get("ecsProperties", {}), **tasks}
    # A dependency without a job id is SEQUENTIAL: between the array's own children.
    if typed := [d for d in job.get("dependsOn") or () if d.get("type")]:
        rest["dependsOn"] = typed
    return shared.one("job", rest)
