"""Many small writes as few transactions: while one is being written, the next ones gather.

One thread of its own does what blocks. A transaction costs one sync of the disk, whatever is in it,
so a disk that is slow makes the transactions larger, and not the submissions slower. What nobody
waits for gathers a moment longer, which saves most of the transactions; a program that is killed in
that moment has a few more submissions to look up when it runs again.

A write that fails takes what somebody waits for down with it, and nothing else: what nobody waits
for is kept, and written with the next transaction.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

import anyio

from asyncbatch._journal.file import Change, File
from asyncbatch._values.errors import JournalError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_GATHERING_SECONDS = 0.1

logger = logging.getLogger("asyncbatch")


class Thread:
    """The one thread in which the file is used."""

    def __init__(self) -> None:
        """Make it; it starts with its first work."""
        self._executor = ThreadPoolExecutor(1, "asyncbatch journal")

    async def run(self, work: Callable[[*Ts], T], *values: *Ts) -> T:
        """Do some work there; once it has begun it is waited for, also by who is cancelled."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, work, *values)
        with anyio.CancelScope(shield=True):
            await asyncio.wait([future])
        return await future

    def end(self) -> None:
        """End it when its work is done."""
        self._executor.shutdown(wait=False)


class _Transaction:
    """What is written together, and who waits for it."""

    __slots__ = ("awaited", "error", "is_done", "unawaited")

    def __init__(self, unawaited: Sequence[Change] = ()) -> None:
        self.unawaited = list(unawaited)
        self.awaited: list[Change] = []
        self.is_done = anyio.Event()
        self.error: JournalError | None = None


class Writer:
    """Gathers changes and writes them."""

    def __init__(self, file: File, thread: Thread) -> None:
        """Write to an open file; nothing happens before `run`."""
        self._file = file
        self._thread = thread
        self._next = _Transaction()
        self._wanted = anyio.Event()
        self._urgent = anyio.Event()
        self._writing = anyio.Lock()
        self._is_failing = False

    def put(self, *changes: Change) -> None:
        """Have changes written soon."""
        self._next.unawaited.extend(changes)
        self._wanted.set()

    async def put_durably(self, change: Change) -> None:
        """Have a change written, and wait until it is on disk.

        Raises:
            JournalError: It could not be written, and will not be.
        """
        transaction = self._next
        transaction.awaited.append(change)
        self._wanted.set()
        self._urgent.set()
        await transaction.is_done.wait()
        if (error := transaction.error) is not None:
            raise JournalError(error.path, error.problem, error.next_step) from error

    async def run(self) -> None:
        """Write what there is to write; never returns."""
        while True:
            await self._wanted.wait()
            with anyio.move_on_after(_GATHERING_SECONDS):
                await self._urgent.wait()
            self._wanted, self._urgent = anyio.Event(), anyio.Event()
            await self.flush()

    async def flush(self) -> None:
        """Write what has gathered, now."""
        async with self._writing:
            transaction, self._next = self._next, _Transaction()
            try:
                if changes := [*transaction.unawaited, *transaction.awaited]:
                    await self._thread.run(self._file.apply, changes)
                    self._is_failing = False
            except JournalError as error:
                self._failed(transaction, error)
            except BaseException:
                # The event loop is shut down: what was to be written may be on disk or not.
                transaction.error = JournalError(
                    str(self._file.path), "the event loop was shut down", "Run the program again."
                )
                raise
            finally:
                transaction.is_done.set()

    async def finish(self, running: anyio.CancelScope) -> None:
        """Write what is left, and end `run`, which runs in a scope."""
        with anyio.CancelScope(shield=True):
            await self.flush()
        running.cancel()

    def _failed(self, transaction: _Transaction, error: JournalError) -> None:
        transaction.error = error
        self._next.unawaited[:0] = transaction.unawaited
        if not self._is_failing:
            self._is_failing = True
            logger.error("%s Jobs are still followed; nothing is submitted meanwhile.", error)
