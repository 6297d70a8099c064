"""One read of one stream with GetLogEvents: by tokens, exactly, in large pages."""

import anyio

from asyncbatch._logs import plan
from asyncbatch._logs.cursor import Cursor
from asyncbatch._logs.decoding import Wire
from asyncbatch._logs.pages import (
    MAX_EMPTY_PAGES,
    Pages,
    Step,
    Walk,
    is_invalid_token,
    unusable_token,
    what_is_missing,
)
from asyncbatch._values.errors import APIError, ResourceNotFound

# A page with fewer events is taken for the last one. If it was not, the next read continues there
# an interval later; if it was, a call that would only return an empty page is saved.
_SMALL_PAGE = 100


async def read_stream(pages: Pages, cursor: Cursor) -> None:
    """Read a stream up to its end, or until its feed is full.

    Raises:
        APIError: It cannot be read.
    """
    began = anyio.current_time()
    try:
        if cursor.tail is not None:
            await _read_tail(pages, cursor, cursor.tail, began)
            if not cursor.is_followed or cursor.tail is not None:
                return
        walk = Walk(cursor.token, earlier=cursor.earlier_tokens, empty=cursor.empty_pages)
        while not cursor.feed.is_full:
            began = anyio.current_time()
            if await _read_page(pages, cursor, walk, began):
                return
    except ResourceNotFound as error:
        cursor.note_missing(what_is_missing(error), began=began, now=anyio.current_time())
    except APIError as error:
        if not is_invalid_token(error.code) or cursor.token is None:
            raise
        cursor.start_over(error)


async def _read_tail(pages: Pages, cursor: Cursor, lines: int, began: float) -> None:
    """Read the last events; the next read continues after them."""
    events, token = await pages.end_of_stream(cursor.stream, lines, is_followed=cursor.is_followed)
    if token is None and cursor.is_followed:
        cursor.start_over(unusable_token("GetLogEvents"))
        return
    cursor.tail, cursor.token = None, token
    _deliver(pages, cursor, events)
    began_ms = pages.clock.at(began)
    if events and began_ms is not None:
        # Earlier events are not wanted, also if the stream is read again from the window's start.
        first = min(event["timestamp"] for event in events)
        cursor.window.start = max(cursor.window.start, min(first, began_ms))
    cursor.note_complete(began, began_ms)


async def _read_page(pages: Pages, cursor: Cursor, walk: Walk, began: float) -> bool:
    """Read a page and return whether it is the last one of this read."""
    arguments: Wire = {"startFromHead": True, "startTime": cursor.token_start}
    if cursor.token is not None:
        arguments["nextToken"] = cursor.token
    page = await pages.of_stream(cursor.stream, arguments, is_followed=cursor.is_followed)
    # At the end of a stream, AWS returns the token that was passed. An empty page is not the end.
    # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
    token = page.tokens.get("nextForwardToken")
    step = walk.step(page, token)
    cursor.empty_pages = walk.empty
    if step is not Step.REPEATED:
        _deliver(pages, cursor, page.events)
    if step is Step.REPEATED or step is Step.LOST:
        cursor.start_over(unusable_token("GetLogEvents"))
        return True
    cursor.move_to(token)
    if step is Step.EMPTY:
        # Taken for the end, but not for complete: the next read continues here, ever later.
        now = anyio.current_time()
        cursor.note_complete(began, None)
        cursor.back_off(cursor.empty_pages - MAX_EMPTY_PAGES + 1, now)
        return True
    if step is Step.END:
        began_ms = pages.clock.at(began)
        cursor.note_complete(began, began_ms)
        if began_ms is not None:
            cursor.window.forget(began_ms - plan.window_length(cursor.lag))
        return True
    # The first read goes on to the real end: only then may a hub read the stream by filter.
    is_first_read = cursor.complete_at_ms is None
    return cursor.is_followed and not is_first_read and 0 < len(page.events) < _SMALL_PAGE


def _deliver(pages: Pages, cursor: Cursor, events: list[Wire]) -> None:
    if not events:
        return
    now = anyio.current_time()
    admits = cursor.window.admits_without_id
    new = [event for event in events if admits(event["timestamp"], event["message"])]
    pages.clock.observe(events, now)
    cursor.observe_lag(new)
    cursor.deliver(new, now)
