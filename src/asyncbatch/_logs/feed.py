"""The bounded buffer between the readers of logs and one consumer.

Readers check `is_full` before they send a call; a page that was requested is always accepted. So a
feed exceeds its limit by at most one page for each call under way, a slow consumer never loses an
event, and it never delays other consumers.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable

import anyio

from asyncbatch._values.errors import AsyncBatchError
from asyncbatch._values.results import LogEvent

_LIMIT = 20_000  # events; two pages of GetLogEvents
_MAX_NOTES = 10


class Feed:
    """The events of one or many jobs, for one consumer."""

    def __init__(self, *, limit: int = _LIMIT) -> None:
        """Begin empty.

        Args:
            limit: Number of events from which on no more pages are requested.
        """
        self._limit = limit
        self._events: deque[LogEvent] = deque()
        self._errors: list[AsyncBatchError] = []
        self._is_closed = False
        self._is_full = False
        self._arrived: anyio.Event | None = None
        self._on_room: set[Callable[[], None]] = set()

    @property
    def is_full(self) -> bool:
        """Whether to request nothing more for now.

        True from `limit` events on until the consumer has taken half of them: without that gap,
        a full feed would be refilled one event at a time.
        """
        return self._is_full

    def put(self, events: Iterable[LogEvent]) -> None:
        """Add events."""
        self._events.extend(events)
        if len(self._events) >= self._limit:
            self._is_full = True
        self._wake()

    def on_room(self, callback: Callable[[], None]) -> None:
        """Call back each time the feed is no longer full."""
        self._on_room.add(callback)

    def fail(self, error: AsyncBatchError) -> None:
        """Add an error of one job; it is raised after the events of all other jobs."""
        if error not in self._errors:
            self._errors.append(error)

    def close(self, error: AsyncBatchError | None = None) -> None:
        """End the iteration after the events that are there.

        Args:
            error: Raised first; None if all jobs were read as far as possible.
        """
        if not self._is_closed:
            self._is_closed = True
            if error is not None:
                self._errors.insert(0, error)
            self._wake()

    async def events(self) -> AsyncIterator[LogEvent]:
        """Yield events as they arrive, until the feed is closed.

        Raises:
            AsyncBatchError: The first error, with a note for each further one.
        """
        events = self._events
        while True:
            while events:
                yield events.popleft()
                if self._is_full and len(events) <= self._limit // 2:
                    self._is_full = False
                    for callback in self._on_room:
                        callback()
            if self._is_closed:
                break
            self._arrived = anyio.Event()
            await self._arrived.wait()
        if self._errors:
            first, *others = self._errors
            for other in others[:_MAX_NOTES]:
                first.add_note(f"Another log could not be read: {other}")
            if len(others) > _MAX_NOTES:
                first.add_note(f"{len(others) - _MAX_NOTES} more logs could not be read.")
            raise first

    def _wake(self) -> None:
        if self._arrived is not None:
            self._arrived.set()
