"""From the records of a session to handles, and back."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from asyncbatch._jobs.array_job import job_handle
from asyncbatch._jobs.job import Job

if TYPE_CHECKING:  # loaded when a client opens
    from asyncbatch._session.records import JobRecord
    from asyncbatch._session.session import Session

__all__ = ["job_handle", "job_records", "log_records"]


def job_records(jobs: Iterable[Job]) -> "list[JobRecord]":
    """Return the records of handles."""
    return [job._record for job in jobs]


def log_records(
    session: "Session", jobs: Iterable[Job | str], tail: int | None
) -> "list[JobRecord]":
    """Return the records of handles and ids whose logs come first, each once."""
    records = session.records
    return list(
        dict.fromkeys(
            job._log_record(tail) if isinstance(job, Job) else records.record(job) for job in jobs
        )
    )
