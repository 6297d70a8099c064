"""The lock file of a journal: who uses it, and how many transactions it had.

Ownership is guarded twice. SQLite locks the database itself (see `opening`), so deleting the lock
file lets nobody in. The lock file guards against what SQLite cannot see: its lock is lost when this
process closes any other descriptor of the database, for example after copying it.
https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_

The kernel releases both locks when the process ends, also after `kill -9`. Locks of `fcntl.lockf`
are not inherited by forked children, so a child that outlives its parent does not keep the journal
locked. They do not stop a process from locking the same file twice; `_held` does.

The file contains the process id and the number of transactions that are on disk. It is deleted when
the journal is closed. After a crash it stays, and proves whether later damage to the `-wal` file
has cost transactions: SQLite ignores a damaged end of that file silently. The number is not synced
to disk; after a power failure it may be too low, never too high.
"""

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from asyncbatch._values.errors import JournalError

_CONTENT = re.compile(rb"(?:(\d{1,20})(?: +(\d{1,20}))?\s*)?", re.ASCII)
_CONTENT_SIZE = 64
_ATTEMPTS = 10  # to lock a file that other processes delete at the same time

_held: set[Path] = set()


class Lock:
    """The lock file of a journal, locked.

    Attributes:
        transactions: Number of transactions that the journal had at the end of a crashed program;
            0 if it was closed, or never open.
        is_deleted_at_end: Whether the file is of no more use when the lock is released.
    """

    def __init__(self, descriptor: int, transactions: int, *, is_new: bool) -> None:
        """Made by `hold_lock`."""
        self.transactions = transactions
        self.is_deleted_at_end = is_new
        self._descriptor = descriptor
        self._write(transactions)

    def note(self, transactions: int) -> None:
        """Write how many transactions are on disk."""
        self.is_deleted_at_end = False
        # A number that is too low is allowed, so a full disk is no error here.
        with contextlib.suppress(OSError):
            self._write(transactions)

    def _write(self, transactions: int) -> None:
        # Of constant size, so that a new text replaces the old one completely.
        os.pwrite(self._descriptor, f"{os.getpid():<20} {transactions:<20}\n".encode(), 0)


@contextlib.contextmanager
def hold_lock(journal: Path) -> Iterator[Lock]:
    """Hold the lock of a journal.

    Raises:
        JournalError: Another process, or this one, has the journal open; or the path of the lock
            file is used by something else.
        OSError: The lock file cannot be created, opened or locked.
    """
    path = journal.with_name(f"{journal.name}-lock")
    # Before anything is opened: closing any descriptor of a file releases all of a process's locks
    # on it.
    if path in _held:
        raise in_use(journal, os.getpid())
    descriptor, is_new = _locked(journal, path)
    process = os.getpid()
    try:
        lock = Lock(descriptor, _read(journal, path, descriptor)[1], is_new=is_new)
        _held.add(path)
        try:
            yield lock
        finally:
            if os.getpid() == process:  # the lock is not that of a forked child
                _held.discard(path)
                if lock.is_deleted_at_end and _is_at(path, descriptor):
                    path.unlink()
    finally:
        os.close(descriptor)


def _locked(journal: Path, path: Path) -> tuple[int, bool]:
    """Open and lock a lock file; return its descriptor, and whether it was created."""
    for _ in range(_ATTEMPTS):
        try:
            descriptor, is_new = _opened(journal, path)
        except FileNotFoundError:
            if not path.parent.exists():
                raise
            continue  # it was deleted after it had been found
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last holder deletes it. A lock on a deleted file is worthless: the next process
            # would create and lock another one.
            if _is_at(path, descriptor):
                return descriptor, is_new
        except (BlockingIOError, PermissionError) as error:  # EAGAIN or EACCES, both are POSIX
            holder = _read(journal, path, descriptor)[0]
            os.close(descriptor)
            raise in_use(journal, holder) from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise in_use(journal, 0)


def _opened(journal: Path, path: Path) -> tuple[int, bool]:
    # Readable by its owner only, as the journal. A link is not followed: it could lead to a file
    # that must not be overwritten.
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600), True
    except FileExistsError:
        pass
    try:
        return os.open(path, flags), False
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO):
            raise _not_a_lock(journal, path) from error
        raise


def _read(journal: Path, path: Path, descriptor: int) -> tuple[int, int]:
    """Return the process id and the number of transactions in a lock file.

    Raises:
        JournalError: It is another file, which must not be overwritten.
    """
    status = os.fstat(descriptor)
    # A second name of the file is a hard link to something else.
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or status.st_size > _CONTENT_SIZE:
        raise _not_a_lock(journal, path)
    found = _CONTENT.fullmatch(os.pread(descriptor, _CONTENT_SIZE, 0))
    if found is None:
        raise _not_a_lock(journal, path)
    return int(found[1] or 0), int(found[2] or 0)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _not_a_lock(journal: Path, path: Path) -> JournalError:
    return JournalError(
        str(journal),
        f"{path.name} beside it is not a lock file of asyncbatch",
        f"Move {path} away, or use another file for the journal.",
    )


def in_use(journal: Path, process: int) -> JournalError:
    """Return the error for a journal that another process has open; 0 if that is not known."""
    return JournalError(
        str(journal),
        f"process {process} has it open" if process else "another process has it open",
        "Only one process at a time can use a journal: wait until that process has ended, or use"
        " another file. A sqlite3 shell counts as well: close it.",
    )
