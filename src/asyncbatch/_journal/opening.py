"""Opening the file: whose it is, which version it has, whether it is sound; and what went wrong.

Schema versions
---------------
SQLite's `application_id` says that a file is a journal, its `user_version` which schema it has. A
file of an older version is brought up to date by the steps that it lacks, in one transaction; a new
file lacks them all. A file of a newer version is left alone.

    1   submissions, ends, facts

Source: https://www.sqlite.org/pragma.html#pragma_application_id
"""

import os
import sqlite3
import stat
from collections.abc import Sequence
from pathlib import Path

from asyncbatch._values.errors import JournalError

APPLICATION_ID = 0x61624A31  # "abJ1"

STEPS: Sequence[str] = (
    """
    CREATE TABLE submissions (
        number INTEGER PRIMARY KEY,
        identity TEXT NOT NULL,
        ordinal INTEGER NOT NULL,
        state TEXT NOT NULL,
        name TEXT NOT NULL,
        queue TEXT NOT NULL,
        job_definition TEXT NOT NULL,
        has_unique_name INTEGER NOT NULL,
        tag TEXT,
        array_size INTEGER,
        since REAL NOT NULL,
        job_id TEXT
    );
    CREATE TABLE ends (
        number INTEGER PRIMARY KEY REFERENCES submissions (number),
        description TEXT NOT NULL
    );
    CREATE TABLE facts (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    );
    """,
)

_FILE_OF_ITS_OWN = "Give the journal a file of its own."
_PATIENCE = 5.0  # seconds for which another program may hold the database


def require_file(path: Path) -> None:
    """Refuse what exists and is no regular file; nothing is opened, as that may block, or do harm.

    Raises:
        JournalError: It is a directory, a device, a pipe, a socket.
        OSError: It cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        step = f"Name a file in it, such as {path / 'run.db'}."
        raise JournalError(str(path), "it is a directory", step)
    if not stat.S_ISREG(mode):
        raise JournalError(str(path), "it is no regular file", _FILE_OF_ITS_OWN)


def connect(path: Path) -> sqlite3.Connection:
    """Open a journal, or make one.

    Raises:
        JournalError: It cannot be opened, or is none, or is damaged, or is too new.
    """
    try:
        # Only for us: descriptions of jobs may hold what others should not read.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(
            path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as error:
        raise told(path, error) from error
    try:
        _check(path, connection)
        # In WAL mode with FULL, a commit is on disk when it returns, and costs one sync.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection)
    except sqlite3.Error as error:
        connection.close()
        raise told(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _check(path: Path, connection: sqlite3.Connection) -> None:
    """Look at the file before anything in it is changed.

    Raises:
        JournalError: It is not what it should be.
    """
    version, is_empty = _number(connection, "user_version"), _number(connection, "page_count") == 0
    if not is_empty and _number(connection, "application_id") != APPLICATION_ID:
        raise JournalError(
            str(path),
            "it is a database, but not a journal of asyncbatch",
            _FILE_OF_ITS_OWN,
        )
    if version > len(STEPS):
        raise JournalError(
            str(path),
            f"it has schema version {version}, and this asyncbatch knows {len(STEPS)}",
            "Upgrade asyncbatch, or give this run another file.",
        )
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise _damaged(path, verdict)


def _migrate(connection: sqlite3.Connection) -> None:
    """Take the steps that the file lacks, all of them or none."""
    version = _number(connection, "user_version")
    if version == len(STEPS):
        return
    script = "\n".join(STEPS[version:])
    try:
        connection.executescript(
            f"BEGIN IMMEDIATE; {script} PRAGMA application_id = {APPLICATION_ID};"
            f" PRAGMA user_version = {len(STEPS)}; COMMIT;"
        )
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _damaged(path: Path, how: object) -> JournalError:
    return JournalError(
        str(path),
        f"it is damaged: {how}",
        "Keep a copy, save what can be saved with `sqlite3 FILE .recover`, or begin a new journal"
        " and look for running jobs with find().",
    )


_NEXT_STEPS: Sequence[tuple[str, str]] = (
    ("SQLITE_FULL", "Free some space on its disk; what was not submitted can be submitted again."),
    ("SQLITE_READONLY", "Make the file and its directory writable, or give another path."),
    ("SQLITE_CANTOPEN", "Make sure that its directory exists and can be written to."),
    ("SQLITE_BUSY", "Another program holds the database, such as a sqlite3 shell: close it."),
    ("SQLITE_LOCKED", "Another program holds the database, such as a sqlite3 shell: close it."),
    ("SQLITE_IOERR", "Check its disk: space, quota, mount, health."),
)


def told(path: Path, error: Exception) -> JournalError:
    """Return what went wrong in our words, with the next step."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_NOTADB"):
        return JournalError(str(path), "it is a file, but not a journal", _FILE_OF_ITS_OWN)
    if name.startswith("SQLITE_CORRUPT"):
        return _damaged(path, error)
    steps = (step for start, step in _NEXT_STEPS if name.startswith(start))
    problem = getattr(error, "strerror", None) or str(error)
    fallback = "Make sure that its directory exists and can be written to."
    return JournalError(str(path), problem, next(steps, fallback))
