"""Arguments of the client's methods, normalised and checked."""

from collections.abc import Iterable
from typing import TypeVar

from asyncbatch._jobs.job import Job
from asyncbatch._values import checks
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.status import JobStatus

_LIST_OF_JOBS = "give a list of jobs, even for one"

T = TypeVar("T")


def jobs_each(jobs: Iterable[T]) -> list[T]:
    """Return handles and ids as a list; an array is its children."""
    checks.iterable("jobs", jobs, rule=_LIST_OF_JOBS)
    return list(jobs)


def handles(jobs: Iterable[Job]) -> list[Job]:
    """Return handles as a list."""
    given = jobs_each(jobs)
    for job in given:
        if not isinstance(job, Job):
            raise InvalidRequest("jobs", job, "every item must be a Job")
    return given


def job_ids(jobs: Iterable[Job | str]) -> list[str]:
    """Return the ids of handles and ids."""
    if isinstance(jobs, Job):  # an array too: here it is one job
        raise InvalidRequest("jobs", jobs, _LIST_OF_JOBS)
    checks.iterable("jobs", jobs, rule=_LIST_OF_JOBS)
    ids = [job.id if isinstance(job, Job) else job for job in jobs]
    return [checks.job_id("jobs", job_id) for job_id in ids]


def statuses(status: JobStatus | Iterable[JobStatus]) -> tuple[JobStatus, ...]:
    """Return states as a tuple."""
    if isinstance(status, str):
        return (checks.status("status", status),)
    checks.iterable("status", status, rule="must be a state, or a list of states")
    wanted = tuple(status)
    return tuple(checks.status("status", state) for state in wanted)


def check_run(*, max_in_flight: object, coalesce: object, check: object) -> None:
    """Check arguments of `AsyncBatchClient.run`, whose own `check` hides the module there."""
    checks.optional_integer("max_in_flight", max_in_flight, 1)
    checks.flag("coalesce", coalesce)
    checks.flag("check", check)


def one_of(**values: str | None) -> None:
    """Require that exactly one of several texts is given."""
    given = {field: value for field, value in values.items() if value is not None}
    if len(given) != 1:
        fields = " or ".join(f"{field}=" for field in values)
        raise InvalidRequest(" and ".join(values), given or None, f"give either {fields}")
    for field, value in given.items():
        checks.text(field, value, rule="must be a non-empty string")
