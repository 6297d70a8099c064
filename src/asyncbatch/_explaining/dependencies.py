"""Rules for a job that waits for others, or failed with them: followed to the root. Pure."""

from collections.abc import Iterator, Sequence

from asyncbatch._explaining.facts import Facts
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.explanations import Finding, FindingKind
from asyncbatch._values.failures import failure_of, wait_reason_of
from asyncbatch._values.status import JobStatus
from asyncbatch._values.text import one_line

_SHOWN = 5
"""Jobs of a chain, and unknown dependencies, that a sentence names."""


def findings(facts: Facts) -> Iterator[Finding]:
    """Yield the root of the dependencies: the job that failed, or the one that still runs."""
    paths = _paths(facts)
    roots = [path for path in paths if not _continues(facts, path[-1])]
    failed = [path for path in roots if facts.dependencies[path[-1]].status is JobStatus.FAILED]
    if chosen := min(failed or roots, key=len, default=None):
        yield _root(facts, chosen, others=len(failed or roots) - 1)
    for job_id in facts.unknown[:_SHOWN]:
        yield Finding(
            text=f"AWS does not know job {job_id} any more, which it depends on",
            kind=FindingKind.FACT,
            source="DescribeJobs jobs",
            value="absent",
            resource=job_id,
        )


def _paths(facts: Facts) -> list[Sequence[str]]:
    """Return the shortest path to each dependency that has not SUCCEEDED; cycles end it."""
    paths: dict[str, Sequence[str]] = {}
    frontier: list[Sequence[str]] = [()]
    while frontier:
        following: list[Sequence[str]] = []
        for path in frontier:
            of = path[-1] if path else facts.job.job_id
            for job_id in facts.depends_on.get(of, ()):
                if job_id in facts.dependencies and job_id not in paths:
                    paths[job_id] = (*path, job_id)
                    following.append(paths[job_id])
        frontier = following
    return list(paths.values())


def _continues(facts: Facts, job_id: str) -> bool:
    """Return whether a dependency itself waits for, or failed with, one that was read."""
    return any(
        each in facts.dependencies and each != job_id for each in facts.depends_on.get(job_id, ())
    ) and facts.dependencies[job_id].status in {
        JobStatus.FAILED,
        JobStatus.PENDING,
        JobStatus.SUBMITTED,
    }


def _root(facts: Facts, path: Sequence[str], *, others: int) -> Finding:
    root = facts.dependencies[path[-1]]
    between = path[:-1]
    via = f" (through {', '.join(between[:_SHOWN])}{', …' if between[_SHOWN:] else ''})"
    more = f"; {others} more are like it" if others else ""
    failure = failure_of(root)
    text = f"it depends on job {_named(root)}{via if between else ''}, which"
    if failure is not None:
        text += f" FAILED: {failure.message}{more}"
        fix = f"See why job {root.job_id} failed, correct it, and submit both again."
    else:
        waits_for = wait_reason_of(root)
        text += f" is {root.status}{f': {waits_for.message}' if waits_for else ''}{more}"
        fix = f"Wait, or see what job {root.job_id} does: `asyncbatch explain {root.job_id}`."
    return Finding(
        text=text,
        kind=FindingKind.CAUSE,
        source="DescribeJobs dependsOn",
        value=" → ".join([*path[: _SHOWN * 2], str(root.status)]),
        resource=facts.job.job_id,
        fix=fix,
    )


def _named(job: JobDescription) -> str:
    return one_line(f"{job.job_id} ({job.name})" if job.name else job.job_id)
