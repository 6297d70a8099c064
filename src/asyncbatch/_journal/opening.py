"""Opening the file: checks of its kind, version and integrity, migration, and error messages.

Schema versions
---------------
SQLite's `application_id` marks a file as a journal, its `user_version` is the schema's version. An
older file is migrated by the steps that it lacks, in one transaction; a new file lacks all of them.
A newer file is refused without changing it. A step that was released must never be edited.

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

_USE_ANOTHER_FILE = "Use another file for the journal."
_BUSY_SECONDS = 5.0  # for which another program may hold the database


def require_file(path: Path) -> None:
    """Refuse a path that exists and is not a regular file.

    Nothing is opened: opening a pipe blocks, and opening a device may have effects.

    Raises:
        JournalError: It is a directory, a device, a pipe or a socket.
        OSError: Its kind cannot be determined.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        step = f"Use a file in it, such as {path / 'run.db'}."
        raise JournalError(str(path), "it is a directory", step)
    if not stat.S_ISREG(mode):
        raise JournalError(str(path), "it is not a regular file", _USE_ANOTHER_FILE)


def connect(path: Path) -> sqlite3.Connection:
    """Open a journal, or create one.

    Raises:
        JournalError: It cannot be opened, is not a journal, is damaged, or has a newer schema.
    """
    try:
        # Readable by its owner only: environments and commands of jobs may contain secrets.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as error:
        raise journal_error(path, error) from error
    try:
        _check(path, connection)
        # In WAL mode with FULL, a commit is on disk when it returns, and costs one fsync.
        # https://www.sqlite.org/pragma.html#pragma_synchronous
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection)
    except sqlite3.Error as error:
        connection.close()
        raise journal_error(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _check(path: Path, connection: sqlite3.Connection) -> None:
    """Check the file before anything in it is changed.

    Raises:
        JournalError: It is not a journal, has a newer schema, or is damaged.
    """
    version, is_empty = _number(connection, "user_version"), _number(connection, "page_count") == 0
    if not is_empty and _number(connection, "application_id") != APPLICATION_ID:
        raise JournalError(
            str(path),
            "it is an SQLite database, but not a journal of asyncbatch",
            _USE_ANOTHER_FILE,
        )
    if version > len(STEPS):
        raise JournalError(
            str(path),
            f"it has schema version {version}, but this asyncbatch supports only {len(STEPS)}",
            "Upgrade asyncbatch, or use another file.",
        )
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise _damaged(path, verdict)


def _migrate(connection: sqlite3.Connection) -> None:
    """Execute the steps that the file lacks, all or none."""
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
        "Keep a copy and recover its data with `sqlite3 FILE .recover`, or start a new journal and"
        " search for running jobs with find().",
    )


_NEXT_STEPS: Sequence[tuple[str, str]] = (
    (
        "SQLITE_FULL",
        "Free space on its disk. Requests that failed with this error were not submitted.",
    ),
    ("SQLITE_READONLY", "Make the file and its directory writable, or use another path."),
    ("SQLITE_CANTOPEN", "Make sure that its directory exists and can be written to."),
    ("SQLITE_BUSY", "Another program, such as a sqlite3 shell, has locked the database: close it."),
    (
        "SQLITE_LOCKED",
        "Another program, such as a sqlite3 shell, has locked the database: close it.",
    ),
    ("SQLITE_IOERR", "Check its disk: free space, quota, mount, health."),
)


def journal_error(path: Path, error: Exception) -> JournalError:
    """Return the error for a failure of SQLite or the operating system, with the next step."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_NOTADB"):
        return JournalError(str(path), "it is not a journal", _USE_ANOTHER_FILE)
    if name.startswith("SQLITE_CORRUPT"):
        return _damaged(path, error)
    steps = (step for start, step in _NEXT_STEPS if name.startswith(start))
    problem = getattr(error, "strerror", None) or str(error)
    fallback = "Make sure that its directory exists and can be written to."
    return JournalError(str(path), problem, next(steps, fallback))
