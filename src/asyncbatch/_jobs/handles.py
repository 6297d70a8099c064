"""From the records of a session to handles, and back."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from asyncbatch._jobs.array_job import ChildJob, job_handle
from asyncbatch._jobs.job import Job
from asyncbatch._results.job_results import JobResults
from asyncbatch._values.events import Observer

if TYPE_CHECKING:  # loaded when a client opens
    from asyncbatch._session.records import JobRecord
    from asyncbatch._session.session import Session
    from asyncbatch._values.results import JobResult

__all__ = [
    "array_size",
    "job_handle",
    "job_records",
    "known_results",
    "log_records",
    "observe",
    "wholes",
]


def job_records(jobs: Iterable[Job]) -> "list[JobRecord]":
    """Return the records of handles."""
    return [job._record for job in jobs]


def known_results(jobs: Iterable[Job]) -> JobResults:
    """Return the results of the jobs whose end is known, in their order."""
    results: list[JobResult] = []
    earlier: dict[str, list[JobResult]] = {}
    for job in jobs:
        result = job._result
        if result is None:
            continue
        results.append(result)
        failed = [each.result for each in job._first_record.submissions_before_last()]
        if known := [each for each in failed if each is not None]:
            earlier[result.job_id] = known
    return JobResults(results, earlier=earlier)


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


def array_size(job: Job) -> int | None:
    """Return the number of children of an array job; None for other jobs."""
    return job._record.array_size


def wholes(jobs: Iterable[Job]) -> list[Job]:
    """Return jobs, each once, with an array in place of its children where all of them are given.

    An array is followed by its own id; its children are described only if they are awaited.
    """
    each_once = list(dict.fromkeys(jobs))
    given = Counter(job._array for job in each_once if isinstance(job, ChildJob))
    return list(
        dict.fromkeys(
            job._array
            if isinstance(job, ChildJob) and given[job._array] == len(job._array)
            else job
            for job in each_once
        )
    )


def observe(jobs: Iterable[Job], observer: Observer) -> Callable[[], None]:
    """Follow jobs that have not ended, and report the events of their clients to an observer.

    Returns:
        A function that ends the reports.

    Raises:
        ClientClosed: The client of a job that has not ended is closed.
    """
    live = [job for job in jobs if not job.is_finished]
    sessions = list(dict.fromkeys(job._session for job in live))
    for session in sessions:
        session.require_open()
    for session in sessions:
        session.settings.observers.add(observer)
    for job in live:
        if not job._record.is_finished:  # else it is being submitted again
            job._session.poller.follow(job._record)

    def remove() -> None:
        for session in sessions:
            session.settings.observers.remove(observer)

    return remove
