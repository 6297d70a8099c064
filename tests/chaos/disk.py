"""The disk of the journal: it is full for a while, and the journal is killed while it is made.

Nothing of the journal is replaced: its connection to SQLite is one that fails as on a full disk,
and that counts what it does. SQLite writes to the disk when a transaction is committed.
"""

import errno
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos.plan import FullDisk, Kill
from tests.chaos.shared import Shared

_WRITES = ("COMMIT", "PRAGMA journal_mode")


class Disk:
    """The disk of one driver process, which has one journal.

    Args:
        journal: Path of the journal.
        full_disks: When the disk is full.
        kill: How this driver is ended.
        shared: What the processes of the run share.
        clock: Returns the time in seconds, the same one in all processes of the run.

    Attributes:
        steps: Statements of SQLite, and calls that open files of the journal, so far.
    """

    def __init__(
        self,
        journal: Path,
        *,
        full_disks: tuple[FullDisk, ...],
        kill: Kill,
        shared: Shared,
        clock: Callable[[], float],
    ) -> None:
        self._journal = str(journal)
        self._full_disks = full_disks
        self._kill = kill
        self._shared = shared
        self._clock = clock
        self.steps = 0

    def use(self) -> None:
        """Use it for all journals of this process from now on."""
        sqlite3.connect = partial(self.connect, sqlite3.connect)  # type: ignore[assignment]
        os.pwrite = partial(self.pwrite, os.pwrite)
        sys.addaudithook(self._count_call)

    def connect(
        self, real: Callable[..., sqlite3.Connection], path: Path, **options: Any
    ) -> sqlite3.Connection:
        """Open a connection on this disk with the real `sqlite3.connect`."""
        connection = real(path, factory=_Connection, **options)
        assert isinstance(connection, _Connection)
        connection.disk = self
        connection.set_trace_callback(self.count_step)
        return connection

    # -- kills ------------------------------------------------------------------------------------

    def _count_call(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "sqlite3.connect") and str(arguments[0]).startswith(self._journal):
            self.count_step()

    def count_step(self, _statement: str = "") -> None:
        """Count a statement or call, before it is executed; kill the process where planned."""
        self.steps += 1
        if self.steps != self._kill.at_journal_step:
            return
        if not self._kill.at_time:
            os.kill(os.getpid(), self._kill.number)
        threading.Thread(target=self._kill_later, daemon=True).start()

    def _kill_later(self) -> None:
        """End the process while SQLite executes the statement, or shortly afterwards."""
        time.sleep(self._kill.at_time)
        os.kill(os.getpid(), signal.SIGKILL)

    # -- a full disk ------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether no more can be written to it."""
        return self._clock() < self._shared.full_until

    def count_transaction(self) -> None:
        """Count a transaction of the journal; the disk may be full from now on."""
        self._shared.transactions += 1
        for full in self._full_disks:
            if full.begins == self._shared.transactions:
                self._shared.full_until = self._clock() + full.lasts

    def fail(self) -> None:
        """Raise what SQLite raises on a full disk."""
        self._shared.full_writes += 1
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        error.sqlite_errorname = "SQLITE_FULL"
        raise error

    def pwrite(
        self, real: Callable[[int, bytes, int], int], descriptor: int, data: bytes, place: int
    ) -> int:
        """Write to the lock file; on a full disk it cannot grow."""
        if self.is_full and os.fstat(descriptor).st_size < place + len(data):
            self._shared.full_writes += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data, place)


class _Connection(sqlite3.Connection):
    """A connection on a disk that may be full."""

    disk: Disk

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        """Execute a statement; on a full disk, SQLite rolls the transaction back and raises."""
        if statement == "COMMIT":
            self.disk.count_transaction()
        if statement.startswith(_WRITES) and self.disk.is_full:
            if self.in_transaction:
                super().execute("ROLLBACK")
            self.disk.fail()
        return super().execute(statement, values)

    def executescript(self, script: str, /) -> sqlite3.Cursor:
        """Execute the statements that make the schema; they are one transaction."""
        self.disk.count_transaction()
        if self.disk.is_full:
            super().execute("BEGIN IMMEDIATE")
            self.disk.fail()
        return super().executescript(script)

    def close(self) -> None:
        """Close it; on a full disk, the content of the -wal file cannot be moved."""
        if not self.disk.is_full:
            super().close()
