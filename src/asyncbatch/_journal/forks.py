"""A process that is forked while a journal is open must not touch the database, not even close it.

The child believes that it has the parent's lock: closing the connection would write old pages over
those of the parent and delete the `-wal` file that the parent uses. So connections are leaked in
the child: Python cannot free them, not even when the interpreter ends.
https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_connection_across_a_fork_
"""

import ctypes
import os
import sqlite3
from pathlib import Path

from asyncbatch._values.errors import JournalError

_kept: dict[int, sqlite3.Connection] = {}


def keep(connection: sqlite3.Connection) -> None:
    """Leak a connection in processes that are forked from now on."""
    _kept[id(connection)] = connection


def release(connection: sqlite3.Connection) -> None:
    """End `keep`."""
    _kept.pop(id(connection), None)


def forked_error(path: Path, opened_by: int) -> JournalError:
    """Return the error for a journal that is used in a forked child."""
    return JournalError(
        str(path),
        f"process {opened_by} opened it, and this process was forked from that one later",
        "Use the client in the process that opened it, or open another client with a journal of its"
        " own in this process.",
    )


def _leak() -> None:
    for connection in _kept.values():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
    _kept.clear()


os.register_at_fork(after_in_child=_leak)
