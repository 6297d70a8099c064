"""Schedules the reads of the streams of one log group, for all followers of a client.

One loop waits until a stream is due. It starts a task that reads the stream with GetLogEvents, or
with up to 99 others with FilterLogEvents, so a long read never delays other streams. A stream is
part of one read at a time. Streams whose feed is full are not read until there is room.
"""

import logging
from collections.abc import Callable, Iterable

import anyio

from asyncbatch._aws.api import API
from asyncbatch._aws.retrying import is_unreadable
from asyncbatch._logs import plan
from asyncbatch._logs.by_filter import FilterRead
from asyncbatch._logs.by_token import read_stream
from asyncbatch._logs.cursor import Cursor
from asyncbatch._logs.failing import internal_error
from asyncbatch._logs.pages import Pages
from asyncbatch._values.errors import AccessDenied, AsyncBatchError

logger = logging.getLogger("asyncbatch")

StartSoon = Callable[..., object]


class Hub:
    """The streams of one log group that are read at present.

    Attributes:
        pages: The calls.
    """

    def __init__(self, api: API, group: str, region: str | None, *, interval: float) -> None:
        """Read nothing yet.

        Args:
            api: The calls.
            group: Name of the log group.
            region: AWS Region of the group; None for the client's own.
            interval: Seconds between two reads of a stream.
        """
        self.pages = Pages(api, group, region)
        self._interval = interval
        self._may_filter = True
        # Each stream that is read by token costs one call per interval. They may take a quarter
        # of the rate limit; the rest is for first reads, tails and streams that write a lot.
        per_second = api.logs_per_second("GetLogEvents", region)
        self._max_by_token = max(1, int(per_second * interval / 4))
        self._cursors: dict[Cursor, None] = {}
        self._wakened = anyio.Event()
        self._is_running = False

    def add(self, cursor: Cursor, start_soon: StartSoon) -> None:
        """Begin to read a stream."""
        self._cursors[cursor] = None
        cursor.by_token = cursor.by_token or not self._is_crowded
        cursor.feed.on_room(self.wake)
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
        """Check again which stream is due."""
        self._wakened.set()

    @property
    def _is_crowded(self) -> bool:
        return self._may_filter and len(self._cursors) > self._max_by_token

    async def _run(self) -> None:
        """Read until no stream is left."""
        try:
            while self._cursors:
                # The group waits for reads under way, during which streams may be added again.
                async with anyio.create_task_group() as group:
                    while self._cursors:
                        await self._step(group.start_soon)
        except Exception as error:  # noqa: BLE001 - as above: other log groups and jobs go on
            for cursor in list(self._cursors):
                cursor.fail(internal_error(cursor.stream.job_id, error))
        finally:
            self._is_running = False

    async def _step(self, start_soon: StartSoon) -> None:
        """Start a read if a stream is due, else wait."""
        ready = sorted((c for c in self._cursors if c.is_readable), key=lambda c: c.due)
        wait = ready[0].due - anyio.current_time() if ready else None
        if wait is None or wait > 0:
            self._wakened = anyio.Event()
            with anyio.move_on_after(wait):
                await self._wakened.wait()
            return
        for cursor in ready:
            self._assign(cursor)
        if ready[0].by_token:
            ready[0].is_busy = True
            start_soon(self._read_by_token, ready[0])
            return
        # A read by filter chooses its streams when the rate limit lets it go. Until then, no other
        # read starts: it might choose the same streams.
        is_chosen = anyio.Event()
        start_soon(self._read_by_filter, [c for c in ready if not c.by_token], is_chosen)
        await is_chosen.wait()

    def _assign(self, cursor: Cursor) -> None:
        """Switch a stream from GetLogEvents to FilterLogEvents where there are many.

        Not before it was read to its end once: until then, its window is the whole stream, which
        would be read again. Streams that write a lot stay with GetLogEvents.
        """
        is_complete = cursor.complete_at_ms is not None and cursor.missing is None
        is_heavy = cursor.is_heavy or cursor.window.is_overflowing
        if cursor.by_token and self._is_crowded and is_complete and not is_heavy:
            cursor.switch(by_token=False)

    async def _read_by_token(self, cursor: Cursor) -> None:
        began = anyio.current_time()
        try:
            await read_stream(self.pages, cursor)
        except AsyncBatchError as error:
            cursor.fail(error)
        except Exception as error:  # noqa: BLE001 - reported as `InternalError`; other jobs go on
            cursor.fail(internal_error(cursor.stream.job_id, error))
        finally:
            self._release([cursor], began)

    async def _read_by_filter(self, candidates: list[Cursor], is_chosen: anyio.Event) -> None:
        def choose() -> plan.Batch | None:
            batch = self._choose(candidates)
            is_chosen.set()
            return batch

        read = FilterRead(self.pages, choose, is_followed=any(c.is_followed for c in candidates))
        try:
            await read.run()
        except AccessDenied:
            # Some IAM policies allow GetLogEvents only.
            self._may_filter = False
            for cursor in read.cursors:
                cursor.switch(by_token=True)
        except AsyncBatchError as error:
            for cursor in read.cursors:
                # One odd stream may make the page of all unreadable.
                if is_unreadable(error):
                    cursor.read_alone()
                else:
                    cursor.fail(error)
        except Exception:
            # Read one by one, so that only the stream that it is about fails.
            together = read.cursors or candidates
            logger.exception("reading %d log streams together failed", len(together))
            for cursor in together:
                cursor.read_alone()
        finally:
            is_chosen.set()
            self._release(read.cursors, read.began)

    def _choose(self, candidates: Iterable[Cursor]) -> plan.Batch | None:
        """Choose the streams of a read by filter, and mark them as busy."""
        # Some may have been removed, or their feeds become full, while the read was waiting.
        ready = [c for c in candidates if c in self._cursors and c.is_readable]
        if not ready:
            return None
        batch = plan.choose_batch(ready[0], ready, anyio.current_time())
        for cursor in batch.cursors:
            cursor.is_busy = True
        return batch

    def _release(self, cursors: Iterable[Cursor], began: float) -> None:
        """Schedule the next read of streams after a read that began at a time (s)."""
        for cursor in cursors:
            cursor.is_busy = False
            if not cursor.feed.is_full:  # a full feed is due as soon as it has room
                cursor.due = max(cursor.due, began + self._interval)
        self.wake()
