"""An open journal: its entries in memory, and what it writes."""

import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

import anyio

from asyncbatch._journal import encoding, file
from asyncbatch._journal.entries import ENDED, Entry, EntryState, array_of
from asyncbatch._journal.file import Change, File
from asyncbatch._journal.writer import Thread, Writer
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import JournalError
from asyncbatch._values.results import LogEvent

logger = logging.getLogger("asyncbatch")

_ENDS_PER_READ = 500


def _open(
    path: Path, region: str, closing: contextlib.ExitStack
) -> tuple[File, list[Entry], set[str]]:
    """Open the file, which `closing` closes, and read its entries."""
    # Resolved, so that a file has one lock by whatever link it is reached, and so that SQLite does
    # not take ":memory:" for a database in memory. Unlike `Path.resolve`, this does not raise for
    # a loop of links, which then fails as it is opened.
    try:
        real = Path(os.path.realpath(path))
    except ValueError as error:  # a null byte
        raise JournalError(str(path), str(error), "Use another path.") from error
    file = File(real)
    closing.callback(file.close)
    _require_region(file, region)
    return file, file.entries(), file.stopped()


def _require_region(file: File, region: str) -> None:
    known = file.fact("region", region)
    if known != region:
        raise JournalError(
            str(file.path),
            f"its jobs are in Region {known}, and this client uses {region}",
            "Use the Region of the journal, or another file.",
        )


class OpenJournal:
    """A journal that a client uses.

    All entries are in memory, so finding one costs nothing. Descriptions of ended jobs are read
    from the file when they are needed: they are the largest part of it.
    """

    def __init__(
        self,
        file: File,
        thread: Thread,
        writer: Writer,
        entries: list[Entry],
        stopped: set[str],
    ) -> None:
        """Made by `opened`."""
        self._stopped = stopped
        self._file = file
        self._thread = thread
        self._writer = writer
        self._current: dict[tuple[str, int], Entry] = {}
        self._by_job: dict[str, Entry] = {}
        self._earlier: dict[tuple[str, int], list[Entry]] = {}
        self._part_keys: dict[str, dict[tuple[str, int], None]] = {}
        self._decoder = encoding.Decoder()
        self._descriptions: dict[int, str] = {}
        self._reading = anyio.Lock()
        self._next_number = entries[-1].number + 1 if entries else 1
        for entry in entries:
            self._remember(entry)

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over the last submission of each request, in the order of their numbers."""
        return iter(sorted(self._current.values(), key=lambda entry: entry.number))

    def of_job(self, job_id: str) -> Entry | None:
        """Return the submission of a job; None if it is not in this journal."""
        return self._by_job.get(job_id)

    def find(self, identity: str, ordinal: int) -> Entry | None:
        """Return the last submission of a request; None if there is none."""
        return self._current.get((identity, ordinal))

    def earlier(self, entry: Entry) -> list[Entry]:
        """Return the submissions of the same job before its last one, the first one first."""
        return list(self._earlier.get((entry.identity, entry.ordinal), ()))

    def parts(self, array_id: str) -> list[Entry]:
        """Return the last submission of each part of an array."""
        keys = self._part_keys.get(array_id, ())
        return [self._current[key] for key in keys if key in self._current]

    def is_stopped(self, job_id: str) -> bool:
        """Return whether a caller terminated or cancelled a job, or a child of an array."""
        return job_id in self._stopped

    def job_ids(self, name: str) -> set[str]:
        """Return the ids of all jobs in this journal that have a name."""
        return {job_id for job_id, entry in self._by_job.items() if entry.name == name}

    def next_number(self) -> int:
        """Return the number of a new submission."""
        number, self._next_number = self._next_number, self._next_number + 1
        return number

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, path: Path, *, region: str) -> AsyncIterator[Self]:
        """Open a journal; when the context ends, all writes are on disk and the file is closed.

        Args:
            path: The file; created if it does not exist.
            region: AWS Region of the jobs.

        Raises:
            JournalError: The file cannot be used, or its jobs are in another Region.
        """
        async with contextlib.AsyncExitStack() as stack:
            thread = Thread(path)
            stack.callback(thread.end)
            # Also for a caller that was cancelled and never gets the file: the same thread closes
            # it, so after the opening.
            closing = contextlib.ExitStack()
            stack.push_async_callback(thread.run, closing.close)
            file, entries, stopped = await thread.run(_open, path, region, closing)
            writer = Writer(file, thread)
            group = await stack.enter_async_context(anyio.create_task_group())
            group.start_soon(writer.run)
            stack.push_async_callback(writer.finish, group.cancel_scope)
            yield cls(file, thread, writer, entries, stopped)

    # -- writing ----------------------------------------------------------------------------------

    async def intend(self, entry: Entry) -> None:
        """Write that a job is about to be submitted, and wait until that is on disk.

        Raises:
            JournalError: It could not be written: the job must not be submitted.
        """
        try:
            change = file.write_entry(entry)
        except UnicodeEncodeError as error:
            # Refused here: in a transaction it would make the changes of other requests fail.
            raise JournalError(
                str(self._file.path),
                f"the submission of {entry.name!a} contains {error.object[error.start]!a}, a"
                " surrogate, which cannot be written as UTF-8",
                "Remove it from the request, which was not submitted.",
            ) from error
        await self._writer.put_durably(change)
        self._remember(entry)

    def accepted(self, entry: Entry, job_id: str) -> None:
        """Record the id of a job that AWS has accepted."""
        entry.job_id, entry.state = job_id, EntryState.SUBMITTED
        self._remember(entry)
        self._put(entry, lambda: [file.update_state(entry)])

    def withdrawn(self, entry: Entry) -> None:
        """Delete the entry of a job that AWS refused."""
        key = (entry.identity, entry.ordinal)
        if self._current.get(key) is entry:
            del self._current[key]
            if earlier := self._earlier.get(key):  # what failed before is the last one again
                self._current[key] = earlier.pop()
        self._writer.put(file.delete_entry(entry))

    def ended(self, entry: Entry, description: JobDescription) -> None:
        """Record the end of a job."""
        if entry.state not in ENDED:
            entry.state = EntryState(str(description.status))
            self._put(entry, lambda: file.write_end(entry, encoding.to_text(description)))

    def lost(self, entry: Entry) -> None:
        """Record that AWS no longer knows a job."""
        if entry.state not in ENDED:
            entry.state = EntryState.LOST
            self._put(entry, lambda: [file.update_state(entry)])

    def keep_log(self, entry: Entry, events: Sequence[LogEvent]) -> None:
        """Record the last log lines of a job that is submitted again."""
        self._put(entry, lambda: [file.write_log_tail(entry, encoding.events_to_text(events))])

    def stopped(self, job_id: str) -> None:
        """Record that a caller terminated or cancelled a job, or a child of an array."""
        entry = self._by_job.get(job_id.partition(":")[0])
        if entry is not None and job_id not in self._stopped:
            self._stopped.add(job_id)
            self._put(entry, lambda: [file.write_stop(job_id)])

    async def flush(self) -> None:
        """Write now what has gathered; an error is logged, and its changes are kept."""
        await self._writer.flush()

    def _put(self, entry: Entry, changes: Callable[[], Iterable[Change]]) -> None:
        """Write changes soon, unless SQLite cannot store them: they would block all others."""
        try:
            self._writer.put(*changes())
        except UnicodeEncodeError:
            # The intent remains, so the next run looks the job up.
            logger.error(  # noqa: TRY400 - the traceback says no more
                "journal cannot store job id %a of %s, which is not Unicode text",
                entry.job_id,
                entry.name,
            )

    # -- reading ----------------------------------------------------------------------------------

    async def description(self, entry: Entry) -> JobDescription:
        """Return the last description of an ended job.

        Raises:
            JournalError: The file cannot be read.
        """
        if entry.number not in self._descriptions:
            async with self._reading:
                if entry.number not in self._descriptions:
                    await self._read(entry.number)
        try:
            return self._decoder.from_text(self._descriptions.pop(entry.number))
        except (KeyError, ValueError) as error:
            raise JournalError(
                str(self._file.path),
                f"the description of job {entry.job_id} in it is missing or invalid: {error!r}",
                "Use attach() with the job id, as long as AWS knows the job.",
            ) from error

    async def log_tail(self, entry: Entry) -> tuple[LogEvent, ...]:
        """Return the last log lines of a job that was submitted again; empty if none are kept.

        Raises:
            JournalError: The file cannot be read.
        """
        self._thread.require_own_process()
        await self._writer.flush()
        text = await self._thread.run(self._file.log_tail, entry.number)
        try:
            return () if text is None else self._decoder.events_from_text(text)
        except ValueError as error:
            raise JournalError(
                str(self._file.path),
                f"the log of job {entry.job_id} in it is invalid: {error!r}",
                "Read it with Job.logs(), as long as CloudWatch Logs keeps it.",
            ) from error

    async def _read(self, number: int) -> None:
        """Read many descriptions at once: a rerun needs them in the order of their numbers."""
        self._thread.require_own_process()
        await self._writer.flush()
        rows = await self._thread.run(self._file.ends, number, _ENDS_PER_READ)
        self._descriptions = dict(rows)

    def _remember(self, entry: Entry) -> None:
        key = (entry.identity, entry.ordinal)
        previous = self._current.get(key)
        if previous is not entry:
            if entry.decision is None:
                self._earlier.pop(key, None)
            elif previous is not None and previous.number < entry.number:
                self._earlier.setdefault(key, []).append(previous)
            if (array_id := array_of(entry.identity)) is not None:
                self._part_keys.setdefault(array_id, {})[key] = None
        self._current[key] = entry
        if entry.job_id is not None:
            self._by_job[entry.job_id] = entry
