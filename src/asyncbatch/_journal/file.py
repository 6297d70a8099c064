"""The SQLite file of a journal: statements and transactions. Blocks: for the journal's thread."""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from asyncbatch._journal import forks
from asyncbatch._journal.entries import Entry, EntryState
from asyncbatch._journal.lock import hold_lock
from asyncbatch._journal.opening import (
    checksum_of,
    connect,
    damaged,
    journal_error,
    require_file,
)
from asyncbatch._values.errors import JournalError

Change = tuple[str, tuple[object, ...]]
"""An SQL statement and its values."""

_ENTRY = """
    number, identity, ordinal, state, name, queue, job_definition, has_unique_name, tag,
    array_size, since, job_id, decision
"""
# Not INSERT OR REPLACE: that would not fire the triggers which maintain the sum of the checksums.
_WRITE_ENTRY = f"""
    INSERT INTO submissions ({_ENTRY}, checksum)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (number) DO UPDATE SET
        identity = excluded.identity, ordinal = excluded.ordinal, state = excluded.state,
        name = excluded.name, queue = excluded.queue, job_definition = excluded.job_definition,
        has_unique_name = excluded.has_unique_name, tag = excluded.tag,
        array_size = excluded.array_size, since = excluded.since, job_id = excluded.job_id,
        decision = excluded.decision, checksum = excluded.checksum
"""  # noqa: S608 - made of constants
_READ_ENTRIES = f"SELECT checksum, {_ENTRY} FROM submissions ORDER BY number"  # noqa: S608 - as above
_CLOSED: Change = (
    """
    UPDATE facts SET value = (SELECT value + 1 FROM facts WHERE name = 'transactions')
    WHERE name = 'closed'
    """,
    (),
)
_COUNT = "UPDATE facts SET value = value + 1 WHERE name = 'transactions'"


def write_entry(entry: Entry) -> Change:
    """Insert an entry, or replace the one with its number."""
    row = _row(entry)
    return _WRITE_ENTRY, (*row, _checksum(row))


def update_state(entry: Entry) -> Change:
    """Update job id and state."""
    return (
        "UPDATE submissions SET job_id = ?, state = ?, checksum = ? WHERE number = ?",
        (entry.job_id, str(entry.state), _checksum(_row(entry)), entry.number),
    )


def delete_entry(entry: Entry) -> Change:
    """Delete an entry: there is no such job."""
    return "DELETE FROM submissions WHERE number = ?", (entry.number,)


def write_end(entry: Entry, description: str) -> tuple[Change, Change]:
    """Update the state, and insert the job's last description."""
    checksum = checksum_of(entry.number, description)
    return (
        ("INSERT OR REPLACE INTO ends VALUES (?, ?, ?)", (entry.number, description, checksum)),
        update_state(entry),
    )


def _row(entry: Entry) -> tuple[object, ...]:
    """Return an entry as the table has it."""
    return (
        entry.number,
        entry.identity,
        entry.ordinal,
        str(entry.state),
        entry.name,
        entry.queue,
        entry.job_definition,
        int(entry.has_unique_name),
        entry.tag,
        entry.array_size,
        float(entry.since),
        entry.job_id,
        entry.decision,
    )


def _checksum(row: Sequence[object]) -> int:
    """Return the checksum of an entry; without a decision, it is that of schema version 2."""
    return checksum_of(*(row if row[-1] is not None else row[:-1]))


def write_log_tail(entry: Entry, events: str) -> Change:
    """Insert the last log lines of a job."""
    checksum = checksum_of(entry.number, events)
    return "INSERT OR REPLACE INTO log_tails VALUES (?, ?, ?)", (entry.number, events, checksum)


def write_stop(job_id: str) -> Change:
    """Insert a job that a caller terminated or cancelled."""
    return "INSERT OR REPLACE INTO stops VALUES (?, ?)", (job_id, checksum_of(job_id))


class File:
    """An open journal file."""

    def __init__(self, path: Path) -> None:
        """Open, lock and check the file, or make one.

        Raises:
            JournalError: It is in use, damaged, too new, not a journal, or not accessible.
        """
        self.path = path
        self._process = os.getpid()
        with ExitStack() as stack:
            try:
                require_file(path)
                self._lock = stack.enter_context(hold_lock(path))
                self._connection = connect(path, self._lock)
            except (OSError, sqlite3.Error) as error:
                raise journal_error(path, error) from error
            stack.callback(self._close)
            forks.keep(self._connection)
            with self._journal_errors():
                self._transactions = self._fact("transactions")
                # From now on the file says that it needs its -wal file, also if that is deleted.
                self.apply([])
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Close the file and release the lock.

        Raises:
            JournalError: This process was forked from the one that opened it.
        """
        self._stack.close()

    def _close(self) -> None:
        self.require_own_process()
        forks.release(self._connection)
        # Without this mark, the lock file stays, and says that no transaction is missing.
        with contextlib.suppress(JournalError):
            self.apply([_CLOSED])
            self._lock.is_deleted_at_end = True
        # Writes all transactions into the database and deletes the -wal file.
        self._connection.close()

    def require_own_process(self) -> None:
        """Refuse to use the file in a process that was forked from the one that opened it.

        Raises:
            JournalError: This is such a process.
        """
        if os.getpid() != self._process:
            raise forks.forked_error(self.path, self._process)

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
                self._connection.execute(_COUNT)
                self._connection.execute("COMMIT")
            except BaseException:
                # Some errors, such as a full disk, make SQLite roll back by itself.
                # https://www.sqlite.org/lang_transaction.html
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._transactions += 1
            self._lock.note(self._transactions)

    def entries(self) -> list[Entry]:
        """Return all submissions, in the order of their numbers.

        Raises:
            JournalError: The file cannot be read.
        """
        # Thousands of entries have equal queues and job definitions: keep each text once.
        texts: dict[str, str] = {}
        with self._journal_errors():
            total = 0
            entries = []
            for checksum, *row in self._connection.execute(_READ_ENTRIES):
                if checksum != _checksum(row):
                    raise damaged(self.path, f"submission {row[0]} has another checksum")
                total += checksum
                entries.append(_entry(row, texts))
            if total != self._fact("checksum"):
                raise damaged(self.path, "submissions are missing or outdated")
            return entries

    def ends(self, first: int, at_most: int) -> list[tuple[int, str]]:
        """Return numbers and last descriptions of ended jobs.

        Args:
            first: Smallest number.
            at_most: Maximum number of jobs.

        Raises:
            JournalError: The file cannot be read.
        """
        with self._journal_errors():
            rows = self._connection.execute(
                "SELECT number, description, checksum FROM ends WHERE number >= ?"
                " ORDER BY number LIMIT ?",
                (first, at_most),
            ).fetchall()
        for number, description, checksum in rows:
            if checksum != checksum_of(number, description):
                raise damaged(self.path, f"the end of submission {number} has another checksum")
        return [(number, description) for number, description, _ in rows]

    def log_tail(self, number: int) -> str | None:
        """Return the last log lines of a job that was submitted again; None if there are none.

        Raises:
            JournalError: The file cannot be read.
        """
        with self._journal_errors():
            row = self._connection.execute(
                "SELECT events, checksum FROM log_tails WHERE number = ?", (number,)
            ).fetchone()
        if row is None:
            return None
        if row[1] != checksum_of(number, row[0]):
            raise damaged(self.path, f"the log of submission {number} has another checksum")
        return str(row[0])

    def stopped(self) -> set[str]:
        """Return the ids of jobs that a caller terminated or cancelled.

        Raises:
            JournalError: The file cannot be read.
        """
        with self._journal_errors():
            rows = self._connection.execute("SELECT job_id, checksum FROM stops").fetchall()
        for job_id, checksum in rows:
            if checksum != checksum_of(job_id):
                raise damaged(self.path, f"the stop of job {job_id} has another checksum")
        return {job_id for job_id, _ in rows}

    def _fact(self, name: str) -> int:
        found = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,))
        return int(found.fetchone()[0])

    @contextlib.contextmanager
    def _journal_errors(self) -> Iterator[None]:
        self.require_own_process()
        try:
            yield
        except sqlite3.Error as error:
            raise journal_error(self.path, error) from error
        except (ValueError, TypeError) as error:
            raise damaged(self.path, f"invalid data: {error}") from error


def _entry(row: Sequence[Any], texts: dict[str, str]) -> Entry:
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
        decision,
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
        decision=decision,
    )
