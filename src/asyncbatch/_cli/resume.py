"""`asyncbatch resume`: the jobs of a journal, followed until they have ended."""

import shlex
from typing import Annotated

import typer

from asyncbatch import AsyncBatchClient, AsyncBatchError, Journal, SubmitUncertain
from asyncbatch._cli import input_files
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.outcomes import Outcomes
from asyncbatch._cli.output import AsJson
from asyncbatch._cli.progress_display import progress_of
from asyncbatch._cli.request_options import with_option
from asyncbatch._cli.running import command, message_when_stopped, note
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.recovery import optional_policy
from asyncbatch._values.text import one_line


@command
async def resume(
    journal: Annotated[
        str,
        typer.Argument(
            metavar="JOURNAL",
            help="Journal of `asyncbatch run`, or of a program that uses the library.",
        ),
    ],
    *,
    recovery: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY", help="Submit failed jobs again, as for `asyncbatch run --recovery`."
        ),
    ] = None,
    settle: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=JOB_ID",
            help="Record which job an uncertain submission made, after looking it up: its job name"
            " or key, and the id; NAME= if it made none. Repeat it for more.",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Show no progress on standard error.")
    ] = False,
    connection: Connection,
    as_json: AsJson = False,
) -> int:
    """Follow the jobs of a journal until all have ended.

    Nothing new is submitted: for that, run the program that wrote the journal again, such as
    `asyncbatch run`. The exit code is 0 if all jobs succeeded and 1 if one failed.
    """
    await input_files.require_journal(journal)
    try:
        policy = optional_policy(recovery)
    except InvalidRequest as error:
        raise with_option(error) from None
    outcomes = Outcomes(as_json=as_json)
    uncertain: AsyncBatchError | None = None
    async with connection.open(journal=Journal(journal), recovery=policy) as batch:
        for text in settle or ():
            await _settle(batch, text)
        try:
            jobs = await batch.resume()
        except SubmitUncertain as error:
            uncertain, jobs = error, list(error.submitted)
        with (
            message_when_stopped(lambda: _how_to_go_on(outcomes, journal, connection)),
            progress_of(batch, jobs, quiet=quiet or as_json),
        ):
            for job in jobs:
                outcomes.follow(job)
            await outcomes.wait()
    outcomes.print_summary(journal=journal)
    if uncertain is not None:
        raise uncertain
    if outcomes.failed and not as_json:
        note(
            f"See why with `asyncbatch explain{connection.options()} {outcomes.failed[0].job.id}`."
            " The program that wrote the journal submits failed jobs again."
        )
    return outcomes.exit_code


async def _settle(batch: AsyncBatchClient, text: str) -> None:
    """Record what became of an uncertain submission.

    Raises:
        UsageError: The text is malformed, or the journal has no such submission.
        InvalidRequest: The job was not made by it.
    """
    name, equals, job_id = text.rpartition("=")
    if not equals or not name:
        raise UsageError(f"--settle {one_line(text)}: must be NAME=JOB_ID, or NAME= for no job.")
    for by in ({"name": name}, {"key": name}):
        try:
            await batch.resolve_submission(**by, job_id=job_id or None)
        except InvalidRequest as error:
            if error.field not in by:
                raise
        else:
            return
    raise UsageError(
        f"--settle {one_line(text)}: the journal has no single uncertain submission with this name"
        " or key. Leave it out, and read which are uncertain."
    )


def _how_to_go_on(outcomes: Outcomes, journal: str, connection: Connection) -> str:
    number = len(outcomes.unfinished)
    jobs = "1 job continues" if number == 1 else f"{number:,} jobs continue"
    again = f"asyncbatch resume{connection.options()} {shlex.quote(journal)}"
    return f"Stopped: {jobs} in AWS Batch. Follow again: {again}"
