"""The journal's file: what is read from it and written to it. It blocks: used in a thread only."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from asyncbatch._journal.entries import Entry, EntryState
from asyncbatch._journal.lock import locked
from asyncbatch._journal.opening import connect, require_file, told
from asyncbatch._values.errors import JournalError

Change = tuple[str, tuple[object, ...]]
"""A statement and its values."""

_INTEND = """
    INSERT OR REPLACE INTO submissions (
        number, identity, ordinal, state, name, queue, job_definition, has_unique_name, tag,
        array_size, since, job_id
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ENTRIES = """
    SELECT
        number, identity, ordinal, state, name, queue, job_definition, has_unique_name, tag,
        array_size, since, job_id
    FROM submissions ORDER BY number
"""


def intend(entry: Entry) -> Change:
    """Write an entry, or write over it."""
    return (
        _INTEND,
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


def accept(entry: Entry) -> Change:
    """Note the job id that AWS gave."""
    return (
        "UPDATE submissions SET job_id = ?, state = ? WHERE number = ?",
        (entry.job_id, str(entry.state), entry.number),
    )


def withdraw(entry: Entry) -> Change:
    """Take an intent back: there is no such job."""
    return "DELETE FROM submissions WHERE number = ?", (entry.number,)


def end(entry: Entry, description: str) -> tuple[Change, Change]:
    """Note how a job ended."""
    return (
        ("INSERT OR REPLACE INTO ends VALUES (?, ?)", (entry.number, description)),
        accept(entry),
    )


class File:
    """An open journal file."""

    def __init__(self, path: Path) -> None:
        """Open, lock and check the file, or make one.

        Raises:
            JournalError: It cannot be used.
        """
        self.path = path
        with ExitStack() as stack:
            try:
                require_file(path)
                stack.enter_context(locked(path))
            except OSError as error:
                raise told(path, error) from error
            self._connection = stack.enter_context(contextlib.closing(connect(path)))
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Close the file and give up the lock."""
        self._stack.close()

    def fact(self, name: str, value: str) -> str:
        """Return a fact about the journal; one that it does not know yet is noted.

        Raises:
            JournalError: The file cannot be read or written.
        """
        self.apply([("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, value))])
        with self._trouble_told():
            found = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,))
            return str(found.fetchone()[0])

    def apply(self, changes: Iterable[Change]) -> None:
        """Carry changes out, all or none; they are on disk when this returns.

        Raises:
            JournalError: They could not be written.
        """
        with self._trouble_told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in changes:
                    self._connection.execute(statement, values)
                self._connection.execute("COMMIT")
            except BaseException:
                # Some errors, such as a full disk, have rolled it back already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def entries(self) -> list[Entry]:
        """Return all submissions, in their order.

        Raises:
            JournalError: The file cannot be read.
        """
        words: dict[str, str] = {}  # thousands of jobs name the same queue and job definition
        with self._trouble_told():
            return [_entry(row, words) for row in self._connection.execute(_ENTRIES)]

    def ends(self, first: int, at_most: int) -> list[tuple[int, str]]:
        """Return descriptions of ended jobs, by number, from one on.

        Raises:
            JournalError: The file cannot be read.
        """
        with self._trouble_told():
            return self._connection.execute(
                "SELECT number, description FROM ends WHERE number >= ? ORDER BY number LIMIT ?",
                (first, at_most),
            ).fetchall()

    @contextlib.contextmanager
    def _trouble_told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise told(self.path, error) from error
        except (ValueError, TypeError) as error:
            raise JournalError(
                str(self.path), f"it holds what no journal does: {error}", "Begin a new journal."
            ) from error


def _entry(row: tuple[Any, ...], words: dict[str, str]) -> Entry:
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
        queue=words.setdefault(queue, queue),
        job_definition=words.setdefault(definition, definition),
        has_unique_name=bool(unique),
        tag=tag,
        array_size=size,
        since=since,
        job_id=job_id,
    )
