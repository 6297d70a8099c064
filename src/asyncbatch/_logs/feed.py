"""The bounded buffer between those who read logs and whoever consumes them.

Readers look whether it `is_full` before they read; a page that was asked for is always taken. So
at most a page for each call under way is held beyond the limit, whoever is slow waits for nobody,
and nobody waits for him.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable

import anyio

from asyncbatch._values.errors import AsyncBatchError
from asyncbatch._values.results import LogEvent

_LIMIT = 20_000
_NAMED = 10


class Feed:
    """The events of one or many jobs on their way to one consumer."""

    def __init__(self, *, limit: int = _LIMIT) -> None:
        """Begin empty; nothing more is asked for beyond `limit` events."""
        self._limit = limit
        self._events: deque[LogEvent] = deque()
        self._errors: list[AsyncBatchError] = []
        self._is_over = False
        self._was_full = False
        self._arrived: anyio.Event | None = None
        self._has_room: set[Callable[[], None]] = set()

    @property
    def is_full(self) -> bool:
        """Whether nothing more is to be read for now."""
        return self._was_full

    def put(self, events: Iterable[LogEvent]) -> None:
        """Take events."""
        self._events.extend(events)
        if len(self._events) >= self._limit:
            self._was_full = True
        self._wake()

    def when_room(self, callback: Callable[[], None]) -> None:
        """Call back whenever there is room again."""
        self._has_room.add(callback)

    def fail(self, error: AsyncBatchError) -> None:
        """Take an error that concerns one job; it is raised when all others are through."""
        if error not in self._errors:
            self._errors.append(error)

    def end(self, error: AsyncBatchError | None = None) -> None:
        """Say that nothing more comes, or why nothing more can."""
        if not self._is_over:
            self._is_over = True
            if error is not None:
                self._errors.insert(0, error)
            self._wake()

    async def events(self) -> AsyncIterator[LogEvent]:
        """Yield the events as they come, up to the end.

        Raises:
            AsyncBatchError: What hindered the reading; with a note for each of further ones.
        """
        events = self._events
        while True:
            while events:
                yield events.popleft()
                if self._was_full and len(events) <= self._limit // 2:
                    self._was_full = False
                    for callback in self._has_room:
                        callback()
            if self._is_over:
                break
            self._arrived = anyio.Event()
            await self._arrived.wait()
        if self._errors:
            first, *others = self._errors
            for other in others[:_NAMED]:
                first.add_note(f"Another log could not be read: {other}")
            if len(others) > _NAMED:
                first.add_note(f"{len(others) - _NAMED} more logs could not be read.")
            raise first

    def _wake(self) -> None:
        if self._arrived is not None:
            self._arrived.set()
