"""One read of up to 100 streams with FilterLogEvents, skipping events that were delivered."""

from collections import Counter, defaultdict

import anyio

from asyncbatch._logs import plan
from asyncbatch._logs.cursor import Cursor, Missing, Wire
from asyncbatch._logs.pages import Pages, is_invalid_token, what_is_missing
from asyncbatch._values.errors import APIError, ResourceNotFound

_HEAVY = 5_000
"""Events of one stream in one read from which on it is read by token.

A page of FilterLogEvents has up to 10,000 events, and a stretch of the past is read again each
time: one such stream would fill half of it.
"""

_MAX_TRIES = 3


async def read_streams(pages: Pages, batch: plan.Batch, *, has_turn: bool = True) -> None:
    """Read streams up to their ends, or until all their feeds are full.

    Args:
        pages: The calls.
        batch: The streams.
        has_turn: Whether `pages.turn` was awaited before.

    Raises:
        AccessDenied: FilterLogEvents is not allowed; GetLogEvents may be.
        APIError: They cannot be read.
    """
    began = anyio.current_time()
    cursors = batch.cursors
    try:
        await _Read(pages, cursors, batch.start).run(has_turn=has_turn)
    except ResourceNotFound as error:
        missing = what_is_missing(error)
        if missing is Missing.GROUP or len(cursors) == 1:
            for cursor in cursors:
                cursor.note_missing(missing, began=began, now=anyio.current_time())
            return
        # AWS does not say which stream is missing, so halves are tried.
        middle = len(cursors) // 2
        for half in (cursors[:middle], cursors[middle:]):
            await read_streams(pages, batch._replace(cursors=half), has_turn=False)
    else:
        if batch.is_full:
            for cursor in cursors:
                cursor.last_full_read = began


class _Read:
    """One read of some streams, page after page."""

    def __init__(self, pages: Pages, cursors: list[Cursor], start: int) -> None:
        self._pages = pages
        self._cursors = cursors
        self._start = start
        # Several consumers may follow one stream, each with a cursor of its own.
        self._by_name: dict[str, list[Cursor]] = defaultdict(list)
        for cursor in cursors:
            self._by_name[cursor.stream.name].append(cursor)
        self._stopped: set[Cursor] = set()
        self._last_delivered: dict[Cursor, int] = {}
        self._counts: Counter[str] = Counter()

    async def run(self, *, has_turn: bool) -> None:
        """Read to the end, or until all feeds are full."""
        began = anyio.current_time()
        token: str | None = None
        while True:
            try:
                page = await self._pages.of_streams(
                    self._cursors, self._start, token, has_turn=has_turn
                )
            except APIError as error:
                if token is None or not is_invalid_token(error.code):
                    raise
                self._start_over(error)
                return
            has_turn = False
            self._stop_full()
            self._deliver(page["events"])
            previous, token = token, page.get("nextToken")
            # A page without events may have a token: events of other streams were searched.
            if not token or token == previous:
                break
            if len(self._stopped) == len(self._cursors):
                return
        self._conclude(began)

    def _stop_full(self) -> None:
        """Stop reading streams whose feed is full; a later read resumes where they stopped."""
        for cursor in self._cursors:
            if cursor.feed.is_full and cursor not in self._stopped:
                self._stopped.add(cursor)
                resume_from = cursor.resume_from or self._start
                cursor.resume_from = self._last_delivered.get(cursor, resume_from)

    def _deliver(self, events: list[Wire]) -> None:
        now = anyio.current_time()
        self._pages.clock.observe(events, now)
        new: dict[Cursor, list[Wire]] = defaultdict(list)
        for event in events:
            name, timestamp = event["logStreamName"], event["timestamp"]
            for cursor in self._by_name[name]:
                if cursor in self._stopped:
                    continue
                if cursor.window.admits(timestamp, event["eventId"], event["message"]):
                    new[cursor].append(event)
        self._counts.update(event["logStreamName"] for event in events)
        for cursor, found in new.items():
            cursor.observe_lag(found)
            cursor.deliver(found, now)
            self._last_delivered[cursor] = found[-1]["timestamp"]

    def _conclude(self, began: float) -> None:
        """Note that all events were delivered that were readable when this read began."""
        began_ms = self._pages.clock.at(began)
        for cursor in self._cursors:
            if cursor in self._stopped:
                continue
            cursor.note_complete(began, began_ms)
            if began_ms is not None:
                cursor.window.forget(began_ms - plan.window_length(cursor.lag))
            if self._counts[cursor.stream.name] > _HEAVY:
                cursor.is_heavy = True
                cursor.switch(by_token=True)

    def _start_over(self, error: APIError) -> None:
        """Have all streams read again without the refused token, a few times at most."""
        for cursor in self._cursors:
            cursor.tries += 1
            if cursor.tries > _MAX_TRIES:
                cursor.fail(error)
