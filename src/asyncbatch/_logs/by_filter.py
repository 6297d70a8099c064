"""Reading up to a hundred streams with one FilterLogEvents, passing over what is known."""

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import anyio

from asyncbatch._logs import plan
from asyncbatch._logs.by_token import note_missing
from asyncbatch._logs.cursor import Cursor, Wire
from asyncbatch._logs.pages import MISSING_GROUP, is_bad_token, what_is_missing
from asyncbatch._values.errors import AccessDenied, APIError, ResourceNotFound

if TYPE_CHECKING:
    from asyncbatch._logs.hub import Hub

_HEAVY = 5_000
"""Events of one stream in one read: with more, half of a page is read again and again."""

_TRIES = 3


async def read_together(hub: "Hub", batch: plan.Batch, *, has_turn: bool = True) -> None:
    """Read streams up to their ends, or until all their feeds are full.

    Raises:
        APIError: They cannot be read.
    """
    began = anyio.current_time()
    cursors = batch.cursors
    try:
        await _Pass(hub, cursors, batch.start).run(has_turn=has_turn)
    except ResourceNotFound as error:
        what = what_is_missing(error)
        if what == MISSING_GROUP or len(cursors) == 1:
            for cursor in cursors:
                note_missing(cursor, what, began)
            return
        middle = len(cursors) // 2
        for half in (cursors[:middle], cursors[middle:]):
            await read_together(hub, batch._replace(cursors=half), has_turn=False)
    except AccessDenied:
        # Some policies allow the reading of single streams only.
        hub.may_filter = False
        for cursor in cursors:
            cursor.go_by_token(by_token=True)
    else:
        if batch.is_long:
            for cursor in cursors:
                cursor.last_long = began


class _Pass:
    """One read of some streams, page after page."""

    def __init__(self, hub: "Hub", cursors: list[Cursor], start: int) -> None:
        self._hub = hub
        self._cursors = cursors
        self._start = start
        self._by_name: dict[str, list[Cursor]] = defaultdict(list)
        for cursor in cursors:
            self._by_name[cursor.stream.name].append(cursor)
        self._left_out: set[Cursor] = set()
        self._came_to: dict[Cursor, int] = {}
        self._met: Counter[str] = Counter()

    async def run(self, *, has_turn: bool) -> None:
        """Read to the end, or until all feeds are full."""
        began = anyio.current_time()
        token: str | None = None
        while True:
            try:
                page = await self._hub.pages.of_many(
                    self._cursors, self._start, token, has_turn=has_turn
                )
            except APIError as error:
                if token is None or not is_bad_token(error.code):
                    raise
                self._start_over(error)
                return
            has_turn = False
            self._leave_out_the_full()
            self._take(page["events"])
            previous, token = token, page.get("nextToken")
            if not token or token == previous:
                break
            if len(self._left_out) == len(self._cursors):
                return
        self._conclude(began)

    def _leave_out_the_full(self) -> None:
        """Leave out whoever's feed is full; he goes on later from where he came to."""
        for cursor in self._cursors:
            if cursor.feed.is_full and cursor not in self._left_out:
                self._left_out.add(cursor)
                cursor.resume = self._came_to.get(cursor, cursor.resume or self._start)

    def _take(self, events: list[Wire]) -> None:
        now = anyio.current_time()
        self._hub.clock.observe(events, now)
        new: dict[Cursor, list[Wire]] = defaultdict(list)
        for event in events:
            name, timestamp = event["logStreamName"], event["timestamp"]
            for cursor in self._by_name[name]:
                if cursor in self._left_out:
                    continue
                if cursor.window.admits(timestamp, event["eventId"], event["message"]):
                    new[cursor].append(event)
        self._met.update(event["logStreamName"] for event in events)
        for cursor, found in new.items():
            cursor.observe_lag(found)
            cursor.deliver(found, now)
            self._came_to[cursor] = found[-1]["timestamp"]

    def _conclude(self, began: float) -> None:
        """Note that all was read that there was when this read began."""
        service_time = self._hub.clock.at(began)
        for cursor in self._cursors:
            if cursor in self._left_out:
                continue
            cursor.came_to_end(began, service_time)
            if service_time is not None:
                cursor.window.forget(service_time - plan.kept(cursor.lag))
            if self._met[cursor.stream.name] > _HEAVY:
                cursor.is_heavy = True
                cursor.go_by_token(by_token=True)

    def _start_over(self, error: APIError) -> None:
        """Read again from the beginning, where a token was not taken any more; but not for ever."""
        for cursor in self._cursors:
            cursor.tries += 1
            if cursor.tries > _TRIES:
                cursor.fail(error)
