"""A journal in use: what it knows in memory, and what it writes."""

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Self

import anyio

from asyncbatch._journal import encoding, file
from asyncbatch._journal.entries import ENDED, Entry, EntryState
from asyncbatch._journal.file import File
from asyncbatch._journal.writer import Thread, Writer
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import JournalError

logger = logging.getLogger("asyncbatch")

_READ_TOGETHER = 500


def _opened(path: Path, region: str) -> tuple[File, list[Entry]]:
    # One file has one lock, by whatever link it is reached; and ":memory:" is a file like others.
    file = File(path.resolve())
    try:
        _require_region(file, region)
        return file, file.entries()
    except BaseException:
        file.close()
        raise


def _require_region(file: File, region: str) -> None:
    known = file.fact("region", region)
    if known != region:
        raise JournalError(
            str(file.path),
            f"its jobs are in the Region {known}, and this client is for {region}",
            "Use the Region of the journal, or give this run a file of its own.",
        )


class OpenJournal:
    """A journal in use."""

    def __init__(self, file: File, thread: Thread, writer: Writer, entries: list[Entry]) -> None:
        """Made by `open_journal`."""
        self._file = file
        self._thread = thread
        self._writer = writer
        self._current: dict[tuple[str, int], Entry] = {}
        self._by_job: dict[str, Entry] = {}
        self._descriptions: dict[int, str] = {}
        self._reading = anyio.Lock()
        self._next_number = entries[-1].number + 1 if entries else 1
        for entry in entries:
            self._know(entry)

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over the submissions, in their order; of those of one request, the last."""
        return iter(sorted(self._current.values(), key=lambda entry: entry.number))

    def of_job(self, job_id: str) -> Entry | None:
        """Return the submission that made a job; None if it is none of this journal."""
        return self._by_job.get(job_id)

    def find(self, identity: str, ordinal: int) -> Entry | None:
        """Return the last submission of a request."""
        return self._current.get((identity, ordinal))

    def job_ids(self, name: str) -> set[str]:
        """Return the ids of all jobs that have a name."""
        return {job_id for job_id, entry in self._by_job.items() if entry.name == name}

    def next_number(self) -> int:
        """Return the place of a new submission."""
        number, self._next_number = self._next_number, self._next_number + 1
        return number

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, path: Path, *, region: str) -> AsyncIterator[Self]:
        """Open a journal until the context ends; what was put is on disk then.

        Args:
            path: Its file; made if there is none.
            region: The Region that its jobs are in.

        Raises:
            JournalError: It cannot be used, or belongs to another Region.
        """
        async with contextlib.AsyncExitStack() as stack:
            thread = Thread()
            stack.callback(thread.end)
            file, entries = await thread.run(_opened, path, region)
            stack.push_async_callback(thread.run, file.close)
            writer = Writer(file, thread)
            group = await stack.enter_async_context(anyio.create_task_group())
            group.start_soon(writer.run)
            stack.push_async_callback(writer.finish, group.cancel_scope)
            yield cls(file, thread, writer, entries)

    # -- writing ----------------------------------------------------------------------------------

    async def intend(self, entry: Entry) -> None:
        """Have it on disk that a job is about to be submitted.

        Raises:
            JournalError: It could not be written, so the job must not be submitted.
        """
        await self._writer.put_durably(file.intend(entry))
        self._know(entry)

    def accepted(self, entry: Entry, job_id: str) -> None:
        """Note that AWS has accepted a job."""
        entry.job_id, entry.state = job_id, EntryState.SUBMITTED
        self._know(entry)
        self._writer.put(file.accept(entry))

    def withdrawn(self, entry: Entry) -> None:
        """Note that a job was not submitted after all."""
        if self._current.get((entry.identity, entry.ordinal)) is entry:
            del self._current[entry.identity, entry.ordinal]
        self._writer.put(file.withdraw(entry))

    def ended(self, entry: Entry, description: JobDescription) -> None:
        """Note how a job ended."""
        if entry.state not in ENDED:
            entry.state = EntryState(str(description.status))
            self._writer.put(*file.end(entry, encoding.to_text(description)))

    def lost(self, entry: Entry) -> None:
        """Note that AWS does not answer for a job."""
        if entry.state not in ENDED:
            entry.state = EntryState.LOST
            self._writer.put(file.accept(entry))

    # -- reading ----------------------------------------------------------------------------------

    async def description(self, entry: Entry) -> JobDescription:
        """Return how a job ended.

        Raises:
            JournalError: The file cannot be read.
        """
        if entry.number not in self._descriptions:
            async with self._reading:
                if entry.number not in self._descriptions:
                    await self._read(entry.number)
        try:
            return encoding.from_text(self._descriptions.pop(entry.number))
        except (KeyError, ValueError) as error:
            raise JournalError(
                str(self._file.path),
                f"the end of job {entry.job_id} cannot be read from it: {error!r}",
                "Describe the job with attach(), as long as AWS knows it.",
            ) from error

    async def _read(self, number: int) -> None:
        """Read ends from a place on: they are mostly asked for in their order."""
        await self._writer.flush()
        rows = await self._thread.run(self._file.ends, number, _READ_TOGETHER)
        self._descriptions = dict(rows)

    def _know(self, entry: Entry) -> None:
        self._current[entry.identity, entry.ordinal] = entry
        if entry.job_id is not None:
            self._by_job[entry.job_id] = entry
