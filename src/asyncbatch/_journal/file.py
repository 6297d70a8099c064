"""The SQLite file of a journal: statements and transactions. Blocks: for the journal's thread."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from asyncbatch._journal.entries import Entry, EntryState
from asyncbatch._journal.lock import hold_lock
from asyncbatch._journal.opening import connect, journal_error, require_file
from asyncbatch._values.errors import JournalError

Change = tuple[str, tuple[object, ...]]
"""An SQL statement and its values."""

_WRITE_ENTRY = """
    INSERT OR REPLACE INTO submissions (
        number, identity, ordinal, state, name, queue, job_definition, has_unique_name, tag,
        array_size, since, job_id
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_READ_ENTRIES = """
    SELECT
        number, identity, ordinal, state, name, queue, job_definition, has_unique_name, tag,
        array_size, since, job_id
    FROM submissions ORDER BY number
"""


def write_entry(entry: Entry) -> Change:
    """Insert an entry, or replace the one with its number."""
    return (
        _WRITE_ENTRY,
        (
            entry.number,
            entry.identity,
            entry.ordinal,
            str(entry.state),
            entry.name,
            entry.queue,
            entry.job_definition,
            entry.has_unique_name,
            entry.tag,
            entry.array_size,
            entry.since,
            entry.job_id,
        ),
    )


def update_state(entry: Entry) -> Change:
    """Update job id and state."""
    return (
        "UPDATE submissions SET job_id = ?, state = ? WHERE number = ?",
        (entry.job_id, str(entry.state), entry.number),
    )


def delete_entry(entry: Entry) -> Change:
    """Delete an entry: there is no such job."""
    return "DELETE FROM submissions WHERE number = ?", (entry.number,)


def write_end(entry: Entry, description: str) -> tuple[Change, Change]:
    """Update the state, and insert the job's last description."""
    return (
        ("INSERT OR REPLACE INTO ends VALUES (?, ?)", (entry.number, description)),
        update_state(entry),
    )


class File:
    """An open journal file."""

    def __init__(self, path: Path) -> None:
        """Open, lock and check the file, or make one.

        Raises:
            JournalError: It is in use, damaged, too new, not a journal, or not accessible.
        """
        self.path = path
        with ExitStack() as stack:
            try:
                require_file(path)
                stack.enter_context(hold_lock(path))
            except OSError as error:
                raise journal_error(path, error) from error
            self._connection = stack.enter_context(contextlib.closing(connect(path)))
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Close the file and release the lock."""
        self._stack.close()

    def fact(self, name: str, value: str) -> str:
        """Return a fact about the journal, such as its Region; store `value` if there is none yet.

        Raises:
            JournalError: The file cannot be read or written.
        """
        self.apply([("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, value))])
        with self._journal_errors():
            found = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,))
            return str(found.fetchone()[0])

    def apply(self, changes: Iterable[Change]) -> None:
        """Execute changes in one transaction, all or none; they are on disk when this returns.

        Raises:
            JournalError: They could not be written; none was.
        """
        with self._journal_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in changes:
                    self._connection.execute(statement, values)
                self._connection.execute("COMMIT")
            except BaseException:
                # Some errors, such as a full disk, make SQLite roll back by itself.
                # https://www.sqlite.org/lang_transaction.html
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def entries(self) -> list[Entry]:
        """Return all submissions, in the order of their numbers.

        Raises:
            JournalError: The file cannot be read.
        """
        # Thousands of entries have equal queues and job definitions: keep each text once.
        texts: dict[str, str] = {}
        with self._journal_errors():
            return [_entry(row, texts) for row in self._connection.execute(_READ_ENTRIES)]

    def ends(self, first: int, at_most: int) -> list[tuple[int, str]]:
        """Return numbers and last descriptions of ended jobs.

        Args:
            first: Smallest number.
            at_most: Maximum number of jobs.

        Raises:
            JournalError: The file cannot be read.
        """
        with self._journal_errors():
            return self._connection.execute(
                "SELECT number, description FROM ends WHERE number >= ? ORDER BY number LIMIT ?",
                (first, at_most),
            ).fetchall()

    @contextlib.contextmanager
    def _journal_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise journal_error(self.path, error) from error
        except (ValueError, TypeError) as error:
            raise JournalError(
                str(self.path), f"it contains invalid data: {error}", "Start a new journal."
            ) from error


def _entry(row: tuple[Any, ...], texts: dict[str, str]) -> Entry:
    (
        number,
        identity,
        ordinal,
        state,
        name,
        queue,
        definition,
        unique,
        tag,
        size,
        since,
        job_id,
    ) = row
    return Entry(
        number=number,
        identity=identity,
        ordinal=ordinal,
        state=EntryState(state),
        name=name,
        queue=texts.setdefault(queue, queue),
        job_definition=texts.setdefault(definition, definition),
        has_unique_name=bool(unique),
        tag=tag,
        array_size=size,
        since=since,
        job_id=job_id,
    )
