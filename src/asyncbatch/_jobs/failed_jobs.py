"""The error of a run in which jobs FAILED: the first of them, and why others did."""

import itertools
from collections.abc import Iterable, Sequence

import anyio

from asyncbatch._jobs.job import Job
from asyncbatch._results.job_results import JobResults
from asyncbatch._values.errors import AsyncBatchError, JobFailed
from asyncbatch._values.text import one_line

_DESCRIBED = 10
"""Failed jobs whose last log lines are read: one or two calls for each of them."""

_LONGEST_LINE = 300  # characters of a log line in the note


async def error_of_run(jobs: Sequence[Job], results: JobResults) -> JobFailed:
    """Return the error of the first job that FAILED; its results have the last lines of some.

    These are read for ten jobs at most, some of each kind of failure. A note names these jobs.

    Args:
        jobs: The jobs of the run, at least one of which FAILED.
        results: Their results, which become those of the error.

    Raises:
        AsyncBatchError: Why the first one failed is not known, since the client was closed.
    """
    described = _some_of_each_kind(jobs, results)
    outcomes: dict[Job, AsyncBatchError] = {}

    async def describe(job: Job) -> None:
        try:
            await job.result()
        except AsyncBatchError as error:
            outcomes[job] = error

    async with anyio.create_task_group() as group:  # each waits until its last lines are readable
        for job in described:
            group.start_soon(describe, job)
    first, *others = (outcomes[job] for job in described)
    if not isinstance(first, JobFailed):
        raise first
    known = [each for each in others if isinstance(each, JobFailed)]
    results.logs = {each.job_id: each.log_tail for each in (first, *known)}
    first.results = results
    if others:
        first.add_note("\n".join(_note(known, len(results.failed), len(results))))
    return first


def _some_of_each_kind(jobs: Sequence[Job], results: JobResults) -> list[Job]:
    """Return the first failed job, and some of each kind of failure; each job once."""
    by_kind: dict[str, dict[Job, None]] = {}
    for job, result in zip(jobs, results, strict=True):
        if not result.succeeded:
            kind = result.failure.kind if result.failure else ""
            by_kind.setdefault(kind, {})[job] = None
    rounds = itertools.zip_longest(*by_kind.values())
    chosen = [job for each in rounds for job in each if job is not None]
    return chosen[:_DESCRIBED]


def _note(others: Sequence[JobFailed], failed: int, total: int) -> Iterable[str]:
    """Yield the lines about the jobs that failed besides the first one."""
    yield f"{failed:,} of {total:,} jobs failed; also:"
    for each in others:
        why = each.failure.message if each.failure else "AWS gave no reason"
        yield one_line(f"  {each.result.name}: {why}")
        if each.log_tail:
            yield one_line(f"    | {each.log_tail[-1].message[:_LONGEST_LINE]}")
    if left := failed - 1 - len(others):
        yield f"  and {left:,} more, see error.results.failed"
