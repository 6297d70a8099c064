"""`asyncbatch watch`: a live view of jobs, or of everything in a queue."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import anyio
import typer
from rich.console import Console

from asyncbatch import AsyncBatchClient, Event, Job, StatusChanged
from asyncbatch._cli import choosing, exit_codes, output
from asyncbatch._cli.choosing import Filter, JobNames, Which
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.following import ended_well, how_to_go_on
from asyncbatch._cli.job_facts import job_facts
from asyncbatch._cli.output import AsJson
from asyncbatch._cli.running import command, message_when_stopped
from asyncbatch.progress import display

_LOOK_AGAIN = 10.0
"""Seconds between two looks for new jobs of a queue."""


@command
async def watch(
    conditions: Filter,
    connection: Connection,
    jobs: JobNames = None,
    *,
    interval: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.1,
            help="At least so long between two lines where there is no terminal.",
        ),
    ] = 10.0,
    as_json: AsJson = False,
) -> int:
    """Watch jobs or a queue live: counts, throughput, failures.

    Shows jobs by state, throughput and remaining time, the newest failures, and why jobs wait. With
    jobs, it ends when they have ended; the exit code is 1 if one FAILED. Without, it follows all
    jobs of the queue, and those that are submitted meanwhile, until Ctrl-C.
    """
    async with connection.open(shows_waits=True) as batch:
        found = await choosing.find_jobs(batch, jobs or (), connection, conditions, Which.CURRENT)
        followed = found if jobs else []
        title = "" if jobs else f"Queue {connection.queue or await batch.default_queue()}"
        with (
            message_when_stopped(lambda: how_to_go_on("watch", followed, connection)),
            _shown(batch, found, title, interval=interval, as_json=as_json),
        ):
            if jobs:
                return await _until_all_ended(batch, found)
            await _follow_queue(batch, found, conditions)
    return exit_codes.SUCCEEDED


@contextmanager
def _shown(
    batch: AsyncBatchClient, jobs: list[Job], title: str, *, interval: float, as_json: bool
) -> Iterator[None]:
    """Show what the client learns of the jobs while the block runs."""
    if as_json:
        for job in jobs:
            if job.description is not None:
                output.print_json_line({"previous": None, "job": job_facts(job.description)})
        batch.add_observer(_print_change)
        yield
        return
    console = Console(file=sys.stdout, highlight=False)
    with display(batch, jobs, console=console, interval=interval, title=title):
        yield


def _print_change(event: Event) -> None:
    if isinstance(event, StatusChanged):
        item = {"previous": event.previous, "job": job_facts(event.description)}
        output.print_json_line(item)


async def _until_all_ended(batch: AsyncBatchClient, jobs: list[Job]) -> int:
    code = exit_codes.SUCCEEDED
    async for job in batch.as_completed(jobs):
        if not await ended_well(job):
            code = exit_codes.JOB_FAILED
    return code


async def _follow_queue(batch: AsyncBatchClient, jobs: list[Job], conditions: Filter) -> None:
    """Follow jobs of a queue, and those that are submitted to it from now on, without end."""
    known: set[str] = set()
    newest = output.now() - timedelta(minutes=1)
    while True:
        new = [job for job in jobs if job.id not in known]
        known.update(job.id for job in new)
        await batch.attach([job.id for job in new])
        newest = max((_created(job) for job in new), default=newest)
        await anyio.sleep(_LOOK_AGAIN)  # noqa: TID251 - AWS does not announce new jobs
        jobs = await batch.find(
            status=choosing.statuses(conditions.status),
            definition=conditions.definition,
            created_after=newest,
        )


def _created(job: Job) -> datetime:
    created = job.description.created_at if job.description else None
    return created or datetime.min.replace(tzinfo=UTC)
