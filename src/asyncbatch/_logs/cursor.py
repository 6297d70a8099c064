"""How far one log stream was read, for one consumer."""

import enum
import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import cast

import anyio

from asyncbatch._logs.decoding import Wire
from asyncbatch._logs.feed import Feed
from asyncbatch._logs.streams import Stream
from asyncbatch._logs.window import Window
from asyncbatch._values.errors import AsyncBatchError
from asyncbatch._values.results import LogEvent

_MAX_INTERVAL = 15.0  # seconds between two reads of a stream that is missing or empty
_MAX_TRIES = 5
_REMEMBERED_TOKENS = 8


class Missing(enum.Enum):
    """What CloudWatch Logs did not find."""

    GROUP = enum.auto()
    STREAM = enum.auto()


class Cursor:
    """The position in one stream whose events go into one feed.

    Times in seconds are the event loop's clock; times in ms are the service's, since the epoch.

    Attributes:
        stream: The stream.
        feed: Where its events go.
        window: The events that were delivered of the stretch that is read again.
        tail: Number of last events to begin with; None begins at the head.
        is_followed: Whether the consumer waits for events to come.
        by_token: Whether GetLogEvents reads it; else FilterLogEvents, together with other streams.
        token: Where GetLogEvents continues; None at the beginning.
        earlier_tokens: The last tokens before it: one that comes again would repeat events.
        token_start: Time (ms) that a read by token without a `token` starts from.
        is_heavy: Whether it writes so much that only GetLogEvents should read it.
        is_busy: Whether a read of it is under way.
        due: When to read it next (s).
        complete_at: When the last read began that reached the end of the stream (s).
        complete_at_ms: The same moment on the service's clock (ms); None if not known.
        last_line_at: When the last event was delivered (s).
        resume_from: Time (ms) from which to continue after a read that stopped at a full feed.
        last_full_read: When its whole window was last read again (s).
        lag: Longest time (ms) from an event's timestamp until it was ingested; None before the
            first event.
        missing: What does not exist, or not yet.
        tries: Number of reads in a row that found it missing, or had to start over.
        empty_pages: Number of pages in a row that were empty, but not the last one.
        error: Why it is not read any more.
        on_fail: Called when `error` is set.
    """

    __slots__ = (
        "_progress", "by_token", "complete_at", "complete_at_ms", "due", "earlier_tokens",
        "empty_pages", "error",
        "feed", "is_busy", "is_followed", "is_heavy", "lag", "last_full_read", "last_line_at",
        "missing", "on_fail", "resume_from", "stream", "tail", "token", "token_start", "tries",
        "window",
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
        # Only GetLogEvents can read backwards from the end.
        self.by_token = tail is not None
        self.token: str | None = None
        self.earlier_tokens: tuple[str, ...] = ()
        self.token_start = stream.start
        self.is_heavy = False
        self.is_busy = False
        self.due = now
        self.complete_at = -math.inf
        self.complete_at_ms: int | None = None
        self.last_line_at = -math.inf
        self.resume_from: int | None = None
        self.last_full_read = now
        self.lag: int | None = None
        self.missing: Missing | None = None
        self.tries = 0
        self.empty_pages = 0
        self.error: AsyncBatchError | None = None
        self._progress: anyio.Event | None = None

    @property
    def is_readable(self) -> bool:
        """Whether it may be read when it is due."""
        return not self.is_busy and self.error is None and not self.feed.is_full

    def switch(self, *, by_token: bool) -> None:
        """Read it with the other operation from now on; delivered events are recognised."""
        self.window.restart()
        self.by_token = by_token
        self.token, self.earlier_tokens = None, ()
        self.token_start = self.window.start

    def move_to(self, token: str | None) -> None:
        """Continue at a token of GetLogEvents."""
        if self.token is not None and token != self.token:
            self.earlier_tokens = (*self.earlier_tokens, self.token)[-_REMEMBERED_TOKENS:]
        self.token = token

    def deliver(self, events: Iterable[Wire], now: float) -> None:
        """Put new events into the feed."""
        values = log_events(self.stream, events)
        if values:
            self.last_line_at = now
            self.tries = 0
            self.feed.put(values)

    def observe_lag(self, events: Iterable[Wire]) -> None:
        """Update the lag from events that were read for the first time."""
        lags = [event.get("ingestionTime", 0) - event["timestamp"] for event in events]
        self.lag = max(self.lag or 0, max(lags, default=0))

    def note_complete(self, began: float, began_ms: int | None) -> None:
        """Note that a read reached the end of the stream.

        Args:
            began: When the read began (s): all that was readable then was delivered.
            began_ms: The same moment on the service's clock (ms); None if not known.
        """
        self.complete_at = began
        self.resume_from = None
        self.missing, self.tries = None, 0
        if began_ms is not None:
            self.complete_at_ms = began_ms
        self._announce()

    def note_missing(self, what: Missing, *, began: float, now: float) -> None:
        """Note that there is nothing to read yet, and try again after 1, 2, 4, 8, then 15 s.

        Batch names a stream before the container has written its first line, which creates it.
        """
        self.complete_at = began
        self.missing = what
        self.tries += 1
        self.back_off(self.tries, now)
        if what is Missing.STREAM:
            # FilterLogEvents fails for all its streams if one of them does not exist.
            self.by_token = True
        self._announce()

    def back_off(self, tries: int, now: float) -> None:
        """Read it again after 1, 2, 4, 8, then 15 s."""
        self.due = now + min(2.0 ** min(tries, 6) / 2, _MAX_INTERVAL)

    def start_over(self, error: AsyncBatchError) -> None:
        """Read it again from where it is complete, as its token cannot be used; then fail.

        Delivered events are recognised. A few times in a row at most, unless there are new events.
        """
        if self.missing is not None:
            self.missing, self.tries = None, 0
        self.tries += 1
        if self.tries > _MAX_TRIES:
            self.fail(error)
        elif self.by_token:
            self.switch(by_token=True)

    def read_alone(self) -> None:
        """Read it with GetLogEvents from now on: FilterLogEvents does not work for it."""
        self.is_heavy = True
        self.switch(by_token=True)

    def fail(self, error: AsyncBatchError) -> None:
        """Stop reading it."""
        self.error = error
        self.on_fail()

    async def wait_for_complete_read(self, *, since: float) -> None:
        """Wait until a read that began at `since` (s) or later has reached the stream's end."""
        while self.complete_at < since:
            self._progress = self._progress or anyio.Event()
            await self._progress.wait()

    def _announce(self) -> None:
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.set()


def log_events(stream: Stream, events: Iterable[Wire]) -> list[LogEvent]:
    """Return events of a stream as values."""
    values = []
    # Events come in bursts of equal times, so each datetime is made once.
    moments: dict[int | None, datetime | None] = {None: None}
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
