"""From the records of a session to handles, and back."""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from weakref import ref

from asyncbatch._jobs.array_job import ArrayJob
from asyncbatch._jobs.job import Job

if TYPE_CHECKING:  # loaded when a client opens
    from asyncbatch._session.records import JobRecord
    from asyncbatch._session.session import Session


def job_handle(session: "Session", record: "JobRecord") -> Job:
    """Return the handle of a record, the one in use if there is one."""
    record = record.latest  # a job and its further submissions have one handle
    handle: Job | None = record.handle() if record.handle else None
    if handle is None:
        size = record.array_size
        handle = Job(session, record) if size is None else ArrayJob(session, record, size)
        record.handle = ref(handle)
    return handle


def job_records(jobs: Iterable[Job]) -> "list[JobRecord]":
    """Return the records of handles."""
    return [job._record for job in jobs]
