"""`asyncbatch submit`: one job, from options or from a file."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from asyncbatch import Job, JobRequest, LogsUnavailable, print_logs
from asyncbatch._aws.wire import requests as wire
from asyncbatch._cli import completion, exit_codes, output
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.following import how_to_go_on, statuses_on_stderr
from asyncbatch._cli.input_files import STDIN, read_file
from asyncbatch._cli.job_facts import job_facts, run_time
from asyncbatch._cli.logs import json_printer
from asyncbatch._cli.outcomes import submitted_facts
from asyncbatch._cli.output import AsJson
from asyncbatch._cli.request_files.documents import MalformedFile
from asyncbatch._cli.request_files.fields import converted
from asyncbatch._cli.request_files.reading import Format, checked_request, read_request
from asyncbatch._cli.request_options import RequestOptions, with_option
from asyncbatch._cli.running import command, message_when_stopped, note
from asyncbatch._submitting.marks import unique_name
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.text import one_line


@command
async def submit(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DEFINITION] [-- COMMAND]...",
            help="Job definition: a name, name:revision or ARN. Then the command of the container."
            " With --file, only the command.",
            autocompletion=completion.definitions,
        ),
    ] = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print the log until the job has ended.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait until the job has ended.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the SubmitJob request as JSON, for `aws batch submit-job"
            " --cli-input-json`, and submit nothing.",
        ),
    ] = False,
    file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="JSON or YAML file with the request: fields of JobRequest, or what"
            " `aws batch submit-job --cli-input-json` reads. Options replace its fields. - reads"
            " standard input.",
        ),
    ] = None,
    array: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Submit an array job of 2 to 10,000 children."),
    ] = None,
    options: RequestOptions,
    connection: Connection,
    as_json: AsJson = False,
) -> int:
    """Submit a job.

    Prints the job id; with --follow, the log instead. With --wait or --follow, the exit code is 1
    if the job fails. Ctrl-C stops waiting; the job continues. With --follow and --json, each log
    line is an object, and the job is the last one.
    """
    if dry_run and (wait or follow):
        raise UsageError("--dry-run submits nothing, so there is nothing to wait for.")
    request = await _request(connection, options, words or [], file, array)
    if dry_run:
        output.print_json(await _submit_job(connection, request))
        return exit_codes.SUCCEEDED
    async with connection.open() as batch:
        job = await batch.submit(request)
        queue = request.queue or await batch.default_queue()
        note(f"Submitted {job.name} ({job.id}) to {queue}.")
        if not (wait or follow):
            if as_json:
                facts = submitted_facts(job, queue, str(request.job_definition))
                output.print_json({"jobs": [facts]})
            else:
                output.print_line(job.id)
            return exit_codes.SUCCEEDED
        again = "logs -f" if follow else "wait"
        with (
            message_when_stopped(lambda: how_to_go_on(again, [job], connection)),
            statuses_on_stderr(batch, [job]),
        ):
            if follow:
                try:
                    await _print_log(job, as_json=as_json)
                except LogsUnavailable as error:  # the job does not depend on its log
                    note(f"asyncbatch: {error}\nWaiting for the end of {one_line(job.name)}.")
            return await _ended(job, as_json=as_json, is_followed=follow)


async def _request(
    connection: Connection,
    options: RequestOptions,
    words: Sequence[str],
    file: str | None,
    array: str | None,
) -> JobRequest:
    """Return the request that options and file describe.

    Raises:
        UsageError: There is no job definition, or the file cannot be read.
        InvalidRequest: A value breaks a rule.
    """
    try:
        given = options.fields() | converted({} if array is None else {"array_size": array})
        if file is None:
            if not words:
                raise UsageError("name a job definition, or a --file with a request.")
            given["job_definition"], *words = words
        if words:
            given["command"] = list(words)
        if file is None:
            return checked_request({**given, "queue": connection.queue})
        if connection.given_queue is not None:
            given["queue"] = connection.given_queue
        request = read_request(await read_file(file, _format(file)), changes=given)
        return request if request.queue else request.replace(queue=connection.queue)
    except MalformedFile:
        raise
    except InvalidRequest as error:
        raise with_option(error) from None


def _format(file: str) -> Format | None:
    """Return the format of standard input: YAML, of which JSON is a part."""
    return Format.YAML if file == STDIN else None


async def _submit_job(connection: Connection, request: JobRequest) -> dict[str, Any]:
    """Return the arguments of SubmitJob; AWS is only asked for a default queue that is needed."""
    queue = request.queue
    if queue is None:
        async with connection.open() as batch:
            queue = await batch.default_queue()
    name = request.name or unique_name(str(request.job_definition))
    return wire.submit_job(request, name=name, queue=queue)


async def _print_log(job: Job, *, as_json: bool) -> None:
    """Print the log of a job until it has ended."""
    if not as_json:
        await print_logs(job, timestamps=False)
        return
    show = json_printer([job], {"type": "log"})
    async for event in job.logs():
        show(event)


async def _ended(job: Job, *, as_json: bool, is_followed: bool) -> int:
    """Wait for the end of a job, and print it; return the exit code.

    Raises:
        JobFailed: The job failed, and its log was not printed.
    """
    result = await job.result(check=False)
    if as_json and is_followed:
        output.print_json_line({"type": "job", **job_facts(result.description)})
    elif as_json:
        output.print_json({"jobs": [job_facts(result.description)]})
    elif not is_followed:
        output.print_line(job.id)
        await job  # raises the failure, with the last lines of the log
    if result.failure is None:
        ran = run_time(result.description)
        note(one_line(f"{job.name} {result.status}{f' after {ran}' if ran else ''}."))
    elif is_followed:
        note(one_line(f"{job.name} FAILED: {result.failure.message}{_see(job)}"))
    return exit_codes.SUCCEEDED if result.succeeded else exit_codes.JOB_FAILED


def _see(job: Job) -> str:
    """Return how to see which children of an array failed; empty for other jobs."""
    if job.description is None or not job.description.is_array_parent:
        return ""
    return f". List them: asyncbatch ls --children --status failed {job.id}"
