"""Dependencies: `dependsOn`, validated and turned into links between jobs.

Every job counts its blockers and becomes RUNNABLE at zero. The first blocker is the evaluation that
follows each submission; each unfinished dependency adds one. An array child's first blocker is its
parent, so a dependency of an array is counted once and not once per child.

The kinds of dependencies:
https://docs.aws.amazon.com/batch/latest/userguide/job_dependencies.html
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from asyncbatch._values.status import JobStatus
from asyncbatch.local._engine.errors import client_error
from asyncbatch.local._engine.jobs import Job
from asyncbatch.local._engine.limits import DEPENDENCIES

_KINDS = {None, "SEQUENTIAL", "N_TO_N"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """The dependencies of a new job.

    Attributes:
        whole: Jobs that must succeed before the job may run.
        indexwise: Arrays whose child *i* must succeed before the job's child *i* may run (N_TO_N).
        sequential: Whether the job's children run one after the other (SEQUENTIAL).
    """

    whole: tuple[Job, ...] = ()
    indexwise: tuple[Job, ...] = ()
    sequential: bool = False


def parse_dependencies(
    entries: Iterable[Mapping[str, str]], array_size: int | None, find: Callable[[str], Job | None]
) -> Dependencies:
    """Parse SubmitJob's `dependsOn`.

    Args:
        entries: The entries of `dependsOn`.
        array_size: Number of children of the new job; None if it is no array.
        find: Returns the job with an id or ARN.

    Raises:
        ServiceError: An entry is invalid, or names a job that does not exist.
    """
    entries = list(entries)
    if len(entries) > DEPENDENCIES:
        raise client_error(f"A job can depend on at most {DEPENDENCIES} jobs.")
    whole: list[Job] = []
    indexwise: list[Job] = []
    sequential = False
    for entry in entries:
        kind = entry.get("type")
        if kind not in _KINDS:
            raise client_error(f"Job dependency type {kind} should be SEQUENTIAL or N_TO_N.")
        if "jobId" not in entry:
            _check_sequential(kind, array_size)
            sequential = True
        elif kind == "N_TO_N":
            indexwise.append(_array_of_size(_existing(entry["jobId"], find), array_size))
        else:
            whole.append(_existing(entry["jobId"], find))
    return Dependencies(whole=tuple(whole), indexwise=tuple(indexwise), sequential=sequential)


def link(job: Job, dependencies: Dependencies) -> None:
    """Make a new job, and an array's children, wait for their dependencies."""
    for other in dependencies.whole:
        _wait_for(job, other)
    children = job.array.children if job.array else []
    for other in dependencies.indexwise:
        counterparts = other.array.children if other.array else []
        for child, counterpart in zip(children, counterparts, strict=True):
            _wait_for(child, counterpart)
    if dependencies.sequential:
        for child, before in zip(children[1:], children, strict=False):
            _wait_for(child, before)


def _wait_for(job: Job, other: Job) -> None:
    """Make a job wait for another one, which may have ended already."""
    if other.status is JobStatus.FAILED:
        job.dependency_failed = True
    elif not other.is_finished:
        job.blockers += 1
        other.dependents.append(job)


def _check_sequential(kind: str | None, array_size: int | None) -> None:
    if kind != "SEQUENTIAL":
        raise client_error("A job dependency must have a jobId, or the type SEQUENTIAL.")
    if array_size is None:
        raise client_error("A SEQUENTIAL dependency without a jobId is for array jobs only.")


def _existing(job_id: str, find: Callable[[str], Job | None]) -> Job:
    job = find(job_id)
    if job is None:
        raise client_error(f"Dependent job {job_id} does not exist.")
    return job


def _array_of_size(job: Job, size: int | None) -> Job:
    if job.array is None or size is None:
        raise client_error("An N_TO_N dependency is between two array jobs.")
    if len(job.array.children) != size:
        raise client_error(
            f"An N_TO_N dependency is between arrays of one size: {job.id} has"
            f" {len(job.array.children)} children, not {size}."
        )
    return job
