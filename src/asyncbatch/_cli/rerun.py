"""`asyncbatch rerun`: failed jobs again, of array jobs only the failed children."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from asyncbatch import AsyncBatchClient, Job, JobRequest
from asyncbatch._cli import choosing, completion, exit_codes, output, running
from asyncbatch._cli.choosing import Filter, JobNames
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.following import how_to_go_on
from asyncbatch._cli.job_facts import details
from asyncbatch._cli.outcomes import Outcomes, submitted_facts
from asyncbatch._cli.output import AsJson, Column
from asyncbatch._cli.progress_display import progress_of
from asyncbatch._cli.request_files.fields import MAPPINGS
from asyncbatch._cli.request_options import RequestOptions, with_option
from asyncbatch._cli.running import command, message_when_stopped, note
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.status import JobStatus

_SHOWN = 20
"""Jobs that are listed before the question; more are counted."""


@command
async def rerun(
    jobs: JobNames = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", "-a", help="All failed jobs of the queue.")
    ] = False,
    definition: Annotated[
        str | None,
        typer.Option(
            "--definition",
            "-d",
            metavar="NAME",
            help="Only jobs of this definition.",
            autocompletion=completion.definitions,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Only jobs submitted since then: 30m, 6h, 2d, or a time."),
    ] = None,
    to_queue: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Queue to submit to. Default: that of the failed job.",
            autocompletion=completion.queues,
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait until the new jobs have ended.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before submitting.")] = False,
    options: RequestOptions,
    connection: Connection,
    as_json: AsJson = False,
) -> int:
    """Submit failed jobs again.

    The new jobs are like the failed ones, with what the options change: --env, --parameter and
    --tag add to those of the job. Of an array job, only the failed children run again, with their
    original indexes. Jobs that are chosen by id are submitted at once; otherwise the command lists
    them and asks.

    A journal stands for the failed jobs of its run. It does not record the new jobs: to continue a
    run as it was, repeat the command that wrote the journal.
    """
    if jobs and every:
        raise UsageError("--all means all failed jobs of the queue: leave it out, or the names.")
    if not (jobs or every or definition or since):
        raise UsageError(
            "name failed jobs by id or name, or choose those of the queue by --definition or"
            " --since; --all means all of them."
        )
    changes = _changes(options, to_queue)
    conditions = Filter(status=["failed"], definition=definition, since=since)
    outcomes = Outcomes(as_json=False)
    async with connection.open() as batch:
        found = await choosing.find_jobs(batch, jobs or (), connection, conditions)
        _require_failed(found)
        if found and not (yes or _are_ids(jobs) or await _agrees(found)):
            note("Nothing was done.")
            return exit_codes.SUCCEEDED
        pairs = await _submitted_again(batch, found, changes)
        if wait:
            with (
                message_when_stopped(lambda: how_to_go_on("wait", outcomes.unfinished, connection)),
                progress_of(batch, quiet=as_json),
            ):
                for _, new in pairs:
                    outcomes.follow(new)
                await outcomes.wait()
    if not pairs and not as_json:
        note("No failed jobs.")
    elif wait and not as_json:
        outcomes.print_summary()
    else:
        _print_new(pairs, as_json=as_json)
    return outcomes.exit_code


def _changes(options: RequestOptions, to_queue: str | None) -> dict[str, Any]:
    """Return the fields that options change, each checked on its own.

    Raises:
        UsageError: A value has no name.
        InvalidRequest: A value breaks a rule.
    """
    try:
        changes = options.fields()
        if to_queue is not None:
            changes["queue"] = to_queue
        # The type of a dependency is for arrays only, which the failed jobs may be.
        JobRequest("any", **{**changes, "depends_on": ()})
    except InvalidRequest as error:
        raise with_option(error) from None
    return changes


def _require_failed(jobs: Sequence[Job]) -> None:
    """Raise unless all jobs FAILED.

    Raises:
        UsageError: One has not.
    """
    for job in jobs:
        if job.status is not JobStatus.FAILED:
            raise UsageError(
                f"job {job.id} is {job.status}: only jobs that FAILED run again."
                " Submit a new job with `asyncbatch submit`."
            )


def _are_ids(names: Sequence[str] | None) -> bool:
    return all(choosing.is_job_id(choosing.without_arn(name)) for name in names or [""])


async def _agrees(jobs: Sequence[Job]) -> bool:
    """List the jobs on standard error, ask, and return whether the answer is yes.

    Raises:
        UsageError: There is no terminal.
    """
    if not running.is_terminal():
        raise UsageError(
            "rerun asks before it submits jobs that are not named by id, and there is no terminal"
            " to ask on. Add --yes."
        )
    columns = (Column("JOB ID"), Column("NAME"), Column("DETAILS"))
    rows = [(job.id, job.name, _details(job)) for job in jobs[:_SHOWN]]
    for line in output.table_lines(columns, rows, plain=True):
        note(line)
    if len(jobs) > _SHOWN:
        note(f"... and {len(jobs) - _SHOWN:,} more")
    number = "this job" if len(jobs) == 1 else f"these {len(jobs):,} jobs"
    return await running.ask(f"Submit {number} again?")


def _details(job: Job) -> str:
    return "" if job.description is None else details(job.description)


async def _submitted_again(
    batch: AsyncBatchClient, found: Sequence[Job], changes: Mapping[str, Any]
) -> list[tuple[str, Job]]:
    """Submit failed jobs again; return the id of each with its new job.

    Raises:
        InvalidRequest: A job cannot run again; nothing was sent for it and those after it.
        AsyncBatchError: A submission failed.
    """
    jobs = await batch.attach([job.id for job in found])
    for job in jobs:
        await job.result(check=False)  # known to AWS already
    pairs: list[tuple[str, Job]] = []
    for group, fields in await _with_changes(batch, jobs, changes):
        again = await batch.rerun_failed(group, **fields)
        pairs += zip((job.id for job in group), again, strict=True)
    return pairs


async def _with_changes(
    batch: AsyncBatchClient, jobs: Sequence[Job], changes: Mapping[str, Any]
) -> list[tuple[list[Job], dict[str, Any]]]:
    """Return the jobs that change in the same way, with their changes.

    A change of `AsyncBatchClient.rerun_failed` replaces a whole mapping; an option adds to it.
    """
    added = [name for name in MAPPINGS if name in changes]
    if not added:
        return [(list(jobs), dict(changes))]
    groups: defaultdict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        groups[job.id.partition(":")[0]].append(job)  # children of one array together
    described = await batch.describe(list(groups))
    result = []
    for job_id, group in groups.items():
        request = JobRequest.from_description(described[job_id])
        merged = {name: {**getattr(request, name), **changes[name]} for name in added}
        result.append((group, {**changes, **merged}))
    return result


def _print_new(pairs: Sequence[tuple[str, Job]], *, as_json: bool) -> None:
    if as_json:
        listed = [{"rerun_of": old, **submitted_facts(new)} for old, new in pairs]
        output.print_json({"jobs": listed})
        return
    columns = (Column("FAILED JOB"), Column("NEW JOB"), Column("NAME", cut=True))
    output.print_table(columns, [(old, new.id, new.name) for old, new in pairs])
