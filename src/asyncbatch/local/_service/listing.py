"""ListJobs: by status, or by one filter.

A listing by status has the order in which jobs entered the status, and its tokens are numbers of
such entries (see `status_index`). The results of a filter have the newest job first, and their
tokens are sequence numbers of jobs. Either way the next page starts after the last job of the
previous one, whatever changed in between: a job that is in a status all the time appears exactly
once. A job that changes its status between two pages may appear twice or not at all.

A page costs no more than the jobs that it passes over.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from asyncbatch._values.status import JobStatus
from asyncbatch.local._engine.errors import client_error, not_supported
from asyncbatch.local._engine.ids import number_of
from asyncbatch.local._engine.job_store import JobStore, QueueJobs
from asyncbatch.local._engine.jobs import Job
from asyncbatch.local._engine.limits import FILTERED_JOBS, LISTED_JOBS, page_size
from asyncbatch.local._engine.queues import JobQueues
from asyncbatch.local._engine.status_index import StatusIndex
from asyncbatch.local._service.paging import decode_token, encode_token

IsVisible = Callable[[Job], bool]
Page = tuple[list[Job], str | None]

_SCOPES = ("jobQueue", "arrayJobId", "multiNodeJobId")


def list_jobs(
    params: Mapping[str, Any],
    *,
    queues: JobQueues,
    store: JobStore,
    is_visible: IsVisible,
) -> Page:
    """Return a page of jobs and the token of the next page.

    Raises:
        ServiceError: The request is invalid, or uses an unsupported feature.
    """
    if sum(scope in params for scope in _SCOPES) != 1:
        raise client_error(f"Exactly one of {', '.join(_SCOPES)} must be specified.")
    status = _status(params)
    if "multiNodeJobId" in params:
        raise not_supported("multi-node parallel jobs")
    if "arrayJobId" in params:  # AWS ignores filters for children
        parent = store.find(params["arrayJobId"])
        array = parent.array if parent is not None else None
        return _by_status(params, array.index if array else StatusIndex(), status, is_visible)
    jobs = store.of_queue(queues.get(params["jobQueue"]))
    if params.get("filters"):
        return _by_filter(params, jobs, is_visible)
    return _by_status(params, jobs.by_status, status, is_visible)


def _status(params: Mapping[str, Any]) -> JobStatus:
    given = params.get("jobStatus", JobStatus.RUNNING)
    if given not in JobStatus.__members__:
        raise client_error(f"Job status {given} is not one of {', '.join(JobStatus)}.")
    return JobStatus(given)


def _by_status(
    params: Mapping[str, Any], index: StatusIndex[Job], status: JobStatus, is_visible: IsVisible
) -> Page:
    size = page_size(params.get("maxResults"), LISTED_JOBS)
    found: list[tuple[Job, int]] = []
    # Reads one job more than fits, because a token promises that the next page is not empty.
    for job, number in index.after(status, decode_token(params.get("nextToken")) or 0):
        if not is_visible(job):
            continue
        if len(found) == size:
            return [job for job, _ in found], encode_token(found[-1][1])
        found.append((job, number))
    return [job for job, _ in found], None


def _by_filter(params: Mapping[str, Any], jobs: QueueJobs, is_visible: IsVisible) -> Page:
    size = page_size(params.get("maxResults"), FILTERED_JOBS)
    before = decode_token(params.get("nextToken"))
    found: list[Job] = []
    for job in _filtered(params, jobs):
        if (before is not None and job.sequence >= before) or not is_visible(job):
            continue
        if len(found) == size:
            return found, encode_token(found[-1].sequence)
        found.append(job)
    return found, None


def _filtered(params: Mapping[str, Any], jobs: QueueJobs) -> Iterator[Job]:
    """Return the jobs that match a filter, newest first; only a share is combined with a state."""
    filters: list[Mapping[str, Any]] = params["filters"]
    if len(filters) > 1:
        raise client_error("Only one filter can be used at a time.")
    name = filters[0].get("name")
    values = filters[0].get("values", [])
    if not values:
        raise client_error("A filter needs a value.")
    if name == "JOB_NAME":
        return _named(jobs, values)
    if name == "JOB_DEFINITION":
        return (job for job in jobs.newest_first() if _uses(job, values))
    if name in {"BEFORE_CREATED_AT", "AFTER_CREATED_AT"}:
        return _created(jobs, name, _milliseconds(values[0]))
    if name == "SHARE_IDENTIFIER":
        state = params.get("jobStatus")
        return (
            job
            for job in jobs.newest_first()
            if job.spec.share_identifier in values and state in (None, job.status)
        )
    raise client_error(f"Filter name {name} is not supported.")


def _named(jobs: QueueJobs, values: Iterable[str]) -> Iterator[Job]:
    wanted = [value.lower() for value in values]
    prefixes = tuple(value[:-1] for value in wanted if value.endswith("*"))
    if prefixes or len(wanted) > 1:
        return (
            job
            for job in jobs.newest_first()
            if job.name.lower() in wanted or job.name.lower().startswith(prefixes)
        )
    return iter(jobs.named(wanted[0]))


def _uses(job: Job, values: Iterable[str]) -> bool:
    definition = job.definition
    return any(
        value in {definition.name, definition.arn}
        or (value.endswith("*") and definition.name.startswith(value[:-1]))
        for value in values
    )


def _created(jobs: QueueJobs, name: str, moment: int) -> Iterator[Job]:
    for job in jobs.newest_first():
        if name == "BEFORE_CREATED_AT" and job.created_at < moment:
            yield job
        if name == "AFTER_CREATED_AT" and job.created_at > moment:
            yield job


def _milliseconds(text: str) -> int:
    moment = number_of(text)
    if moment is None:
        raise client_error(f"Filter value {text} should be a number of milliseconds.")
    return moment
