"""What commands show of a job: one object in JSON, and short texts for tables."""

from collections.abc import Mapping
from datetime import timedelta

from asyncbatch._cli import output
from asyncbatch._cli.output import duration
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.failures import failure_of, wait_reason_of
from asyncbatch._values.results import Failure
from asyncbatch._values.status import JobStatus


def job_facts(job: JobDescription) -> dict[str, object]:
    """Return a job for JSON; the same members for every command, null where AWS gives no value."""
    return {
        "job_id": job.job_id,
        "name": job.name,
        "status": job.status,
        "status_reason": job.status_reason,
        "queue": short_name(job.queue),
        "job_definition": short_name(job.job_definition),
        "created_at": job.created_at,
        "started_at": job.started_at,
        "stopped_at": job.stopped_at,
        "exit_code": job.exit_code,
        "reason": job.reason,
        "failure": failure_facts(failure_of(job) if job.status is JobStatus.FAILED else None),
        "wait_reason": failure_facts(wait_reason_of(job)),
        "array": _array_facts(job),
        "share_identifier": job.share_identifier,
    }


def failure_facts(failure: Failure | None) -> dict[str, object] | None:
    """Return why a job failed or waits, for JSON."""
    if failure is None:
        return None
    return {"kind": failure.kind, "transient": failure.transient, "message": failure.message}


def _array_facts(job: JobDescription) -> dict[str, object] | None:
    if job.array is None:
        return None
    counts = {status: count for status, count in job.array.status_summary.items() if count}
    return {"size": job.array.size, "index": job.array.index, "counts": counts}


def short_name(arn: str | None) -> str | None:
    """Return the name in the ARN of a queue or job definition; a name as it is."""
    return arn.rpartition("/")[2] if arn and arn.startswith("arn:") else arn


def details(job: JobDescription) -> str:
    """Return the most important fact beside the state: counts of an array, or why it failed."""
    if job.is_array_parent:
        return counts_text(array_counts(job))
    if job.status is JobStatus.FAILED:
        failure = failure_of(job)
        return reason_text(failure) if failure else job.status_reason or ""
    waits = wait_reason_of(job)
    return reason_text(waits) if waits else ""


def reason_text(reason: Failure) -> str:
    """Return why a job failed or waits: the kind, and the message that may begin with it."""
    if reason.message.lower().startswith(reason.kind):
        return reason.message
    return f"{reason.kind}: {reason.message}"


def array_counts(job: JobDescription) -> Mapping[str, int]:
    """Return the number of children by state; those that AWS does not count yet as SUBMITTED."""
    array = job.array
    size = array.size if array and array.size else 0
    counts = {str(state): count for state, count in array.status_summary.items()} if array else {}
    missing = size - sum(counts.values())
    if missing > 0:
        state = job.status if job.status is JobStatus.SUCCEEDED else JobStatus.SUBMITTED
        counts[state] = counts.get(state, 0) + missing
    return {state: counts[state] for state in (*JobStatus, *counts) if counts.get(state)}


def counts_text(counts: Mapping[str, int]) -> str:
    """Return numbers of jobs by state, such as ``3 RUNNING, 97 SUCCEEDED``."""
    return ", ".join(f"{count:,} {state}" for state, count in counts.items())


def run_time(job: JobDescription) -> str:
    """Return how long the last attempt has run; empty before its start."""
    if job.started_at is None:
        return ""
    return duration(max((job.stopped_at or output.now()) - job.started_at, timedelta()))
