"""`asyncbatch cancel` and `asyncbatch terminate`: end jobs, after asking.

Both list the jobs, ask, and then act on exactly those ids: a job that is submitted between the
question and the answer is never ended.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from asyncbatch import AsyncBatchClient, AsyncBatchError, Job, JobStatus
from asyncbatch._cli import choosing, exit_codes, output, running
from asyncbatch._cli.choosing import Filter, JobNames, Which
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.job_facts import counts_text, run_time
from asyncbatch._cli.output import AsJson, Column
from asyncbatch._cli.running import command, note
from asyncbatch._values import checks as check

_SHOWN = 20
"""Jobs that are listed before the question; more are counted."""

_COLUMNS = (
    Column("JOB ID"),
    Column("NAME", cut=True),
    Column("STATUS"),
    Column("AGE"),
    Column("RAN"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verb:
    """What differs between the two commands.

    Attributes:
        name: Name of the command.
        past: What it did.
        states: States of the jobs that it ends.
        others: What it says about jobs in other states.
    """

    name: str
    past: str
    states: frozenset[JobStatus]
    others: str


_CANCEL = _Verb(
    name="cancel",
    past="cancelled",
    states=frozenset({JobStatus.SUBMITTED, JobStatus.PENDING, JobStatus.RUNNABLE}),
    others="they have started or ended; `asyncbatch terminate` ends jobs that run.",
)
_TERMINATE = _Verb(
    name="terminate",
    past="terminated",
    states=frozenset(choosing.LIVE_STATES),
    others="they have ended.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Options of both commands.

    Attributes:
        every: Whether all jobs of the queue are meant.
        yes: Whether not to ask.
        reason: The status reason that the jobs get.
        as_json: Whether to print JSON.
    """

    every: Annotated[
        bool, typer.Option("--all", help="All jobs of the queue that have not ended.")
    ] = False
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; needed where there is no terminal.")
    ] = False
    reason: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Status reason that the jobs get; 1,024 characters."),
    ] = None
    as_json: AsJson = False


@command
async def cancel(
    choice: Choice, conditions: Filter, connection: Connection, jobs: JobNames = None
) -> int:
    """Cancel jobs that have not started.

    SUBMITTED, PENDING and RUNNABLE jobs end; jobs that have started continue. Lists the jobs and
    asks before it acts on exactly those.
    """
    return await _end(_CANCEL, jobs or [], choice, conditions, connection)


@command
async def terminate(
    choice: Choice, conditions: Filter, connection: Connection, jobs: JobNames = None
) -> int:
    """Terminate jobs, whether they run or wait.

    Lists the jobs and asks before it acts on exactly those. A job is FAILED some seconds later. The
    id of an array job stands for all its children.
    """
    return await _end(_TERMINATE, jobs or [], choice, conditions, connection)


async def _end(
    verb: _Verb, names: Sequence[str], choice: Choice, conditions: Filter, connection: Connection
) -> int:
    if not (names or choice.every) and conditions.is_empty():
        raise UsageError(
            f"choose jobs to {verb.name}: ids, names, --status, --definition or --since;"
            " --all means all jobs of the queue that have not ended."
        )
    if not (choice.yes or running.is_terminal()):
        raise UsageError(
            f"{verb.name} asks before it ends jobs, and there is no terminal to ask on. Add --yes."
        )
    reason = choice.reason or f"{verb.past} with the asyncbatch command"
    check.reason(reason)
    async with connection.open() as batch:
        found = await choosing.find_jobs(batch, names, connection, conditions, Which.LIVE)
        jobs = [job for job in found if job.status in verb.states]
        _mention_others(verb, [job for job in found if job.status not in verb.states])
        if jobs and not choice.yes and not await _agrees(verb, jobs):
            note("Nothing was done.")
            return exit_codes.SUCCEEDED
        ids = [job.id for job in jobs]
        errors = await _act(verb, batch, ids, reason)
    _report(verb, [job_id for job_id in ids if job_id not in errors], errors, choice)
    return exit_codes.AWS if errors else exit_codes.SUCCEEDED


def _mention_others(verb: _Verb, jobs: Sequence[Job]) -> None:
    if jobs:
        note(f"Left as they are: {_by_status(jobs)}; {verb.others}")


async def _agrees(verb: _Verb, jobs: Sequence[Job]) -> bool:
    """List the jobs on standard error, ask, and return whether the answer is yes."""
    shown = [job.description for job in jobs[:_SHOWN] if job.description is not None]
    rows = [
        (job.job_id, job.name, job.status, output.ago(job.created_at), run_time(job))
        for job in shown
    ]
    for line in output.table_lines(_COLUMNS, rows, plain=True):
        note(line)
    if len(jobs) > _SHOWN:
        note(f"... and {len(jobs) - _SHOWN:,} more; in total {_by_status(jobs)}")
    number = "this job" if len(jobs) == 1 else f"these {len(jobs):,} jobs"
    return await running.ask(f"{verb.name.capitalize()} {number}?")


def _by_status(jobs: Sequence[Job]) -> str:
    return counts_text(Counter(str(job.status) for job in jobs))


async def _act(
    verb: _Verb, batch: AsyncBatchClient, ids: Sequence[str], reason: str
) -> Mapping[str, AsyncBatchError]:
    """End jobs, fifty with a call, and return the errors of those that could not be ended."""
    session = batch._require_open()  # noqa: SLF001 - a handle ends one job with a call
    end = session.cancel if verb is _CANCEL else session.terminate
    return await end(ids, reason)


def _report(
    verb: _Verb, done: Sequence[str], errors: Mapping[str, AsyncBatchError], choice: Choice
) -> None:
    if choice.as_json:
        refused = [{"job_id": job_id, "message": str(error)} for job_id, error in errors.items()]
        output.print_json({"job_ids": done, "errors": refused})
    elif done:
        number = "1 job" if len(done) == 1 else f"{len(done):,} jobs"
        output.print_line(f"{verb.past.capitalize()} {number}; FAILED within some seconds.")
    else:
        note(f"No jobs to {verb.name}.")
    for job_id, error in errors.items():
        note(f"asyncbatch: {job_id}: {error}")
