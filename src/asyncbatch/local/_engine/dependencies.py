"""Which job waits for which: `dependsOn`, checked and turned into links between jobs.

Every job has a count of blockers. One is the evaluation that every job goes through; each
unfinished dependency adds one. A child's first blocker is its parent, so an array waits once and
not once for each child.
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
    """What a job waits for.

    Attributes:
        whole: The jobs that must succeed before it may run.
        indexwise: The arrays whose child *i* must succeed before its child *i* may run.
        sequential: Whether its children run one after the other.
    """

    whole: tuple[Job, ...] = ()
    indexwise: tuple[Job, ...] = ()
    sequential: bool = False


def parse_dependencies(
    entries: Iterable[Mapping[str, str]], array_size: int | None, find: Callable[[str], Job | None]
) -> Dependencies:
    """Return what SubmitJob's `dependsOn` means, or raise what AWS would answer."""
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
    """Make a new job, and an array's children, wait for what they depend on."""
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
    if other.status is JobStatus.FAILED:
        job.doomed = True
    elif not other.is_over:
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
