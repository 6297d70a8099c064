"""The jobs of a journal, where a command takes jobs: the file stands for them.

Job names have no dots and no slashes, so a text with one is the path of a journal, as those that
`asyncbatch run` makes: ``days.csv.journal``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from asyncbatch._cli import input_files
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.running import note
from asyncbatch._values.text import one_line

if TYPE_CHECKING:
    from asyncbatch import AsyncBatchClient, Job
    from asyncbatch._results.report.run import Run, SubmissionRecord


def is_journal(text: str) -> bool:
    """Return whether a text that is no job id can only be a path."""
    return ("." in text or "/" in text) and not text.startswith("arn:")


async def jobs_of(batch: "AsyncBatchClient", path: str) -> list["Job"]:
    """Return a handle for each request of a journal: of its last submission.

    Raises:
        UsageError: There is no such file.
        JournalError: A program is using it, or it is no journal.
    """
    run = await _read(path)
    ids = [job.last.job_id for job in run.jobs if job.last.job_id]
    known = await batch.describe(ids)
    for number, what in (
        (len(run.jobs) - len(ids), "are not known to have a job; `asyncbatch resume` looks it up"),
        (len(ids) - len(known), "have jobs that AWS no longer knows, and are left out"),
    ):
        if number:
            note(f"{number:,} of {len(run.jobs):,} requests in {one_line(path)} {what}.")
    return await batch.attach([job_id for job_id in ids if job_id in known])


async def earlier_submissions(names: Sequence[str]) -> Mapping[str, Sequence["SubmissionRecord"]]:
    """Return what was submitted for a request before its last job, by the id of that job.

    Args:
        names: What a command was given; those that are no journals are left out.
    """
    runs = [await _read(name) for name in names if is_journal(name)]
    return {job.last.job_id: job.submissions[:-1] for run in runs for job in run.jobs}


async def _read(path: str) -> "Run":
    from asyncbatch._journal.reading import read_run

    if not await input_files.exists(Path(path)):
        raise UsageError(
            f"there is no journal {one_line(path)}, and no job can have this name: names have"
            " letters, digits, - and _. Check the path, or the name."
        )
    return await anyio.to_thread.run_sync(read_run, Path(path))
