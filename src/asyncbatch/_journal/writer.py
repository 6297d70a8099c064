"""Many small writes in few transactions: while one is written, changes gather for the next.

A dedicated thread does what blocks. A transaction costs one fsync, however much is in it. So a slow
disk makes transactions larger, not submissions slower.

There are two kinds of changes. A caller waits for *awaited* ones, the intents, so they are written
at once. Nothing waits for *unawaited* ones, the ids and ends of jobs; they gather for a tenth of a
second, which saves most of the transactions. If the program is killed in that time, its next run
has to look up a few more submissions.

If a transaction fails, its awaited changes are given up and raise. Its unawaited changes are kept
and written with the next transaction.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import anyio

from asyncbatch._journal.file import Change, File
from asyncbatch._journal.forks import forked_error
from asyncbatch._values.errors import JournalError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_GATHER_SECONDS = 0.1

logger = logging.getLogger("asyncbatch")


class Thread:
    """The only thread in which the file is used, so that SQLite never blocks the event loop."""

    def __init__(self, path: Path) -> None:
        """Prepare it; it starts with its first call."""
        self._path = path
        self._process = os.getpid()
        self._executor = ThreadPoolExecutor(1, "asyncbatch journal")

    async def run(self, work: Callable[[*Ts], T], *values: *Ts) -> T:
        """Call a function there and return its result.

        A cancelled caller waits for the end as well: a transaction cannot be interrupted, and its
        outcome has to be known.

        Raises:
            JournalError: This process was forked from the one in which the thread runs.
        """
        self.require_own_process()
        future = asyncio.get_running_loop().run_in_executor(self._executor, work, *values)
        with anyio.CancelScope(shield=True):
            await asyncio.wait([future])
        return await future

    def require_own_process(self) -> None:
        """Refuse to wait for a thread that a forked process does not have.

        Raises:
            JournalError: This is such a process.
        """
        if os.getpid() != self._process:
            raise forked_error(self._path, self._process)

    def end(self) -> None:
        """End it after its current call."""
        self._executor.shutdown(wait=False)


class _Transaction:
    """Changes that are written together."""

    __slots__ = ("awaited", "error", "is_done", "unawaited")

    def __init__(self, unawaited: Sequence[Change] = ()) -> None:
        self.unawaited = list(unawaited)
        self.awaited: list[Change] = []
        self.is_done = anyio.Event()
        self.error: JournalError | None = None


class Writer:
    """Gathers changes and writes them."""

    def __init__(self, file: File, thread: Thread) -> None:
        """Write nothing before `run`."""
        self._file = file
        self._thread = thread
        self._next = _Transaction()
        self._wanted = anyio.Event()
        self._urgent = anyio.Event()
        self._writing = anyio.Lock()
        self._is_failing = False

    def put(self, *changes: Change) -> None:
        """Write changes soon; they survive failed transactions."""
        self._next.unawaited.extend(changes)
        self._wanted.set()

    async def put_durably(self, change: Change) -> None:
        """Write a change, and wait until it is on disk.

        Raises:
            JournalError: It could not be written, and is given up.
        """
        self._thread.require_own_process()
        transaction = self._next
        transaction.awaited.append(change)
        self._wanted.set()
        self._urgent.set()
        await transaction.is_done.wait()
        if (error := transaction.error) is not None:
            raise JournalError(error.path, error.problem, error.next_step) from error

    async def run(self) -> None:
        """Write changes as they come; never returns."""
        while True:
            await self._wanted.wait()
            with anyio.move_on_after(_GATHER_SECONDS):
                await self._urgent.wait()
            self._wanted, self._urgent = anyio.Event(), anyio.Event()
            await self.flush()

    async def flush(self) -> None:
        """Write now what has gathered."""
        async with self._writing:
            transaction, self._next = self._next, _Transaction()
            try:
                if changes := [*transaction.unawaited, *transaction.awaited]:
                    await self._thread.run(self._file.apply, changes)
                    self._is_failing = False
            except JournalError as error:
                self._failed(transaction, error)
            except BaseException:
                # The event loop is shut down during the write: the changes may be on disk or not.
                transaction.error = JournalError(
                    str(self._file.path), "the event loop was shut down", "Run the program again."
                )
                raise
            finally:
                transaction.is_done.set()

    async def finish(self, running: anyio.CancelScope) -> None:
        """Write what is left, and cancel the scope in which `run` runs."""
        with anyio.CancelScope(shield=True):
            await self.flush()
        running.cancel()

    def _failed(self, transaction: _Transaction, error: JournalError) -> None:
        transaction.error = error
        self._next.unawaited[:0] = transaction.unawaited
        if not self._is_failing:
            self._is_failing = True
            logger.error(
                "journal cannot be written; jobs are still followed, but not submitted: %s", error
            )
