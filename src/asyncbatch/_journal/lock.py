"""At most one process uses a journal: it holds the lock of a file beside it.

The kernel releases the lock when the process ends, also after `kill -9`. Locks of `fcntl.lockf` are
not inherited by forked children, so a child that outlives its parent does not keep the journal
locked. They do not stop a process from locking the same file twice; `_held` does.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from asyncbatch._values.errors import JournalError

_held: set[Path] = set()


@contextlib.contextmanager
def hold_lock(journal: Path) -> Iterator[None]:
    """Hold the lock of a journal.

    A lock file that was created here is deleted if the context fails, so that a file that turns out
    not to be a journal keeps no lock file beside it. After success it stays, since deleting it
    would race with other processes.

    Raises:
        JournalError: Another process, or this one, has the journal open.
        OSError: The lock file cannot be created or opened.
    """
    path = journal.with_name(f"{journal.name}-lock")
    # Before anything is opened: closing any descriptor of a file releases all of a process's locks
    # on it.
    if path in _held:
        raise _in_use(journal, os.getpid())
    descriptor, is_new = _opened(path)
    try:
        if not _is_locked(descriptor, path):
            raise _in_use(journal, os.read(descriptor, 20).decode(errors="replace"))
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        _held.add(path)
        try:
            yield
        except BaseException:
            if is_new:
                path.unlink(missing_ok=True)
            raise
        finally:
            _held.discard(path)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> tuple[int, bool]:
    """Open a lock file, and return whether it was created."""
    flags = os.O_RDWR | os.O_CREAT
    try:
        return os.open(path, flags | os.O_EXCL, 0o600), True
    except FileExistsError:
        return os.open(path, flags, 0o600), False


def _is_locked(descriptor: int, path: Path) -> bool:
    """Lock a file; return False if another process has the lock, or has deleted the file."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A process that could not open its journal deletes the lock file that it created. A lock on
        # a deleted file is worthless: the next process would create and lock another one.
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _in_use(journal: Path, pid: int | str) -> JournalError:
    return JournalError(
        str(journal),
        f"process {pid or '?'} has it open",
        "Only one process at a time can use a journal: wait until that process has ended, or use"
        " another file.",
    )
