"""Pages of log events: how far a page reaches, and the tokens with which the next one is asked for.

GetLogEvents' tokens are places in a stream's arrival order, so events that arrive later, even with
older timestamps, are neither missed nor returned twice. FilterLogEvents' tokens are places in the
order of time: what arrives behind such a place is found by the next search, as with AWS.
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

_PLACE = re.compile(r"([fb])/(\d{56})/([se])")
_SPOT = re.compile(r"(\d{20})/(\d{20})/([se])")
BAD_TOKEN = "The specified nextToken is invalid."  # noqa: S105 (a message)


class Place(NamedTuple):
    """Where a page of one stream begins (forward) or ends (backward), counted in arrivals."""

    forward: bool
    position: int
    after_empty: bool = False

    def token(self) -> str:
        """Return the place as the caller sees it."""
        direction, mark = "f" if self.forward else "b", "e" if self.after_empty else "s"
        return f"{direction}/{self.position:056d}/{mark}"

    @classmethod
    def parse(cls, token: str) -> "Place":
        """Read a token, or raise what AWS answers to a bad one."""
        found = _PLACE.fullmatch(token)
        if found is None:
            raise invalid_parameter(BAD_TOKEN)
        return cls(found[1] == "f", int(found[2]), found[3] == "e")


class Spot(NamedTuple):
    """Where a page of many streams begins: after the event with this timestamp and sequence."""

    timestamp: int
    sequence: int
    after_empty: bool = False

    def token(self) -> str:
        """Return the spot as the caller sees it."""
        return f"{self.timestamp:020d}/{self.sequence:020d}/{'e' if self.after_empty else 's'}"

    @classmethod
    def parse(cls, token: str) -> "Spot":
        """Read a token, or raise what AWS answers to a bad one."""
        found = _SPOT.fullmatch(token)
        if found is None:
            raise invalid_parameter(BAD_TOKEN)
        return cls(int(found[1]), int(found[2]), found[3] == "e")


class Window(NamedTuple):
    """The timestamps that are asked for: `start` is included, `end` is not."""

    start: int
    end: float

    def holds(self, event: StoredEvent) -> bool:
        """Whether an event is in the window."""
        return self.start <= event.timestamp < self.end


class Page(NamedTuple):
    """Events of one stream, and the places in its arrival order before and after them."""

    events: list[StoredEvent]
    begin: int
    end: int


def read_forward(stream: LogStream, begin: int, window: Window, limit: int) -> Page:
    """Read the events that arrived from place `begin` on, as many as fit."""
    events: list[StoredEvent] = []
    place, room = begin, PAGE_BYTES
    while place < len(stream.arrivals) and len(events) < limit:
        event = stream.arrivals[place]
        if window.holds(event):
            room -= _size(event)
            if room < 0 and events:
                break
            events.append(event)
        place += 1
    return Page(sorted(events), begin, place)


def read_backward(stream: LogStream, end: int, window: Window, limit: int) -> Page:
    """Read the events that arrived before place `end`, as many as fit."""
    events: list[StoredEvent] = []
    place, room = min(end, len(stream.arrivals)), PAGE_BYTES
    while place > 0 and len(events) < limit:
        event = stream.arrivals[place - 1]
        if window.holds(event):
            room -= _size(event)
            if room < 0 and events:
                break
            events.append(event)
        place -= 1
    return Page(sorted(events), place, end)


def read_many(
    streams: Sequence[LogStream],
    after: Spot,
    window: Window,
    wanted: Callable[[str], bool],
    limit: int,
) -> tuple[list[tuple[StoredEvent, str]], bool]:
    """Read the events of many streams in the order of time.

    Returns:
        The events, each with its stream's name, and whether there are more.
    """
    found: list[tuple[StoredEvent, str]] = []
    room = PAGE_BYTES
    for event, name in _merged(streams, after, window):
        if not wanted(event.message):
            continue
        room -= _size(event)
        if len(found) == limit or (room < 0 and found):
            return found, True
        found.append((event, name))
    return found, False


def _merged(
    streams: Iterable[LogStream], after: Spot, window: Window
) -> Iterator[tuple[StoredEvent, str]]:
    first = max((after.timestamp, after.sequence + 1), (window.start, 0))
    for event, name in heapq.merge(*(_from(stream, first) for stream in streams)):
        if event.timestamp >= window.end:
            return
        yield event, name


def _from(stream: LogStream, first: tuple[int, int]) -> Iterator[tuple[StoredEvent, str]]:
    for event in islice(stream.by_time, bisect_left(stream.by_time, first), None):
        yield event, stream.name


def _size(event: StoredEvent) -> int:
    message = event.message
    return _EVENT_OVERHEAD + (len(message) if message.isascii() else len(message.encode()))
