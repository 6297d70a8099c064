"""The last lines of a failed job's log: read once, and not before they can be there."""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime

import anyio

from asyncbatch._values.errors import AsyncBatchError
from asyncbatch._values.results import LogEvent

_INGESTION_SECONDS = 5.0
"""CloudWatch shows the last words of a job up to so much later, and they tell why it failed."""


class FailureLog:
    """The last lines of one job, once they were read.

    Attributes:
        events: The lines; empty before they were read, and where there are none.
        problem: Why they could not be read.
    """

    __slots__ = ("_is_read", "_reading", "events", "problem")

    def __init__(self) -> None:
        """Nothing was read yet."""
        self.events: tuple[LogEvent, ...] = ()
        self.problem: AsyncBatchError | None = None
        self._is_read = False
        self._reading = anyio.Lock()

    async def read_once(
        self, read: Callable[[], Awaitable[list[LogEvent]]], *, wait: float = 0.0
    ) -> None:
        """Read the lines unless that was done; what goes wrong is kept, not raised.

        Args:
            read: Reads them.
            wait: Seconds to let pass before.
        """
        async with self._reading:
            if self._is_read:
                return
            await anyio.sleep(wait)  # noqa: TID251 - until the last lines can be there
            try:
                self.events = tuple(await read())
            except AsyncBatchError as error:  # the log must not hide why the job failed
                self.problem = error
            self._is_read = True


def seconds_until_complete(stopped_at: datetime | None) -> float:
    """Return how long to wait until CloudWatch shows the last lines of a job that ended."""
    if stopped_at is None:
        return 0.0
    age = time.time() - stopped_at.timestamp()
    # Where the clocks differ so much, nothing can be said.
    return _INGESTION_SECONDS - age if 0 <= age < _INGESTION_SECONDS else 0.0
