"""Pages of log events: what a page holds, and the token of the next one.

GetLogEvents' tokens are positions in a stream's order of arrival, so events that arrive later, even
with older timestamps, are neither missed nor returned twice. FilterLogEvents' tokens are positions
in the order of time: an event that arrives late, before such a position, is missing from the
remaining pages and found by the next search only, as on AWS. A client that reads many streams has
to expect that.

A page ends at its limit of events or at 1 MiB, whichever comes first:
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html

`after_empty` in a token says that the previous page was left empty by a fault, so that the next one
is not: a caller must not wait endlessly.
"""

import heapq
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from asyncbatch.local._engine.errors import invalid_parameter
from asyncbatch.local._engine.log_store import LogStream, StoredEvent

PAGE_EVENTS = 10_000
PAGE_BYTES = 1_048_576
_EVENT_OVERHEAD = 26  # bytes that CloudWatch Logs counts for each event besides its message

_POSITION = re.compile(r"([fb])/(\d{56})/([se])")
_TIME_POSITION = re.compile(r"(\d{20})/(\d{20})/([se])")
BAD_TOKEN = "The specified nextToken is invalid."  # noqa: S105 (a message)


class Position(NamedTuple):
    """Where a page of one stream begins (forward) or ends (backward): an index of arrivals."""

    forward: bool
    offset: int
    after_empty: bool = False

    def token(self) -> str:
        """Return the position as a token."""
        direction, mark = "f" if self.forward else "b", "e" if self.after_empty else "s"
        return f"{direction}/{self.offset:056d}/{mark}"

    @classmethod
    def parse(cls, token: str) -> "Position":
        """Parse a token.

        Raises:
            ServiceError: The token is invalid.
        """
        found = _POSITION.fullmatch(token)
        if found is None:
            raise invalid_parameter(BAD_TOKEN)
        return cls(found[1] == "f", int(found[2]), found[3] == "e")


class TimePosition(NamedTuple):
    """Where a page of many streams begins: after the event with this timestamp and sequence."""

    timestamp: int
    sequence: int
    after_empty: bool = False

    def token(self) -> str:
        """Return the position as a token."""
        return f"{self.timestamp:020d}/{self.sequence:020d}/{'e' if self.after_empty else 's'}"

    @classmethod
    def parse(cls, token: str) -> "TimePosition":
        """Parse a token.

        Raises:
            ServiceError: The token is invalid.
        """
        found = _TIME_POSITION.fullmatch(token)
        if found is None:
            raise invalid_parameter(BAD_TOKEN)
        return cls(int(found[1]), int(found[2]), found[3] == "e")


class TimeRange(NamedTuple):
    """The requested timestamps: `start` is included, `end` is not."""

    start: int
    end: float

    def contains(self, event: StoredEvent) -> bool:
        """Whether an event is in the range."""
        return self.start <= event.timestamp < self.end


class Page(NamedTuple):
    """Events of one stream, between two indexes of its order of arrival."""

    events: list[StoredEvent]
    begin: int
    end: int


def read_forward(stream: LogStream, begin: int, time_range: TimeRange, limit: int) -> Page:
    """Read events from index `begin` on, as many as fit on a page."""
    events: list[StoredEvent] = []
    index, remaining = begin, PAGE_BYTES
    while index < len(stream.arrivals) and len(events) < limit:
        event = stream.arrivals[index]
        if time_range.contains(event):
            remaining -= _size(event)
            if remaining < 0 and events:
                break
            events.append(event)
        index += 1
    return Page(sorted(events), begin, index)


def read_backward(stream: LogStream, end: int, time_range: TimeRange, limit: int) -> Page:
    """Read events before index `end`, as many as fit on a page."""
    events: list[StoredEvent] = []
    index, remaining = min(end, len(stream.arrivals)), PAGE_BYTES
    while index > 0 and len(events) < limit:
        event = stream.arrivals[index - 1]
        if time_range.contains(event):
            remaining -= _size(event)
            if remaining < 0 and events:
                break
            events.append(event)
        index -= 1
    return Page(sorted(events), index, end)


def read_many(
    streams: Sequence[LogStream],
    after: TimePosition,
    time_range: TimeRange,
    matches: Callable[[str], bool],
    limit: int,
) -> tuple[list[tuple[StoredEvent, str]], bool]:
    """Read the events of many streams in the order of time, as many as fit on a page.

    Returns:
        The events, each with its stream's name, and whether there are more.
    """
    found: list[tuple[StoredEvent, str]] = []
    remaining = PAGE_BYTES
    for event, name in _merged(streams, after, time_range):
        if not matches(event.message):
            continue
        remaining -= _size(event)
        if len(found) == limit or (remaining < 0 and found):
            return found, True
        found.append((event, name))
    return found, False


def _merged(
    streams: Iterable[LogStream], after: TimePosition, time_range: TimeRange
) -> Iterator[tuple[StoredEvent, str]]:
    first = max((after.timestamp, after.sequence + 1), (time_range.start, 0))
    for event, name in heapq.merge(*(_from(stream, first) for stream in streams)):
        if event.timestamp >= time_range.end:
            return
        yield event, name


def _from(stream: LogStream, first: tuple[int, int]) -> Iterator[tuple[StoredEvent, str]]:
    for event in islice(stream.by_time, bisect_left(stream.by_time, first), None):
        yield event, stream.name


def _size(event: StoredEvent) -> int:
    message = event.message
    return _EVENT_OVERHEAD + (len(message) if message.isascii() else len(message.encode()))
