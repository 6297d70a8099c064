"""`asyncbatch report`: the report of a run, made from its journal."""

from pathlib import Path
from typing import Annotated

import anyio
import typer

from asyncbatch import JobVanished, LogsUnavailable, PriceTable
from asyncbatch._cli import input_files, output
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.running import command, note
from asyncbatch._journal.reading import read_run
from asyncbatch._results.report.run import Run
from asyncbatch._results.report.writing import write_report
from asyncbatch._values.text import one_line

_READ_LOGS = 20
_LINES = 20


@command
async def report(
    journal: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Journal of `asyncbatch run`, or of a program that uses the library.",
        ),
    ],
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="File to write. Default: RUN.html, beside RUN."
        ),
    ] = None,
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="Title of the page. Default: name of the journal.")
    ] = "",
    prices: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="TOML file with your prices, for an estimate of the cost; see the guide to"
            " reports. Without it, none is made.",
        ),
    ] = None,
    logs: Annotated[
        bool,
        typer.Option(
            "--logs", help="Read the last log lines of up to 20 failed jobs from CloudWatch Logs."
        ),
    ] = False,
    connection: Connection,
) -> None:
    """Write a report of a run: timeline, failures, hours and cost.

    The report is one HTML file, which needs no network. It is made from the journal alone, and
    without a call to AWS unless --logs is given: follow the jobs to their end first, for example
    with `asyncbatch resume`.
    """
    await input_files.require_journal(journal)
    table = None if prices is None else await anyio.to_thread.run_sync(PriceTable.from_file, prices)
    run = await anyio.to_thread.run_sync(read_run, Path(journal))
    if logs:
        run = await _with_logs(run, connection)
    target = Path(f"{journal}.html" if to is None else to)
    name = title or Path(journal).name
    await anyio.to_thread.run_sync(_write, target, run, name, table)
    number = len(run.jobs)
    output.print_line(one_line(f"{target}: {'1 job' if number == 1 else f'{number:,} jobs'}"))


async def _with_logs(run: Run, connection: Connection) -> Run:
    """Return the run with the last log lines of some of its failed jobs."""
    failed = run.failed_ids()[:_READ_LOGS]
    lines: dict[str, list[str]] = {job_id: [] for job_id in failed}
    async with connection.open() as batch:
        try:
            async for event in batch.logs(failed, follow=False, tail=_LINES):
                lines.setdefault(event.job_id, []).append(event.message)
        except (LogsUnavailable, JobVanished) as error:  # those of all others were read first
            note(f"asyncbatch: some logs are missing in the report: {one_line(str(error))}")
    return run.with_logs(lines)


def _write(target: Path, run: Run, title: str, prices: PriceTable | None) -> None:
    """Write the report.

    Raises:
        UsageError: jinja2 is not installed, or the file cannot be written.
    """
    try:
        write_report(target, run, title=title, prices=prices)
    except ModuleNotFoundError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"cannot write {one_line(str(target))}: {reason}. Use -o FILE.") from None
