"""Which streams are read next, together, and from when on. Pure: the time is an argument.

An event can be read some seconds after it was written: its lag. Where everything was read that
there was at a moment, what is still to come was written later than that moment less the longest
lag. So each read with FilterLogEvents begins a little before the last one, and every now and then
much earlier. Streams that begin about alike go together, so that none is read again for another.
"""

from collections.abc import Iterable
from typing import NamedTuple

from asyncbatch._logs.cursor import Cursor

MOST_STREAMS = 100
"""Most streams that one FilterLogEvents reads."""

LONG_EVERY = 15.0
"""Seconds between two reads of the whole window."""

_SHORT, _LONG, _LONGEST = 10_000, 60_000, 900_000  # milliseconds
_ALIKE = 20_000  # milliseconds: streams that begin within this time go together


class Batch(NamedTuple):
    """Streams that one call reads.

    Attributes:
        cursors: The streams.
        start: Time (ms) from which to read.
        is_long: Whether that is the whole window.
    """

    cursors: list[Cursor]
    start: int
    is_long: bool


def kept(lag: int | None) -> int:
    """Return how long (ms) events are remembered, and late ones looked for."""
    return _LONGEST if lag is None else min(max(2 * lag, _LONG), _LONGEST)


def first_wanted(cursor: Cursor, *, is_long: bool) -> int:
    """Return the time (ms) from which a stream is read next.

    Args:
        cursor: How far it was read.
        is_long: Whether to read the whole window.
    """
    start = cursor.window.start
    if is_long or cursor.settled is None:
        return start if cursor.resume is None or is_long else max(start, cursor.resume)
    lag = _LONGEST if cursor.lag is None else min(max(2 * cursor.lag, _SHORT), _LONGEST)
    recent = cursor.settled - lag
    return max(start, recent if cursor.resume is None else min(recent, cursor.resume))


def wants_long(cursor: Cursor, now: float) -> bool:
    """Whether it is time to read the whole window of a stream."""
    return cursor.settled is not None and now - cursor.last_long >= LONG_EVERY


def together(first: Cursor, others: Iterable[Cursor], now: float) -> Batch:
    """Choose the streams that one call reads.

    Args:
        first: The one that is due.
        others: Those that may be read, soonest due first.
        now: The event loop's time.
    """
    is_long = wants_long(first, now)
    start = first_wanted(first, is_long=is_long)
    names = {first.stream.name}
    chosen, begin = [first], start
    for cursor in others:
        if cursor is first or (cursor.lag is None) != (first.lag is None):
            continue
        own = first_wanted(cursor, is_long=is_long)
        # Where nothing came yet, nothing can come twice.
        if first.lag is not None and abs(own - start) > _ALIKE:
            continue
        if cursor.stream.name not in names and len(names) == MOST_STREAMS:
            break
        names.add(cursor.stream.name)
        chosen.append(cursor)
        begin = min(begin, own)
    return Batch(chosen, begin, is_long)
