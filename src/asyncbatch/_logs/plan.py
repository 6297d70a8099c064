"""Which streams share a FilterLogEvents call, and the time it starts from. Pure.

An event becomes readable some seconds after its timestamp: its lag. If all that was readable at a
time T was delivered, then every event still to come has a timestamp later than T minus the longest
lag. So a read of a stream starts a little before T, at `read_start`. The lag is observed, not
known: a later event than any before would be missed by that. So every `FULL_READ_INTERVAL` the
whole window is read again, which reaches back `window_length`.

A call has one start for all its streams. Streams with similar starts are read together, so that
little is read again only because another stream needs it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from asyncbatch._logs.cursor import Cursor

MAX_STREAMS = 100
"""Maximum number of streams per FilterLogEvents call.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

FULL_READ_INTERVAL = 15.0
"""Seconds between two reads of the whole window of a stream."""

# Milliseconds. A read reaches back twice the longest lag seen, within these bounds; with no event
# seen yet, nothing is known of the lag, and the longest is assumed.
_MIN_OVERLAP = 10_000
_MIN_WINDOW = 60_000
_MAX_LAG = 900_000
# Milliseconds: streams whose starts differ by no more are read together.
_SIMILAR = 20_000


class Batch(NamedTuple):
    """The streams of one call.

    Attributes:
        cursors: The streams; at most `MAX_STREAMS` names, each perhaps for several consumers.
        start: Time (ms) to read from.
        is_full: Whether that covers the whole window of each stream.
    """

    cursors: list[Cursor]
    start: int
    is_full: bool


def window_length(lag: int | None) -> int:
    """Return how long (ms) events are remembered, and late events looked for."""
    return _MAX_LAG if lag is None else min(max(2 * lag, _MIN_WINDOW), _MAX_LAG)


def read_start(cursor: Cursor, *, is_full: bool) -> int:
    """Return the time (ms) from which to read a stream next.

    Args:
        cursor: How far it was read.
        is_full: Whether to read its whole window.
    """
    start = cursor.window.start
    if is_full or cursor.complete_at_ms is None:
        return start if cursor.resume_from is None or is_full else max(start, cursor.resume_from)
    overlap = _MAX_LAG if cursor.lag is None else min(max(2 * cursor.lag, _MIN_OVERLAP), _MAX_LAG)
    recent = cursor.complete_at_ms - overlap
    return max(start, recent if cursor.resume_from is None else min(recent, cursor.resume_from))


def is_full_read_due(cursor: Cursor, now: float) -> bool:
    """Return whether it is time to read the whole window of a stream."""
    return cursor.complete_at_ms is not None and now - cursor.last_full_read >= FULL_READ_INTERVAL


def choose_batch(first: Cursor, others: Iterable[Cursor], now: float) -> Batch:
    """Choose the streams of the next call.

    Args:
        first: The stream that is due first.
        others: All streams that may be read, in the order in which they are due.
        now: The event loop's time (s).
    """
    is_full = is_full_read_due(first, now)
    start = read_start(first, is_full=is_full)
    names = {first.stream.name}
    chosen, earliest = [first], start
    for cursor in others:
        # Streams without any event yet are read from far back. That costs nothing as long as they
        # are among themselves, but would read minutes of other streams again.
        if cursor is first or (cursor.lag is None) != (first.lag is None):
            continue
        own = read_start(cursor, is_full=is_full)
        if first.lag is not None and abs(own - start) > _SIMILAR:
            continue
        if cursor.stream.name not in names and len(names) == MAX_STREAMS:
            break
        names.add(cursor.stream.name)
        chosen.append(cursor)
        earliest = min(earliest, own)
    return Batch(chosen, earliest, is_full)
