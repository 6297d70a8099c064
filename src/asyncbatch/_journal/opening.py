"""Opening the file: checks of its kind, version and integrity, migration, and error messages.

Schema versions
---------------
SQLite's `application_id` marks a file as a journal, its `user_version` is the schema's version. An
older file is migrated by the steps that it lacks, in one transaction; a new file lacks all of them.
A newer file is refused without changing it. A step that was released must never be edited.

    1   submissions, ends, facts
    2   checksums of rows and of the table of submissions, the number of transactions
    3   decisions of recovery policies, the last log lines of jobs that were submitted again, jobs
        that a caller terminated or cancelled

Integrity
---------
A journal that has lost a submission would have its job submitted a second time. SQLite checks the
structure of its pages, but not their content, and silently ignores the end of a damaged or deleted
`-wal` file. So each row has a checksum, and the facts have

    checksum        sum of the checksums of all submissions: none is missing, none is outdated
    transactions    number of transactions so far; after a crash, the lock file has it as well
    closed          the number when the journal was closed: if it differs, there must be a `-wal`

Ownership
---------
SQLite's exclusive locking mode, set before the first access, keeps the database locked until it is
closed, and needs no `-shm` file.

Sources: https://www.sqlite.org/pragma.html#pragma_application_id,
https://www.sqlite.org/pragma.html#pragma_locking_mode,
https://www.sqlite.org/wal.html#use_of_wal_without_shared_memory
"""

import contextlib
import errno
import logging
import os
import sqlite3
import stat
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from asyncbatch._journal.lock import Lock, in_use
from asyncbatch._values.errors import JournalError

logger = logging.getLogger("asyncbatch")

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
    """
    ALTER TABLE submissions ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE ends ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
    UPDATE submissions SET checksum = checksum_of(
        number, identity, ordinal, state, name, queue, job_definition, has_unique_name, tag,
        array_size, since, job_id
    );
    UPDATE ends SET checksum = checksum_of(number, description);
    INSERT INTO facts
        SELECT 'checksum', coalesce(sum(checksum), 0) FROM submissions
        UNION ALL VALUES ('transactions', 0), ('closed', 0);
    CREATE TRIGGER submission_inserted AFTER INSERT ON submissions BEGIN
        UPDATE facts SET value = value + NEW.checksum WHERE name = 'checksum';
    END;
    CREATE TRIGGER submission_updated AFTER UPDATE ON submissions BEGIN
        UPDATE facts SET value = value + NEW.checksum - OLD.checksum WHERE name = 'checksum';
    END;
    CREATE TRIGGER submission_deleted AFTER DELETE ON submissions BEGIN
        UPDATE facts SET value = value - OLD.checksum WHERE name = 'checksum';
    END;
    """,
    """
    ALTER TABLE submissions ADD COLUMN decision TEXT;
    CREATE TABLE log_tails (
        number INTEGER PRIMARY KEY REFERENCES submissions (number),
        events TEXT NOT NULL,
        checksum INTEGER NOT NULL
    );
    CREATE TABLE stops (
        job_id TEXT PRIMARY KEY,
        checksum INTEGER NOT NULL
    );
    """,
)
_CHECKED_SINCE = 2  # schema version
_OBJECTS = frozenset(
    ["submissions", "ends", "facts"]
    + [f"submission_{change}" for change in ("inserted", "updated", "deleted")]
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


def checksum_of(*values: object) -> int:
    """Return the checksum of a row. It must never change for the same row."""
    return zlib.crc32("\0".join(map(str, values)).encode())


def connect(path: Path, lock: Lock) -> sqlite3.Connection:
    """Open a journal, or create one; no other process can use it until it is closed.

    Raises:
        JournalError: It cannot be opened, is not a journal, is damaged, or has a newer schema.
        OSError: The file cannot be created.
    """
    is_empty = _create(path)
    has_wal = _has_content(path.with_name(f"{path.name}-wal"))
    if is_empty and (has_wal or lock.transactions):
        # SQLite would delete the -wal file.
        raise damaged(path, "it is missing or empty, but other files of the journal exist")
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.create_function("checksum_of", -1, checksum_of, deterministic=True)
        _lock(path, connection)
        _check_kind(path, connection)
        # In WAL mode with FULL, a commit is on disk when it returns, and costs one fsync.
        # https://www.sqlite.org/pragma.html#pragma_synchronous
        connection.execute("PRAGMA synchronous = FULL")
        # A new file gets its content in one transaction, before its mode is changed: so it is empty
        # or complete at any moment.
        if (version := _number(connection, "user_version")) < len(STEPS):
            _migrate(connection, version)
        if version >= _CHECKED_SINCE:
            _check_transactions(path, connection, lock, has_wal=has_wal)
        connection.execute("PRAGMA journal_mode = WAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path) -> bool:
    """Create a file if there is none; return whether it is empty."""
    existed = path.exists()
    # An existing file is not opened here: closing it would release the locks of this process on it.
    with contextlib.suppress(FileExistsError):
        # Readable by its owner only: environments and commands of jobs may contain secrets.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    if not os.access(path, os.W_OK):
        # SQLite would open it for reading, and then fail to lock it with an error of the disk.
        raise PermissionError(errno.EACCES, "it is read-only")
    status = path.stat()
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        logger.warning(
            "journal %s may be accessed by other users (mode %o) and can contain secrets;"
            " run: chmod 600 %s",
            path,
            stat.S_IMODE(status.st_mode),
            path,
        )
    if status.st_size == 1 and not _has_content(path.with_name(f"{path.name}-journal")):
        # SQLite takes it for an empty file. With a rollback journal, its creation was interrupted.
        raise damaged(path, "it is cut off")
    is_empty = status.st_size == 0
    if is_empty and existed:
        logger.warning("journal %s exists and is empty; a new one is started in it", path)
    return is_empty


def _has_content(path: Path) -> bool:
    try:
        return path.lstat().st_size > 0
    except FileNotFoundError:
        return False


def _lock(path: Path, connection: sqlite3.Connection) -> None:
    """Lock the database until the connection is closed."""
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname.startswith("SQLITE_BUSY"):
            raise in_use(path, 0) from error
        raise
    connection.execute("COMMIT")


def _check_kind(path: Path, connection: sqlite3.Connection) -> None:
    """Check the file before anything in it is changed.

    Raises:
        JournalError: It is not a journal, has a newer schema, or is damaged.
    """
    version, application = (
        _number(connection, pragma) for pragma in ("user_version", "application_id")
    )
    objects = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    # An empty database is a new file, or one whose creation was interrupted: by this version
    # before its transaction, by earlier versions between two.
    if not objects and version == application == 0:
        return
    if application != APPLICATION_ID:
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
        raise damaged(path, verdict)
    if version >= _CHECKED_SINCE and (missing := _OBJECTS - objects):
        raise damaged(path, f"{', '.join(sorted(missing))} missing in its schema")
    if version < 1:
        raise damaged(path, f"it has schema version {version}")


def _check_transactions(
    path: Path, connection: sqlite3.Connection, lock: Lock, *, has_wal: bool
) -> None:
    """Check that no transaction was lost with the `-wal` file.

    Raises:
        JournalError: Some were.
    """
    facts = dict(connection.execute("SELECT name, value FROM facts"))
    try:
        transactions, closed = int(facts["transactions"]), int(facts["closed"])
    except (KeyError, ValueError) as error:
        raise damaged(path, f"invalid facts: {error!r}") from error
    if transactions < lock.transactions:
        missing = lock.transactions - transactions
        raise damaged(path, f"its last {missing} transactions are missing")
    # An unclean end leaves the lock file, which was checked. Without both files, this remains.
    if not lock.transactions and not has_wal and transactions != closed:
        raise damaged(path, f"{path.name}-wal beside it is missing")


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Execute the steps that the file lacks, all or none."""
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


def damaged(path: Path, how: object) -> JournalError:
    """Return the error for a journal whose content cannot be trusted."""
    return JournalError(
        str(path),
        f"it is damaged: {how}",
        "Restore it from a backup together with its -wal file. Or keep a copy, recover its data"
        f" with `sqlite3 FILE .recover`, delete {path.name}* to start a new journal, and search for"
        " running jobs with find().",
    )


_DIRECTORY = "Make sure that its directory exists and can be written to."
_WRITABLE = "Make the file and its directory writable, or use another path."
_FREE_SPACE = "Free space on its disk. Requests that failed with this error were not submitted."
_LOCKED = "Another program, such as a sqlite3 shell, has locked the database: close it."
_LOCAL_DISK = "Put the journal on a local disk: its file system does not support locks."
_NEXT_STEPS: Sequence[tuple[str, str]] = (
    ("SQLITE_FULL", _FREE_SPACE),
    ("SQLITE_READONLY", _WRITABLE),
    ("SQLITE_PERM", _WRITABLE),
    ("SQLITE_CANTOPEN", _DIRECTORY),
    ("SQLITE_BUSY", _LOCKED),
    ("SQLITE_LOCKED", _LOCKED),
    ("SQLITE_PROTOCOL", _LOCAL_DISK),
    ("SQLITE_IOERR_LOCK", _LOCAL_DISK),
    ("SQLITE_IOERR", "Check its disk: free space, quota, mount, health."),
)
_NEXT_STEPS_BY_ERRNO: Mapping[int, str] = {
    errno.EACCES: _WRITABLE,
    errno.EPERM: _WRITABLE,
    errno.EROFS: _WRITABLE,
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: "Raise the limit of the size of files (`ulimit -f`), or use another file system.",
    errno.EIO: "Check its disk: free space, quota, mount, health.",
    errno.ENOLCK: _LOCAL_DISK,
    errno.EOPNOTSUPP: _LOCAL_DISK,
    errno.ELOOP: "Its path contains a loop of symbolic links: use another path.",
    errno.ENAMETOOLONG: "Use a shorter name: the journal adds `-lock` and `-wal` to it.",
    errno.EMFILE: "Close files, or raise the limit of open files (`ulimit -n`).",
    errno.ENFILE: "Close files: the system has reached its limit of open files.",
}


def journal_error(path: Path, error: Exception) -> JournalError:
    """Return the error for a failure of SQLite or the operating system, with the next step."""
    if isinstance(error, OSError):
        step = _NEXT_STEPS_BY_ERRNO.get(error.errno or 0, _DIRECTORY)
        return JournalError(str(path), error.strerror or str(error), step)
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_NOTADB"):
        return JournalError(str(path), "it is not a journal", _USE_ANOTHER_FILE)
    # SQLITE_ERROR: the statements are correct, so the schema is not, such as a missing table.
    if name.startswith("SQLITE_CORRUPT") or name == "SQLITE_ERROR":
        return damaged(path, error)
    steps = (step for start, step in _NEXT_STEPS if name.startswith(start))
    return JournalError(str(path), str(error), next(steps, _DIRECTORY))
