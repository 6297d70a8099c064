"""How far one stream was read, for one consumer."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, cast

import anyio

from asyncbatch._logs.feed import Feed
from asyncbatch._logs.streams import Stream
from asyncbatch._logs.window import Window
from asyncbatch._values.errors import AsyncBatchError
from asyncbatch._values.results import LogEvent

Wire = dict[str, Any]


class Cursor:
    """One stream on its way into a feed.

    Attributes:
        stream: The stream.
        feed: Where its events go.
        window: What was delivered of the stretch that is read again.
        tail: Last lines to begin with; None begins at the head.
        is_followed: Whether somebody waits for lines to come.
        by_token: Whether it is read with GetLogEvents; else, together with others.
        token: Where GetLogEvents goes on; None at the beginning.
        first: Time (ms) from which GetLogEvents reads.
        is_heavy: Whether it writes so much that it is better read alone.
        is_busy: Whether a call for it is under way.
        due: When to read it next, by the event loop's clock.
        reached: When the last read began that came to the end of the stream.
        last_line: When the last line came.
        settled: The service's time (ms) when that read began; None where it is not known.
        resume: Time (ms) from which a pass that was cut short is taken up again.
        last_long: When the whole window was last read again.
        lag: Longest time (ms) that an event took until it could be read; None before the first.
        missing: What does not exist yet: ``"log group"`` or ``"log stream"``.
        tries: How often it was missing in a row.
        error: Why it is not read any more.
        on_fail: Called when that happens.
    """

    __slots__ = (
        "_progress", "by_token", "due", "error", "feed", "first", "is_busy", "is_followed",
        "is_heavy", "lag", "last_line", "last_long", "missing", "on_fail", "reached", "resume",
        "settled", "stream", "tail", "token", "tries", "window",
    )  # fmt: skip

    def __init__(
        self,
        stream: Stream,
        feed: Feed,
        *,
        tail: int | None,
        is_followed: bool,
        on_fail: Callable[[], None],
        now: float,
    ) -> None:
        """Begin before the first event of a stream, or `tail` events before its last."""
        self.on_fail = on_fail
        self.stream = stream
        self.feed = feed
        self.window = Window(stream.start)
        self.tail = tail
        self.is_followed = is_followed
        self.by_token = tail is not None
        self.token: str | None = None
        self.first = stream.start
        self.is_heavy = False
        self.is_busy = False
        self.due = now
        self.reached = -math.inf
        self.last_line = -math.inf
        self.settled: int | None = None
        self.resume: int | None = None
        self.last_long = now
        self.lag: int | None = None
        self.missing: str | None = None
        self.tries = 0
        self.error: AsyncBatchError | None = None
        self._progress: anyio.Event | None = None

    @property
    def wants_more(self) -> bool:
        """Whether it is to be read when it is due."""
        return not self.is_busy and self.error is None and not self.feed.is_full

    def go_by_token(self, *, by_token: bool) -> None:
        """Be read with the other operation from now on; what was delivered is recognised."""
        self.window.restart()
        self.by_token = by_token
        self.token = None
        self.first = self.window.start

    def deliver(self, events: Iterable[Wire], now: float) -> None:
        """Turn events into values and hand them on."""
        values = log_events(self.stream, events)
        if values:
            self.last_line = now
            self.feed.put(values)

    def observe_lag(self, events: Iterable[Wire]) -> None:
        """Learn from events how long they took until they could be read."""
        took = [event.get("ingestionTime", 0) - event["timestamp"] for event in events]
        self.lag = max(self.lag or 0, max(took, default=0))

    def came_to_end(self, began: float, service_time: int | None) -> None:
        """Note that a read which began at a moment has reached the end of the stream."""
        self.reached = began
        self.resume = None
        self.missing, self.tries = None, 0
        if service_time is not None:
            self.settled = service_time
        self._announce()

    def is_missing(self, what: str, began: float) -> None:
        """Note that there is nothing to read yet."""
        self.reached = began
        self.missing = what
        self.tries += 1
        self._announce()

    def fail(self, error: AsyncBatchError) -> None:
        """Give up."""
        self.error = error
        self.on_fail()

    async def read_since(self, moment: float) -> None:
        """Wait until the stream was read to its end by a read that began then, or later."""
        while self.reached < moment:
            self._progress = self._progress or anyio.Event()
            await self._progress.wait()

    def _announce(self) -> None:
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.set()


def log_events(stream: Stream, events: Iterable[Wire]) -> list[LogEvent]:
    """Return events of a stream as values."""
    values = []
    moments: dict[int | None, datetime | None] = {None: None}  # events come in bursts
    for event in events:
        written, ingested = event["timestamp"], event.get("ingestionTime")
        for moment in (written, ingested):
            if moment is not None and moment not in moments:
                moments[moment] = datetime.fromtimestamp(moment / 1000, UTC)
        value = LogEvent(
            timestamp=cast("datetime", moments[written]),
            message=event["message"],
            job_id=stream.job_id,
            attempt=stream.attempt,
            stream=stream.name,
            ingestion_time=moments[ingested],
            container=stream.container,
        )
        values.append(value)
    return values
