"""What commands that follow jobs share: their end, their progress, and how to go on."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from asyncbatch import (
    AsyncBatchClient,
    Event,
    Job,
    JobBlocked,
    JobDescription,
    JobStatus,
    JobVanished,
    StatusChanged,
)
from asyncbatch._cli import exit_codes, output
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.job_facts import counts_text, details, job_facts, reason_text, run_time
from asyncbatch._cli.running import note
from asyncbatch._values.text import one_line

_NAMED = 20
"""Job ids in a command that goes on; more do not fit a line that a person copies."""


def how_to_go_on(command: str, jobs: Sequence[Job], connection: Connection) -> str:
    """Return the message after Ctrl-C: the jobs continue, and this command follows them again.

    Args:
        command: The command with its own options, such as ``logs -f``.
        jobs: The jobs that were followed.
        connection: The options of the connection.
    """
    ids = [job.id for job in jobs if not job.status.is_terminal] or [job.id for job in jobs]
    if not ids:
        return f"The jobs continue. Follow again: asyncbatch {command}{connection.options()}"
    continues = "The job continues" if len(ids) == 1 else f"{len(ids):,} jobs continue"
    more = f" ... ({len(ids) - _NAMED:,} more)" if len(ids) > _NAMED else ""
    named = " ".join(f"'{job_id}'" if "#" in job_id else job_id for job_id in ids[:_NAMED])
    return f"{continues}. Follow again: asyncbatch {command}{connection.options()} {named}{more}"


async def print_ends(batch: AsyncBatchClient, jobs: Sequence[Job], *, as_json: bool) -> int:
    """Print each job when it ends, and return the exit code: 1 if one FAILED or vanished."""
    code = exit_codes.SUCCEEDED
    async for job in batch.as_completed(jobs):
        if not await ended_well(job):
            code = exit_codes.JOB_FAILED
        if job.description is not None and job.description.status.is_terminal:
            print_end(job.description, as_json=as_json)
    return code


async def ended_well(job: Job) -> bool:
    """Return whether a job that has ended SUCCEEDED; say so if AWS no longer knows it."""
    try:
        return (await job.result(check=False)).succeeded
    except JobVanished as error:
        note(f"asyncbatch: {error}")
        return False


def print_end(job: JobDescription, *, as_json: bool) -> None:
    """Print a job that has ended: a line, or an object."""
    if as_json:
        output.print_json_line(job_facts(job))
        return
    state = output.styled(f"{job.status:<9}", job.status)
    ran = run_time(job)
    facts = [one_line(job.name), job.job_id, f"ran {ran}" if ran else "", details(job)]
    output.print_line(f"{state}  {'  '.join(one_line(fact) for fact in facts if fact)}")
    output.flush()


@contextmanager
def progress_on_stderr(batch: AsyncBatchClient, jobs: Sequence[Job]) -> Iterator[None]:
    """Show the progress on standard error while the block runs, if that is a terminal.

    Where standard output is the terminal, too, the lines of the command would be printed into a
    bar: there, statuses are printed as lines.
    """
    if output.is_terminal() or not sys.stderr.isatty():
        with statuses_on_stderr(batch, jobs):
            yield
        return
    from asyncbatch.progress import display

    with display(jobs):
        yield


@contextmanager
def statuses_on_stderr(batch: AsyncBatchClient, jobs: Sequence[Job]) -> Iterator[None]:
    """Print on standard error what is waited for while the block runs, if that is a terminal.

    A single job has a line for each status and each reason to wait until it ends; several have one
    line.
    """
    live = [job for job in jobs if not job.status.is_terminal]
    if not live or not sys.stderr.isatty():
        yield
        return
    if len(live) > 1:
        states = Counter(job.status for job in live)
        counts = counts_text({state: states[state] for state in JobStatus if states[state]})
        note(f"Waiting for {len(live):,} jobs: {counts}")
        yield
        return
    (job,) = live
    name = one_line(job.name)

    def show(event: Event) -> None:
        if getattr(event, "job_id", None) != job.id:
            return
        if isinstance(event, StatusChanged):
            status = event.description.status
            if status != event.previous and not status.is_terminal:
                note(f"{name}: {status}")
        elif isinstance(event, JobBlocked):
            note(f"{name} waits: {one_line(reason_text(event.reason))}")

    note(f"{name}: {job.status}")
    batch.add_observer(show)
    try:
        yield
    finally:
        batch.remove_observer(show)
