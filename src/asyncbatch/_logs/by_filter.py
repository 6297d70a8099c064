"""One read of up to 100 streams with FilterLogEvents, skipping events that were delivered."""

from collections import Counter, defaultdict
from collections.abc import Callable

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


class FilterRead:
    """One read of some streams, page after page.

    Attributes:
        began: When the first call was sent, by the event loop's clock (s).
    """

    def __init__(
        self, pages: Pages, choose: Callable[[], plan.Batch | None], *, is_followed: bool
    ) -> None:
        """Read nothing yet.

        Args:
            pages: The calls.
            choose: Returns the streams, or None to read none. Called once, when the rate limit
                lets the first call go: the latest moment, and the best choice.
            is_followed: Whether a consumer of one of the streams waits for events to come.
        """
        self.began = anyio.current_time()
        self._pages = pages
        self._choose = choose
        self._is_followed = is_followed
        self._batch = plan.Batch([], 0, is_full=False)
        # Several consumers may follow one stream, each with a cursor of its own.
        self._by_name: dict[str, list[Cursor]] = defaultdict(list)
        self._stopped: set[Cursor] = set()
        self._last_delivered: dict[Cursor, int] = {}
        self._counts: Counter[str] = Counter()

    @property
    def cursors(self) -> list[Cursor]:
        """The streams; none before they are chosen."""
        return self._batch.cursors

    async def run(self) -> None:
        """Read the streams up to their ends, or until all their feeds are full.

        Raises:
            AccessDenied: FilterLogEvents is not allowed; GetLogEvents may be.
            APIError: They cannot be read.
        """
        try:
            await self._read()
        except ResourceNotFound as error:
            missing = what_is_missing(error)
            if missing is Missing.STREAM and len(self.cursors) > 1:
                await self._read_halves()
                return
            for cursor in self.cursors:
                cursor.note_missing(missing, began=self.began, now=anyio.current_time())
        else:
            if self._batch.is_full:
                for cursor in self.cursors:
                    cursor.last_full_read = self.began

    async def _read(self) -> None:
        page = await self._pages.of_streams(self._first_request, is_followed=self._is_followed)
        if not self.cursors:
            return
        token: str | None = None
        while True:
            self._stop_full()
            self._deliver(page["events"])
            previous, token = token, page.get("nextToken")
            # A page without events may have a token: streams without new events were searched.
            if not token or token == previous:
                break
            if len(self._stopped) == len(self.cursors):
                return
            try:
                page = await self._pages.of_streams(
                    self._request(token), is_followed=self._is_followed
                )
            except APIError as error:
                if not is_invalid_token(error.code):
                    raise
                self._start_over(error)
                return
        self._conclude()

    async def _first_request(self) -> Wire | None:
        batch = self._choose()
        if batch is None:
            return None
        self.began = anyio.current_time()
        self._batch = batch
        for cursor in batch.cursors:
            self._by_name[cursor.stream.name].append(cursor)
        return self._request(None)

    def _request(self, token: str | None) -> Wire:
        return self._pages.filter_request(list(self._by_name), self._batch.start, token)

    async def _read_halves(self) -> None:
        """Read the halves of the streams: AWS does not say which of them does not exist."""
        middle = len(self.cursors) // 2
        await self._read_part(self.cursors[:middle])
        await self._read_part(self.cursors[middle:])

    async def _read_part(self, cursors: list[Cursor]) -> None:
        batch = self._batch._replace(cursors=cursors)
        await FilterRead(self._pages, lambda: batch, is_followed=self._is_followed).run()

    def _stop_full(self) -> None:
        """Stop reading streams whose feed is full; a later read resumes where they stopped."""
        for cursor in self.cursors:
            if cursor.feed.is_full and cursor not in self._stopped:
                self._stopped.add(cursor)
                resume_from = cursor.resume_from or self._batch.start
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

    def _conclude(self) -> None:
        """Note that all events were delivered that were readable when this read began."""
        began_ms = self._pages.clock.at(self.began)
        for cursor in self.cursors:
            if cursor in self._stopped:
                continue
            cursor.note_complete(self.began, began_ms)
            if began_ms is not None:
                cursor.window.forget(began_ms - plan.window_length(cursor.lag))
            if self._counts[cursor.stream.name] > _HEAVY:
                cursor.is_heavy = True
                cursor.switch(by_token=True)

    def _start_over(self, error: APIError) -> None:
        """Have all streams read again without the refused token, a few times at most."""
        for cursor in self.cursors:
            cursor.tries += 1
            if cursor.tries > _MAX_TRIES:
                cursor.fail(error)
