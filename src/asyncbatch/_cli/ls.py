"""`asyncbatch ls`: the jobs of a queue, or the children of array jobs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from asyncbatch import AsyncBatchClient, JobDescription, JobStatus
from asyncbatch._cli import choosing, output
from asyncbatch._cli.choosing import Filter, JobNames, Which
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.job_facts import details, job_facts, run_time
from asyncbatch._cli.output import AsJson, Column
from asyncbatch._cli.running import command

_COLUMNS = (
    Column("JOB ID"),
    Column("NAME", cut=True),
    Column("STATUS"),
    Column("AGE"),
    Column("RAN"),
    Column("DETAILS", cut=True, below=True),
)


@command
async def ls(
    conditions: Filter,
    connection: Connection,
    jobs: JobNames = None,
    *,
    every: Annotated[bool, typer.Option("--all", "-a", help="Also jobs that have ended.")] = False,
    children: Annotated[
        bool, typer.Option("--children", "-c", help="List the children of array jobs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List jobs of a queue, the newest first.

    Without names and --status, jobs that have ended are left out. DETAILS says why a job waits or
    failed, and counts the children of an array job. With --children, --status is that of the
    children.
    """
    async with connection.open(shows_waits=True) as batch:
        # Without a name, a state that only children may be in could be that of any array.
        which = Which.ALL if every or jobs or (children and conditions.status) else Which.LIVE
        states = choosing.statuses(conditions.status)
        if children:  # --status is that of the children: their array may be in another state
            conditions = replace(conditions, status=None)
        found = await choosing.find_jobs(batch, jobs or (), connection, conditions, which)
        listed = [job.description for job in found if job.description is not None]
        if children:
            listed = await _with_children(batch, listed, states)
        else:
            listed = await _with_counts(batch, listed)
    if as_json:
        output.print_json({"jobs": [job_facts(job) for job in listed]})
        return
    if not listed:
        _say_that_there_are_none(jobs, every=every, conditions=conditions)
        return
    output.print_table(_COLUMNS, map(_row, listed))


def _row(job: JobDescription) -> Sequence[object]:
    return (
        job.job_id,
        job.name,
        job.status,
        output.ago(job.created_at),
        run_time(job),
        details(job),
    )


async def _with_counts(
    batch: AsyncBatchClient, jobs: Sequence[JobDescription]
) -> list[JobDescription]:
    """Return jobs with the counts of arrays, which a list may not have: 100 arrays with a call."""
    uncounted = [
        job.job_id
        for job in jobs
        if job.is_summary and job.array and job.array.size and not job.array.status_summary
    ]
    described = await batch.describe(uncounted) if uncounted else {}
    return [described.get(job.job_id, job) for job in jobs]


async def _with_children(
    batch: AsyncBatchClient, jobs: Sequence[JobDescription], states: Sequence[JobStatus] | None
) -> list[JobDescription]:
    """Return jobs with the children of arrays in the place of the arrays, by index.

    Args:
        batch: The open client.
        jobs: The jobs.
        states: Only children, and jobs that are no arrays, in these states; None means all.
    """
    listed: list[JobDescription] = []
    for job in jobs:
        if job.is_array_parent:
            listed += await choosing.children_of(batch, job.job_id, states)
        elif states is None or job.status in states:
            listed.append(job)
    return listed


def _say_that_there_are_none(
    jobs: Sequence[str] | None, *, every: bool, conditions: Filter
) -> None:
    hint = "" if jobs or every or conditions.status else " Add --all for jobs that have ended."
    typer.echo(f"No jobs.{hint}", err=True)
