"""One job as a row: a dict of plain values, for tables, JSON and data frames."""

from datetime import datetime, timedelta
from typing import Any

from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.results import JobResult

_TIME = "datetime64[ns, UTC]"
# Types of pandas that have a value for "not known", so that a column has the same type whatever
# the jobs have: in each frame, also in an empty one.
COLUMN_TYPES = {
    "job_id": "string",
    "name": "string",
    "status": "string",
    "queue": "string",
    "job_definition": "string",
    "array_size": "Int64",
    "created_at": _TIME,
    "started_at": _TIME,
    "stopped_at": _TIME,
    "queue_delay": "float64",
    "run_time": "float64",
    "attempts": "Int64",
    "exit_code": "Int64",
    "vcpus": "float64",
    "memory_mib": "Int64",
    "gpus": "Int64",
    "failure_kind": "string",
    "transient": "boolean",
    "message": "string",
}
"""Columns of the rows in their order, and their types in a ``pandas.DataFrame``."""


def row_of(result: JobResult) -> dict[str, Any]:
    """Return a result as a row; see `JobResults.to_dicts` for its columns."""
    job, failure = result.description, result.failure
    container = job.containers[0] if len(job.containers) == 1 else None
    array = job.array
    return {
        "job_id": job.job_id,
        "name": job.name,
        "status": str(job.status),
        "queue": last_part(job.queue),
        "job_definition": last_part(job.job_definition),
        "array_size": array.size if array else None,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "stopped_at": job.stopped_at,
        "queue_delay": seconds_between(job.created_at, first_start(job)),
        "run_time": seconds(job.duration),
        "attempts": len(job.attempts),
        "exit_code": job.exit_code,
        "vcpus": container.vcpus if container else None,
        "memory_mib": container.memory_mib if container else None,
        "gpus": container.gpus if container else None,
        "failure_kind": str(failure.kind) if failure else None,
        "transient": failure.transient if failure else None,
        "message": failure.message if failure else None,
    }


def first_start(job: JobDescription) -> datetime | None:
    """Return when a job started for the first time; None if it never did."""
    starts = [each.started_at for each in job.attempts if each.started_at is not None]
    return min(starts) if starts else job.started_at


def seconds_between(begin: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds between two times; None where one of them is missing."""
    return None if begin is None or end is None else (end - begin).total_seconds()


def seconds(duration: timedelta | None) -> float | None:
    """Return a duration in seconds."""
    return None if duration is None else duration.total_seconds()


def last_part(arn: str | None) -> str | None:
    """Return the name that an ARN ends with; a name as it is."""
    return None if arn is None else arn.rpartition("/")[2]
