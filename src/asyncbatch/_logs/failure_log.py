"""The last lines of a failed job's log: read once, and not before they are readable."""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime

import anyio

from asyncbatch._values.errors import AsyncBatchError
from asyncbatch._values.results import LogEvent

_INGESTION_SECONDS = 5.0
"""Time after a job's end until its last lines, which often say why it failed, are readable."""


class FailureLog:
    """The last lines of one job, read at most once for any number of callers.

    Attributes:
        events: The lines; empty until they were read, and for a job without any.
        problem: Why they could not be read.
    """

    __slots__ = ("_is_read", "_reading", "events", "problem")

    def __init__(self) -> None:
        """Begin without lines."""
        self.events: tuple[LogEvent, ...] = ()
        self.problem: AsyncBatchError | None = None
        self._is_read = False
        self._reading = anyio.Lock()

    async def read_once(
        self, read: Callable[[], Awaitable[list[LogEvent]]], *, wait: float = 0.0
    ) -> None:
        """Read the lines unless that was done; an error is kept, not raised.

        Args:
            read: Returns the lines.
            wait: Seconds to wait before reading.
        """
        async with self._reading:
            if self._is_read:
                return
            await anyio.sleep(wait)  # noqa: TID251 - CloudWatch offers no notification
            try:
                self.events = tuple(await read())
            except AsyncBatchError as error:  # must not hide why the job failed
                self.problem = error
            self._is_read = True


def seconds_until_complete(stopped_at: datetime | None) -> float:
    """Return the seconds until the last lines of a job that ended at a time are readable."""
    if stopped_at is None:
        return 0.0
    age = time.time() - stopped_at.timestamp()
    # An end in the future means that this machine's clock is wrong: waiting would be a guess.
    return _INGESTION_SECONDS - age if 0 <= age < _INGESTION_SECONDS else 0.0
