"""`asyncbatch run`: many jobs, from a file, continued by the same command."""

import asyncio
import contextlib
import functools
import re
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer

from asyncbatch import AsyncBatchClient, AsyncBatchError, FailureLimit, JobRequest, Journal
from asyncbatch._aws.wire import requests as wire
from asyncbatch._cli import completion, exit_codes, input_files, output
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.input_files import STDIN, read_file
from asyncbatch._cli.outcomes import Outcomes
from asyncbatch._cli.output import AsJson
from asyncbatch._cli.progress_display import progress_of
from asyncbatch._cli.request_files.reading import Format, RequestFile, read_requests
from asyncbatch._cli.request_options import with_option
from asyncbatch._cli.running import command, message_when_stopped, note
from asyncbatch._jobs.handles import job_handle
from asyncbatch._jobs.many import submit_all
from asyncbatch._submitting.marks import unique_name
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.recovery import optional_policy
from asyncbatch._values.text import one_line

if TYPE_CHECKING:
    from asyncbatch._session.records import JobRecord

_STOP_ON = re.compile(r"(?P<share>\d+(?:\.\d+)?)(?P<percent>%?)(?:,(?P<count>\d{1,9}))?")
_TERMINATING_SECONDS = 60
_JOURNAL_SUFFIX = ".journal"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How the jobs of a file are run.

    Attributes:
        journal: File that keeps the submissions.
        no_journal: Whether nothing is kept.
        keep_failed: Whether requests whose jobs failed before are left alone.
        recovery: Short form of a recovery policy.
        max_in_flight: Maximum number of jobs at a time.
        stop_on: When to stop submitting.
        terminate_on_interrupt: Whether Ctrl-C ends the jobs.
    """

    journal: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Journal, from which the same command continues. Default: FILE.journal.",
        ),
    ] = None
    no_journal: Annotated[
        bool,
        typer.Option(
            "--no-journal", help="Keep no journal: the same command submits all jobs again."
        ),
    ] = False
    keep_failed: Annotated[
        bool,
        typer.Option(
            "--keep-failed",
            help="When continuing, do not submit jobs again that failed before.",
        ),
    ] = False
    recovery: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="Submit failed jobs again while the command runs: spot:3,fallback=QUEUE or"
            " memory:x2,max=MIB or start:SECONDS,fallback=QUEUE; | combines several.",
        ),
    ] = None
    max_in_flight: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, help="Maximum number of jobs that have not ended."),
    ] = None
    stop_on: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE[,COUNT]",
            help="Submit no more jobs when this share of the ended jobs, such as 50%, and at least"
            " COUNT of them (10), failed for the same permanent reason.",
        ),
    ] = None
    terminate_on_interrupt: Annotated[
        bool,
        typer.Option("--terminate-on-interrupt", help="On Ctrl-C and SIGTERM, terminate the jobs."),
    ] = False


@command
async def run(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Requests: JSON lines (.jsonl), a list in JSON or YAML, YAML documents, or CSV"
            " (.csv, .tsv). - reads standard input.",
        ),
    ],
    *,
    template: Annotated[
        str | None,
        typer.Option(
            "--template",
            "-t",
            metavar="FILE",
            help="For CSV: a request in JSON or YAML, in which {column} stands for the text of a"
            " column. Other columns that are fields, such as name or parameters.day, set these.",
        ),
    ] = None,
    definition: Annotated[
        str | None,
        typer.Option(
            "--definition",
            "-d",
            metavar="NAME",
            help="Job definition of requests that name none.",
            autocompletion=completion.definitions,
        ),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Format of FILE: json, jsonl, yaml, csv or tsv. Default: that of its ending.",
        ),
    ] = None,
    options: RunOptions,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print a SubmitJob request per line as JSON, and submit nothing."
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Show no progress on standard error.")
    ] = False,
    connection: Connection,
    as_json: AsJson = False,
) -> int:
    """Submit the jobs of a file, and wait until all have ended.

    The whole file is checked before the first job is submitted. A journal beside it keeps which
    jobs were submitted: after a crash or Ctrl-C, the same command follows them, submits the rest,
    and submits failed ones again. The exit code is 0 if all jobs succeeded and 1 if one failed.
    """
    journal = None if dry_run else _journal(file, options)
    settings = _settings(options, journal)
    stop_on = _failure_limit(options.stop_on)
    read = await _read(file, template, form, definition)
    if dry_run:
        await _print_requests(connection, read.requests)
        return exit_codes.SUCCEEDED
    _say_what_is_used(file, read, journal, exists=await input_files.exists(journal))
    outcomes = Outcomes(as_json=as_json)
    further = {"requests": len(read.requests), "journal": None if journal is None else str(journal)}
    jobs = _Run(read, outcomes, connection)
    try:
        async with _opened(connection, settings) as batch:
            with (
                message_when_stopped(lambda: jobs.how_to_go_on(journal)),
                progress_of(batch, quiet=quiet or as_json, total=len(read.requests)),
            ):
                try:
                    await jobs.run(batch, options.max_in_flight, stop_on)
                except asyncio.CancelledError:
                    if options.terminate_on_interrupt:
                        await jobs.terminate(batch)
                    raise
    except AsyncBatchError as error:
        if outcomes.of_jobs:
            outcomes.print_summary(**further)
            # In place of the library's note about the same jobs.
            vars(error)["__notes__"] = [jobs.how_to_go_on(journal)]
        raise
    outcomes.print_summary(**further)
    if outcomes.failed and not as_json:
        note(_what_to_do(connection, journal, outcomes.failed[0].job.id))
    return outcomes.exit_code


# -- options --------------------------------------------------------------------------------------


def _journal(file: str, options: RunOptions) -> Path | None:
    """Return the path of the journal; None for none.

    Raises:
        UsageError: Options exclude each other, or standard input has no default.
    """
    if options.no_journal:
        for option in ("journal", "keep_failed"):
            if getattr(options, option):
                raise UsageError(f"--{option.replace('_', '-')} cannot be used with --no-journal.")
        return None
    if options.journal is not None:
        return Path(options.journal)
    if file == STDIN:
        raise UsageError(
            "standard input has no name from which that of a journal follows: add --journal FILE,"
            " or --no-journal; and --format."
        )
    return Path(f"{file}{_JOURNAL_SUFFIX}")


def _settings(options: RunOptions, journal: Path | None) -> dict[str, Any]:
    """Return arguments of the client.

    Raises:
        InvalidRequest: The policy or the journal's path is not valid.
    """
    try:
        recovery = optional_policy(options.recovery)
    except InvalidRequest as error:
        raise with_option(error) from None
    if journal is None:
        return {"recovery": recovery}
    return {"recovery": recovery, "journal": Journal(journal, rerun_failed=not options.keep_failed)}


def _failure_limit(text: str | None) -> FailureLimit | None:
    """Return the limit that --stop-on names.

    Raises:
        UsageError: It is malformed.
    """
    if text is None:
        return None
    found = _STOP_ON.fullmatch(text.strip())
    if found is not None:
        share = float(found["share"]) / (100 if found["percent"] else 1)
        count = {} if found["count"] is None else {"at_least": int(found["count"])}
        with contextlib.suppress(InvalidRequest):
            return FailureLimit(share=share, **count)
    raise UsageError(
        f"--stop-on {one_line(text)}: must be a share such as 50% or 0.5, above 0 and at most 1,"
        " and possibly a number of jobs: 50%,20."
    )


# -- requests -------------------------------------------------------------------------------------


async def _read(
    file: str, template: str | None, form: Format | None, definition: str | None
) -> RequestFile:
    """Return the requests of the file.

    Raises:
        UsageError: A file cannot be read, or standard input has no format.
        InvalidRequest: A line is malformed.
    """
    if file == STDIN and form is None:
        names = ", ".join(Format)
        raise UsageError(f"standard input needs --format: one of {names}.")
    source = await read_file(file, form)
    return read_requests(
        source,
        template=None if template is None else await read_file(template),
        defaults={} if definition is None else {"job_definition": definition},
    )


async def _print_requests(connection: Connection, requests: Sequence[JobRequest]) -> None:
    """Print the SubmitJob requests; AWS is only asked for a default queue that is needed."""
    queue = connection.queue
    if queue is None and any(request.queue is None for request in requests):
        async with connection.open() as batch:
            queue = await batch.default_queue()
    for request in requests:
        name = request.name or unique_name(str(request.job_definition))
        output.print_json_line(
            wire.submit_job(request, name=name, queue=request.queue or queue or "")
        )


def _say_what_is_used(file: str, read: RequestFile, journal: Path | None, *, exists: bool) -> None:
    kept = "no journal"
    if journal is not None:
        kept = f"{'continuing' if exists else 'journal'} {journal}"
    note(one_line(f"{_requests(len(read.requests))} in {file}; {kept}"))
    if read.unused_columns:
        note(one_line(f"Columns that nothing uses: {', '.join(read.unused_columns)}"))


# -- jobs -----------------------------------------------------------------------------------------


class _Run:
    """The jobs of a file, from submission to end."""

    def __init__(self, read: RequestFile, outcomes: Outcomes, connection: Connection) -> None:
        self._read = read
        self._outcomes = outcomes
        self._options = connection.options()
        self._in_progress: set[asyncio.Future[JobRecord]] = set()
        self._terminated = 0

    async def run(
        self, batch: AsyncBatchClient, max_in_flight: int | None, stop_on: FailureLimit | None
    ) -> None:
        """Submit all jobs, and wait for their ends.

        Raises:
            RunStopped: `stop_on` says so.
            AsyncBatchError: A job could not be submitted, or jobs can no longer be followed.
        """
        # `AsyncBatchClient.run` with one difference: it reports which request each job belongs to.
        session = batch._require_open()  # noqa: SLF001 - as above
        lines = iter(self._read.lines)

        def start(request: JobRequest) -> "asyncio.Future[JobRecord]":
            outcome = session.start_submission(session.submit, request).outcome
            self._in_progress.add(outcome)
            outcome.add_done_callback(functools.partial(submitted, next(lines)))
            return outcome

        def submitted(line: int, outcome: "asyncio.Future[JobRecord]") -> None:
            self._in_progress.discard(outcome)
            if not outcome.cancelled() and outcome.exception() is None:
                self._outcomes.follow(job_handle(session, outcome.result()), line)

        await submit_all(
            session, self._read.requests, start, max_in_flight=max_in_flight, stop_on=stop_on
        )
        await self._outcomes.wait()

    async def terminate(self, batch: AsyncBatchClient) -> None:
        """Terminate the jobs that have not ended; submissions on their way are waited for."""
        with anyio.move_on_after(_TERMINATING_SECONDS, shield=True):
            if self._in_progress:
                await asyncio.wait(self._in_progress)
            jobs = self._outcomes.unfinished
            await batch.terminate(jobs, reason="asyncbatch run was interrupted")
            self._terminated = len(jobs)

    def how_to_go_on(self, journal: Path | None) -> str:
        """Return what continues, and how to go on."""
        total = len(self._read.requests)
        left = total - len(self._outcomes.of_jobs)
        if self._terminated:
            what = f"Terminated {_jobs(self._terminated)}"
        else:
            unfinished = len(self._outcomes.unfinished)
            verb = "continues" if unfinished == 1 else "continue"
            what = f"Stopped: {_jobs(unfinished)} {verb} in AWS Batch"
        if left:
            what += f", and {left:,} of {_requests(total)} {'is' if left == 1 else 'are'} not sent"
        if journal is None:
            return f"{what}. There is no journal: the same command would submit all jobs again."
        follow = f"`asyncbatch resume{self._options} {shlex.quote(str(journal))}`"
        return f"{what}. Run the same command again, or only follow the jobs with {follow}."


def _requests(number: int) -> str:
    return "1 request" if number == 1 else f"{number:,} requests"


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number:,} jobs"


@asynccontextmanager
async def _opened(
    connection: Connection, settings: dict[str, Any]
) -> AsyncIterator[AsyncBatchClient]:
    """Open a client; if a signal comes before it is open, print that nothing was sent."""
    async with AsyncExitStack() as stack:
        with message_when_stopped(lambda: "Stopped: nothing was sent. Run the same command again."):
            batch = await stack.enter_async_context(connection.open(**settings))
        yield batch


def _what_to_do(connection: Connection, journal: Path | None, failed: str) -> str:
    options = connection.options()
    see = f"See why with `asyncbatch explain{options} {failed}`."
    if journal is None:
        return f"{see} Submit it again with `asyncbatch rerun{options} {failed}`."
    return f"{see} The same command submits the failed jobs again."
