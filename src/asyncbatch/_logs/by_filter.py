"""One read of up to 100 streams with FilterLogEvents, skipping events that were delivered."""

from collections import Counter, defaultdict
from collections.abc import Callable

import anyio

from asyncbatch._logs import plan
from asyncbatch._logs.cursor import Cursor, Missing
from asyncbatch._logs.decoding import Wire
from asyncbatch._logs.failing import internal_error
from asyncbatch._logs.pages import Pages, Step, Walk, is_invalid_token, what_is_missing
from asyncbatch._values.errors import APIError, ResourceNotFound

_HEAVY = 5_000
"""Events of one stream in one read from which on it is read by token.

A page of FilterLogEvents has up to 10,000 events, and a stretch of the past is read again each
time: one such stream would fill half of it.
"""


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
        self._without_id: set[str] = set()

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
        walk = Walk()
        while True:
            self._stop_full()
            token = page.tokens.get("nextToken")
            is_last = token is None and "nextToken" not in page.odd_tokens
            step = Step.END if is_last else walk.step(page, token)
            if step is not Step.REPEATED:
                self._deliver(page.events)
            if step is Step.END:
                self._conclude()
                return
            if token is None or step is not Step.ON:
                # The end cannot be reached this way. GetLogEvents reads each stream exactly.
                self._read_one_by_one()
                return
            if len(self._stopped) == len(self.cursors):
                return
            try:
                # After a page without events as well: streams without new events were searched.
                page = await self._pages.of_streams(
                    self._request(token), is_followed=self._is_followed
                )
            except APIError as error:
                if not is_invalid_token(error.code):
                    raise
                for cursor in self.cursors:
                    cursor.start_over(error)
                return

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
        by_name: dict[str, list[Wire]] = defaultdict(list)
        for event in events:
            name = event.get("logStreamName")
            if not isinstance(name, str) or name not in self._by_name:
                self._pages.note_left_out("FilterLogEvents", event)
                continue
            self._counts[name] += 1
            if isinstance(event.get("eventId"), str):
                by_name[name].append(event)
            else:
                # Without an id, it is not known whether it was delivered.
                self._without_id.add(name)
        for name, found in by_name.items():
            for cursor in self._by_name[name]:
                if cursor not in self._stopped:
                    self._guarded(cursor, self._deliver_to, found, now)

    def _deliver_to(self, cursor: Cursor, events: list[Wire], now: float) -> None:
        admits = cursor.window.admits
        new = [e for e in events if admits(e["timestamp"], e["eventId"], e["message"])]
        if new:
            cursor.observe_lag(new)
            cursor.deliver(new, now)
            self._last_delivered[cursor] = self._not_in_the_future(new[-1]["timestamp"], now)

    def _guarded(self, cursor: Cursor, work: Callable[..., None], *arguments: object) -> None:
        """Do some work for a stream; an exception, which is a bug, ends the log of its job only."""
        try:
            work(cursor, *arguments)
        except Exception as error:  # noqa: BLE001 - reported as `InternalError`
            self._stopped.add(cursor)
            cursor.fail(internal_error(cursor.stream.job_id, error))

    def _not_in_the_future(self, timestamp: int, now: float) -> int:
        """Return a time (ms), or the service's time if that is earlier: containers' clocks err."""
        service_time = self._pages.clock.at(now)
        return timestamp if service_time is None else min(timestamp, service_time)

    def _conclude(self) -> None:
        """Note that all events were delivered that were readable when this read began."""
        began_ms = self._pages.clock.at(self.began)
        for cursor in self.cursors:
            if cursor not in self._stopped:
                self._guarded(cursor, self._conclude_one, began_ms)

    def _conclude_one(self, cursor: Cursor, began_ms: int | None) -> None:
        cursor.note_complete(self.began, began_ms)
        if began_ms is not None:
            cursor.window.forget(began_ms - plan.window_length(cursor.lag))
        if self._counts[cursor.stream.name] > _HEAVY or cursor.stream.name in self._without_id:
            cursor.read_alone()

    def _read_one_by_one(self) -> None:
        """Have all streams read with GetLogEvents from now on."""
        for cursor in self.cursors:
            cursor.read_alone()
