"""One process writes a journal: a lock file beside it says which.

The kernel gives the lock up when the process ends, however it ends. Locks of this kind do not pass
on to forked children, and do not keep a process from locking twice, so that is seen to here.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from asyncbatch._values.errors import JournalError

_held: set[Path] = set()


@contextlib.contextmanager
def locked(journal: Path) -> Iterator[None]:
    """Hold the lock of a journal; a file made for it goes again where the journal is refused.

    Raises:
        JournalError: Somebody else holds it.
        OSError: There can be no lock file.
    """
    path = journal.with_name(f"{journal.name}-lock")
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
    """Open a lock file, and say whether it was made now."""
    flags = os.O_RDWR | os.O_CREAT
    try:
        return os.open(path, flags | os.O_EXCL, 0o600), True
    except FileExistsError:
        return os.open(path, flags, 0o600), False


def _is_locked(descriptor: int, path: Path) -> bool:
    """Lock a file, unless somebody else has it, or took it away before it was locked."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _in_use(journal: Path, pid: int | str) -> JournalError:
    return JournalError(
        str(journal),
        f"process {pid or '?'} has it open",
        "One process writes a journal: wait until that one has ended, or give this one a file of"
        " its own.",
    )
