"""`asyncbatch logs`: the log lines of jobs, of all attempts and children."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer

from asyncbatch import Job, LogEvent
from asyncbatch._cli import choosing, output
from asyncbatch._cli.choosing import Filter, RequiredJobNames, Which
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.following import how_to_go_on, statuses_on_stderr
from asyncbatch._cli.output import AsJson
from asyncbatch._cli.running import command, message_when_stopped
from asyncbatch._values.text import fit_for_terminal, one_line

_SHORT_ID = 8
# Colours of the prefixes, one for each job in turn; none is that of errors.
_COLOURS = ("\x1b[36m", "\x1b[33m", "\x1b[35m", "\x1b[32m", "\x1b[34m")
_RESET = "\x1b[0m"


@command
async def logs(
    jobs: RequiredJobNames,
    connection: Connection,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for more lines until all jobs have ended.")
    ] = False,
    tail: Annotated[
        int | None,
        typer.Option(
            "--tail", "-n", metavar="N", min=1, help="Only the last N lines of each job's stream."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="AGE", help="Only lines since then: 30m, 6h, 2d, or 2026-03-01T12:00."
        ),
    ] = None,
    grep: Annotated[
        str | None,
        typer.Option(metavar="REGEX", help="Only lines that match a regular expression."),
    ] = None,
    timestamps: Annotated[
        bool, typer.Option("--timestamps", "-t", help="Begin each line with its local time.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the logs of jobs, and follow them with -f.

    A name means its jobs that have not ended; if there are none, its newest job. The lines of
    several jobs begin with the name of the job, those of array jobs with the index of the child.
    """
    pattern = _pattern(grep)
    start = choosing.moment("--since", since)
    async with connection.open() as batch:
        found = await choosing.find_jobs(batch, jobs, connection, Filter(), Which.CURRENT)
        show = json_printer(found) if as_json else _text_printer(found, timestamps=timestamps)
        with (
            message_when_stopped(
                lambda: how_to_go_on("logs -f", found, connection) if follow else ""
            ),
            statuses_on_stderr(batch, found if follow else ()),
        ):
            async for event in batch.logs(found, follow=follow, tail=tail, since=start):
                if pattern is None or pattern.search(event.message):
                    show(event)
                    if follow:
                        output.flush()


def _pattern(grep: str | None) -> re.Pattern[str] | None:
    try:
        return None if grep is None else re.compile(grep)
    except re.error as error:
        raise UsageError(
            f"--grep {one_line(grep or '')}: {error}. Escape characters such as ( and [ with \\."
        ) from None


def json_printer(
    jobs: Sequence[Job], further: Mapping[str, object] | None = None
) -> Callable[[LogEvent], None]:
    """Return a function that prints a log line as a JSON line, with further members before."""
    names = {job.id: job.name for job in jobs}

    def show(event: LogEvent) -> None:
        output.print_json_line(
            {
                **(further or {}),
                "timestamp": event.timestamp,
                "job_id": event.job_id,
                "name": names.get(event.job_id) or names.get(_parent(event.job_id)),
                "attempt": event.attempt,
                "container": event.container,
                "stream": event.stream,
                "message": event.message,
            }
        )

    return show


def _text_printer(jobs: Sequence[Job], *, timestamps: bool) -> Callable[[LogEvent], None]:
    labels = _labels(jobs)
    width = 0  # of the widest prefix so far: how many children write lines is not known before
    colours = {job_id: _COLOURS[place % len(_COLOURS)] for place, job_id in enumerate(labels)}
    has_colours = output.has_colours()

    def show(event: LogEvent) -> None:
        nonlocal width
        job_id = event.job_id if event.job_id in labels else _parent(event.job_id)
        label = labels.get(job_id, "")
        place = event.label if event.job_id != job_id or event.container else ""
        prefix = f"{label}{one_line(place)}"
        width = max(width, output.cell_width(prefix))
        prefix += " " * (width - output.cell_width(prefix))
        if prefix and has_colours:
            prefix = f"{colours.get(job_id, '')}{prefix}{_RESET}"
        time = f"{output.local_time(event.timestamp)} " if timestamps else ""
        for line in fit_for_terminal(event.message, colours=has_colours).split("\n"):
            output.print_line(f"{time}{prefix} | {line}" if prefix else f"{time}{line}")

    return show


def _labels(jobs: Sequence[Job]) -> dict[str, str]:
    """Return what the lines of each job begin with: its name, and its id where names are equal."""
    if len(jobs) == 1:
        return {jobs[0].id: ""}
    names = [job.name for job in jobs]
    return {
        job.id: one_line(
            job.name if names.count(job.name) == 1 else f"{job.name} {job.id[:_SHORT_ID]}"
        )
        for job in jobs
    }


def _parent(job_id: str) -> str:
    return job_id.partition(":")[0].partition("#")[0]
