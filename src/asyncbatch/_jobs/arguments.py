"""What methods of the client are given, brought into one form and checked."""

from collections.abc import Iterable
from typing import TypeVar

from asyncbatch._jobs.job import Job
from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.status import JobStatus

_LIST_OF_JOBS = "give a list of jobs, even for one"

T = TypeVar("T")


def jobs_each(jobs: Iterable[T]) -> list[T]:
    """Return handles, or ids, as they were given; an array gives its children."""
    check.iterable("jobs", jobs, rule=_LIST_OF_JOBS)
    return list(jobs)


def handles(jobs: Iterable[Job]) -> list[Job]:
    """Return handles as they were given."""
    given = jobs_each(jobs)
    for job in given:
        if not isinstance(job, Job):
            raise InvalidRequest("jobs", job, "each one is a Job")
    return given


def job_ids(jobs: Iterable[Job | str]) -> list[str]:
    """Return the ids of handles and ids."""
    if isinstance(jobs, Job):  # an array, too: it is one job here
        raise InvalidRequest("jobs", jobs, _LIST_OF_JOBS)
    check.iterable("jobs", jobs, rule=_LIST_OF_JOBS)
    ids = [job.id if isinstance(job, Job) else job for job in jobs]
    return [check.text("jobs", job_id, rule="each one is a Job or a job id") for job_id in ids]


def statuses(status: JobStatus | Iterable[JobStatus] | None) -> tuple[JobStatus, ...]:
    """Return the states that are asked for; None asks for all."""
    if status is None:
        return tuple(JobStatus)
    wanted = (status,) if isinstance(status, str) else tuple(status)
    return tuple(check.status("status", state) for state in wanted)
