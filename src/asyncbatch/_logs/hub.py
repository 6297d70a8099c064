"""Reads the streams of one log group, for all followers of a client together.

One loop looks which stream is due. It reads it alone with GetLogEvents, or with up to 99 others
with FilterLogEvents, in a task that ends with that read: a long read holds nobody up. A stream is
in one read at a time. Whoever's feed is full is left out until there is room.
"""

from collections.abc import Awaitable, Callable, Iterable

import anyio

from asyncbatch._aws.api import API
from asyncbatch._logs import plan
from asyncbatch._logs.by_filter import read_together
from asyncbatch._logs.by_token import read_alone
from asyncbatch._logs.cursor import Cursor
from asyncbatch._logs.pages import Pages, ServiceClock
from asyncbatch._values.errors import AsyncBatchError

StartSoon = Callable[..., object]


class Hub:
    """The streams of one log group that are read right now."""

    def __init__(self, api: API, group: str, region: str | None, *, interval: float) -> None:
        """Read nothing yet.

        Args:
            api: The calls.
            group: Name of the log group.
            region: AWS Region; None for the client's own.
            interval: Seconds between two reads of a stream.
        """
        self.clock = ServiceClock()
        self.pages = Pages(api, group, region)
        self.interval = interval
        self.may_filter = True
        # Each stream that is read alone costs a call an interval: a quarter of the quota is theirs.
        quota = api.logs_per_second("GetLogEvents", region)
        self._alone_at_most = max(1, int(quota * interval / 4))
        self._cursors: dict[Cursor, None] = {}
        self._woken = anyio.Event()
        self._is_running = False

    def add(self, cursor: Cursor, start_soon: StartSoon) -> None:
        """Begin to read a stream."""
        self._cursors[cursor] = None
        cursor.by_token = cursor.by_token or not self._is_crowded
        cursor.feed.when_room(self.wake)
        self.wake()
        if not self._is_running:
            self._is_running = True
            start_soon(self._run)

    def remove(self, cursors: Iterable[Cursor]) -> None:
        """Stop reading streams."""
        for cursor in cursors:
            self._cursors.pop(cursor, None)
        self.wake()

    def wake(self) -> None:
        """Look again what is due."""
        self._woken.set()

    @property
    def _is_crowded(self) -> bool:
        return self.may_filter and len(self._cursors) > self._alone_at_most

    async def _run(self) -> None:
        """Read until no stream is left."""
        while self._cursors:
            async with anyio.create_task_group() as group:
                while self._cursors:
                    await self._step(group.start_soon)
        self._is_running = False

    async def _step(self, start_soon: StartSoon) -> None:
        """Begin to read what is due, or wait until something is."""
        ready = sorted((c for c in self._cursors if c.wants_more), key=lambda c: c.due)
        wait = ready[0].due - anyio.current_time() if ready else None
        if wait is None or wait > 0:
            self._woken = anyio.Event()
            with anyio.move_on_after(wait):
                await self._woken.wait()
            return
        for cursor in ready:
            self._assign(cursor)
        if ready[0].by_token:
            self._begin([ready[0]], start_soon, read_alone, self, ready[0])
            return
        await self.pages.turn()
        # Much may have changed meanwhile.
        now = anyio.current_time()
        ready = [c for c in ready if c in self._cursors and c.wants_more and not c.by_token]
        if ready:
            batch = plan.together(ready[0], ready, now)
            self._begin(batch.cursors, start_soon, read_together, self, batch)

    def _assign(self, cursor: Cursor) -> None:
        """Let a stream that is read alone join the others where there are many."""
        is_read_up = cursor.settled is not None and cursor.missing is None
        is_heavy = cursor.is_heavy or cursor.window.is_overflowing
        if cursor.by_token and self._is_crowded and is_read_up and not is_heavy:
            cursor.go_by_token(by_token=False)

    def _begin(
        self,
        cursors: list[Cursor],
        start_soon: StartSoon,
        read: Callable[..., Awaitable[None]],
        *arguments: object,
    ) -> None:
        for cursor in cursors:
            cursor.is_busy = True
        start_soon(self._guarded, cursors, read, *arguments)

    async def _guarded(
        self,
        cursors: list[Cursor],
        read: Callable[..., Awaitable[None]],
        *arguments: object,
    ) -> None:
        """Read, and tell those concerned if that is not possible."""
        began = anyio.current_time()
        try:
            await read(*arguments)
        except AsyncBatchError as error:
            for cursor in cursors:
                cursor.fail(error)
        finally:
            for cursor in cursors:
                cursor.is_busy = False
                if not cursor.feed.is_full:  # else it goes on as soon as there is room
                    cursor.due = max(cursor.due, began + self.interval)
            self.wake()
