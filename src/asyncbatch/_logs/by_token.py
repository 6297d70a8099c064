"""Reading one stream with GetLogEvents: by tokens, exactly, in large pages."""

from typing import TYPE_CHECKING

import anyio

from asyncbatch._logs import plan
from asyncbatch._logs.cursor import Cursor, Wire
from asyncbatch._logs.pages import MISSING_STREAM, is_bad_token, what_is_missing
from asyncbatch._values.errors import APIError, ResourceNotFound

if TYPE_CHECKING:
    from asyncbatch._logs.hub import Hub

# A page with fewer events is taken for the newest there is; the next look comes soon enough.
_MANY = 100
_LONGEST_WAIT = 15.0


async def read_alone(hub: "Hub", cursor: Cursor) -> None:
    """Read one stream up to its end, or until its feed is full.

    Raises:
        APIError: It cannot be read.
    """
    began = anyio.current_time()
    try:
        if cursor.tail is not None:
            await _read_tail(hub, cursor, cursor.tail, began)
            if not cursor.is_followed:
                return
        while not cursor.feed.is_full:
            began = anyio.current_time()
            if await _read_page(hub, cursor, began):
                return
    except ResourceNotFound as error:
        note_missing(cursor, what_is_missing(error), began)
    except APIError as error:
        if not is_bad_token(error.code) or cursor.token is None:
            raise
        cursor.go_by_token(by_token=True)


def note_missing(cursor: Cursor, what: str, began: float) -> None:
    """Note that a stream is not there, and look again later, and ever later."""
    cursor.is_missing(what, began)
    cursor.due = anyio.current_time() + min(2.0 ** min(cursor.tries, 6) / 2, _LONGEST_WAIT)
    if what == MISSING_STREAM:
        cursor.by_token = True  # the others must not fail because of this one


async def _read_tail(hub: "Hub", cursor: Cursor, lines: int, began: float) -> None:
    """Read the last events, and go on behind them."""
    events, token = await hub.pages.last_of_one(
        cursor.stream, lines, is_followed=cursor.is_followed
    )
    cursor.tail, cursor.token = None, token
    _take(hub, cursor, events)
    cursor.came_to_end(began, hub.clock.at(began))


async def _read_page(hub: "Hub", cursor: Cursor, began: float) -> bool:
    """Read a page and return whether to leave it at that."""
    arguments: Wire = {"startFromHead": True, "startTime": cursor.first}
    if cursor.token is not None:
        arguments["nextToken"] = cursor.token
    page = await hub.pages.of_one(cursor.stream, arguments, is_followed=cursor.is_followed)
    events = page["events"]
    is_end = page["nextForwardToken"] == cursor.token
    cursor.token = page["nextForwardToken"]
    _take(hub, cursor, events)
    if is_end:
        service_time = hub.clock.at(began)
        cursor.came_to_end(began, service_time)
        if service_time is not None:
            cursor.window.forget(service_time - plan.kept(cursor.lag))
        return True
    is_first = cursor.settled is None
    return cursor.is_followed and not is_first and 0 < len(events) < _MANY


def _take(hub: "Hub", cursor: Cursor, events: list[Wire]) -> None:
    if not events:
        return
    now = anyio.current_time()
    admits = cursor.window.admits_unnamed
    new = [event for event in events if admits(event["timestamp"], event["message"])]
    hub.clock.observe(events, now)
    cursor.observe_lag(new)
    cursor.deliver(new, now)
