"""What methods of the client are given, brought into one form and checked."""

from collections.abc import Iterable

from asyncbatch import _checks as check
from asyncbatch._errors import InvalidRequest
from asyncbatch._job import Job
from asyncbatch._status import JobStatus


def job_ids(jobs: Iterable[Job | str]) -> list[str]:
    """Return the ids of handles and ids."""
    if isinstance(jobs, str | Job):
        raise InvalidRequest("jobs", jobs, "give a list of jobs, even for one")
    ids = [job.id if isinstance(job, Job) else job for job in jobs]
    return [check.text("jobs", job_id, rule="each one is a Job or a job id") for job_id in ids]


def statuses(status: JobStatus | Iterable[JobStatus] | None) -> tuple[JobStatus, ...]:
    """Return the states that are asked for; None asks for all."""
    if status is None:
        return tuple(JobStatus)
    wanted = (status,) if isinstance(status, str) else tuple(status)
    for state in wanted:
        if state not in list(JobStatus):
            raise InvalidRequest("status", state, f"one of {', '.join(JobStatus)}")
    return tuple(JobStatus(state) for state in wanted)
