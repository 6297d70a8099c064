"""Running again those of many jobs that FAILED: children of one array together, others alone."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from asyncbatch._jobs.array_job import ArrayJob
from asyncbatch._jobs.job import Job
from asyncbatch._jobs.many import submit_all
from asyncbatch._jobs.reruns import request_of_children, request_of_job, require_fields
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.requests import JobFields, JobRequest
from asyncbatch._values.status import JobStatus

if TYPE_CHECKING:  # loaded when a client opens
    from asyncbatch._session.session import Session

_Requests = list[tuple[Sequence[Job], JobRequest]]
"""Requests with the jobs that each of them runs again."""


async def rerun_failed(session: "Session", jobs: Sequence[Job], changes: JobFields) -> list[Job]:
    """Submit jobs that FAILED again; return a handle for each job, the same one for others.

    All requests are made before the first one is sent: a job that cannot run again stops all.

    Raises:
        InvalidRequest: A job has not ended, or cannot run again.
        AsyncBatchError: A submission failed.
    """
    require_fields(changes)
    for description in await session.api.describe_jobs(
        [job.id for job in dict.fromkeys(jobs) if not job.status.is_terminal]
    ):
        session.records.described(description)
    failed = [job for job in dict.fromkeys(jobs) if _has_failed(job)]
    arrays = [job for job in failed if isinstance(job, ArrayJob)]
    children = [job for job in failed if _parent_id(job)]
    alone = [job for job in failed if not isinstance(job, ArrayJob) and not _parent_id(job)]
    requests: _Requests = [([job], await job._request_of_failed(changes)) for job in arrays]
    requests += await _requests_of_children(session, children, changes)
    requests += await _requests_of_jobs(session, alone, changes)
    submitted = await submit_all(session, [request for _, request in requests])
    again: dict[Job, Job] = {}
    for (group, _), new in zip(requests, submitted, strict=True):
        is_split = isinstance(new, ArrayJob) and not isinstance(group[0], ArrayJob)
        handles: Iterable[Job] = new if is_split and isinstance(new, ArrayJob) else [new]
        again.update(zip(group, handles, strict=True))
    return [again.get(job, job) for job in jobs]


def _has_failed(job: Job) -> bool:
    """Return whether a job FAILED, not SUCCEEDED.

    Raises:
        InvalidRequest: It has not ended, or its end is not known.
    """
    description = job.description
    is_listed = description is not None and description.is_summary
    if not job.status.is_terminal or not (job.is_finished or is_listed):
        rule = "the job has not ended. Await it first."
        if job.is_finished:
            rule = "AWS no longer knows the job, so there is nothing to run again"
        raise InvalidRequest("jobs", job.id, rule)
    return job.status is JobStatus.FAILED


def _parent_id(job: Job) -> str:
    """Return the id of the array that a job is a child of; empty for other jobs."""
    parent, _, index = job._first_record.id.partition(":")
    return parent if index.isdecimal() else ""


async def _requests_of_children(
    session: "Session", children: Iterable[Job], changes: JobFields
) -> _Requests:
    groups: defaultdict[str, dict[int, Job]] = defaultdict(dict)
    for child in children:
        parent, _, index = child._first_record.id.partition(":")
        groups[parent][int(index)] = child
    described = await _described(session, list(groups))
    requests: _Requests = []
    for parent, group in groups.items():
        failed = [child.description for child in group.values() if child.description]
        request = request_of_children(described[parent], failed, list(group), changes)
        requests.append(([group[index] for index in sorted(group)], request))
    return requests


async def _requests_of_jobs(
    session: "Session", jobs: Sequence[Job], changes: JobFields
) -> _Requests:
    known = {job.id: job.description for job in jobs if job.description}
    listed = [job_id for job_id, description in known.items() if description.is_summary]
    described = {**known, **await _described(session, listed)}
    return [([job], request_of_job(described[job.id], changes)) for job in jobs]


async def _described(session: "Session", ids: Sequence[str]) -> dict[str, JobDescription]:
    """Return the descriptions of jobs by their ids.

    Raises:
        InvalidRequest: AWS no longer knows one of them.
    """
    described = {each.job_id: each for each in await session.api.describe_jobs(ids)}
    for job_id in ids:
        if job_id not in described:
            rule = "AWS no longer knows the job, so there is nothing to run again"
            raise InvalidRequest("jobs", job_id, rule)
    return described
