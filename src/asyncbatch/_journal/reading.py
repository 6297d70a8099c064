"""The run that a journal contains, read once: no client, no Region, no calls. Blocks."""

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from asyncbatch._journal.encoding import Decoder
from asyncbatch._journal.entries import Entry, EntryState
from asyncbatch._journal.file import File
from asyncbatch._results.report.run import ReportedJob, Run, SubmissionRecord
from asyncbatch._results.rows import last_part
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import JournalError
from asyncbatch._values.status import JobStatus

_ENDS_PER_READ = 500

_STATES = {EntryState.INTENT: "UNDECIDED"}
"""What a report calls states that only the journal has."""


def read_run(path: Path) -> Run:
    """Return the jobs of a journal, in the order of their first submissions.

    Submissions of the same request are one job: those of a `RecoveryPolicy`, and those of a later
    run that submitted it again. Children of an array that ran again are jobs of their own.

    Raises:
        JournalError: There is no such file, a program is using it, or it cannot be read.
    """
    if not path.is_file():
        raise JournalError(str(path), "there is no such file", "Check the path.")
    with closing(File(Path(os.path.realpath(path)))) as file:
        entries = file.entries()
        descriptions = dict(_descriptions(file, (entry.number for entry in entries)))
        decoder = Decoder()
        by_request: dict[tuple[str, int], list[SubmissionRecord]] = {}
        for entry in entries:
            record = _record(file, entry, descriptions.get(entry.number), decoder)
            by_request.setdefault((entry.identity, entry.ordinal), []).append(record)
    return Run(jobs=[ReportedJob(submissions=records) for records in by_request.values()])


def _descriptions(file: File, numbers: Iterable[int]) -> Iterator[tuple[int, JobDescription]]:
    """Yield the last descriptions of the jobs that have ended, with their numbers."""
    decoder = Decoder()
    last = max(numbers, default=0)
    first = 1
    while first <= last:
        rows = file.ends(first, _ENDS_PER_READ)
        for number, text in rows:
            try:
                yield number, decoder.from_text(text)
            except ValueError as error:
                raise _invalid(file, number, error) from error
        if len(rows) < _ENDS_PER_READ:
            return
        first = rows[-1][0] + 1


def _record(
    file: File, entry: Entry, description: JobDescription | None, decoder: Decoder
) -> SubmissionRecord:
    if description is None:
        return SubmissionRecord(
            job_id=entry.job_id or "",
            name=entry.name,
            status=_STATES.get(entry.state, str(entry.state)),
            queue=last_part(entry.queue) or "",
            array_size=entry.array_size,
        )
    text = None if description.status is JobStatus.SUCCEEDED else file.log_tail(entry.number)
    try:
        log = () if text is None else decoder.events_from_text(text)
    except ValueError as error:
        raise _invalid(file, entry.number, error) from error
    return SubmissionRecord.of_description(description, log)


def _invalid(file: File, number: int, error: ValueError) -> JournalError:
    problem = f"what it has of submission {number} is invalid: {error}"
    return JournalError(str(file.path), problem, "Use `results.report()` of the running program.")
