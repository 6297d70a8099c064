"""CloudWatch Logs as a store: groups, streams and events.

An event has two orders. Its *arrival* is its place in its stream; it never changes, so tokens are
made of it. Its *time* is what it is sorted by in answers that cover many streams. The two differ
when an event arrives late, with a timestamp older than what is there already.
"""

import heapq
from bisect import insort
from collections.abc import Iterator
from typing import NamedTuple

from asyncbatch.local._engine.errors import resource_not_found
from asyncbatch.local._engine.ids import ACCOUNT, REGION
from asyncbatch.local._time.clock import Clock

GROUP = "log group"
STREAM = "log stream"


class StoredEvent(NamedTuple):
    """A log event; events compare by time, then by arrival."""

    timestamp: int
    sequence: int
    ingested: int
    message: str


class LogStream:
    """The output of one attempt.

    Attributes:
        name: Its name.
        group: The name of its group.
        created_at: Milliseconds since the epoch.
        arrivals: The events in the order in which they arrived.
        by_time: The same events in the order of their timestamps.
    """

    __slots__ = ("arrivals", "by_time", "created_at", "group", "name")

    def __init__(self, group: str, name: str, created_at: int) -> None:
        self.group = group
        self.name = name
        self.created_at = created_at
        self.arrivals: list[StoredEvent] = []
        self.by_time: list[StoredEvent] = []

    @property
    def arn(self) -> str:
        """The ARN."""
        return f"{group_arn(self.group)}:log-stream:{self.name}"

    def add(self, event: StoredEvent) -> None:
        """Take an event that has become readable."""
        self.arrivals.append(event)
        if self.by_time and event < self.by_time[-1]:
            insort(self.by_time, event)
        else:
            self.by_time.append(event)


class LogGroup:
    """Streams by name."""

    __slots__ = ("created_at", "name", "streams")

    def __init__(self, name: str, created_at: int) -> None:
        self.name = name
        self.created_at = created_at
        self.streams: dict[str, LogStream] = {}


class LogStore:
    """All log groups.

    Args:
        clock: What time it is.
        delay: Seconds from an event's timestamp until it can be read.
    """

    def __init__(self, clock: Clock, *, delay: float = 0.0) -> None:
        self._clock = clock
        self._delay = delay
        self._groups: dict[str, LogGroup] = {}
        self._sequence = 0
        # Events on their way, soonest first: (readable at, sequence, stream, timestamp, message).
        self._on_the_way: list[tuple[float, int, LogStream, int, str]] = []

    def create_stream(self, group: str, name: str) -> LogStream:
        """Create a stream, and its group if need be."""
        now = self._now()
        home = self._groups.setdefault(group, LogGroup(group, now))
        return home.streams.setdefault(name, LogStream(group, name, now))

    def append(
        self,
        stream: LogStream,
        message: str,
        *,
        timestamp: int | None = None,
        delay: float | None = None,
    ) -> None:
        """Write an event.

        Args:
            stream: Where to.
            message: What.
            timestamp: Milliseconds since the epoch; by default, now.
            delay: Seconds until it can be read; by default, the store's.
        """
        stamp = self._now() if timestamp is None else timestamp
        wait = self._delay if delay is None else delay
        self._sequence += 1
        if wait <= 0:
            stream.add(StoredEvent(stamp, self._sequence, self._now(), message))
        else:
            arrival = self._clock.time() + wait
            heapq.heappush(self._on_the_way, (arrival, self._sequence, stream, stamp, message))

    def group(self, name: str) -> LogGroup:
        """Return a group as it can be read now, or raise what AWS answers."""
        self._deliver()
        group = self._groups.get(name)
        if group is None:
            raise resource_not_found(GROUP)
        return group

    def stream(self, group: str, name: str) -> LogStream:
        """Return a stream as it can be read now, or raise what AWS answers."""
        stream = self.group(group).streams.get(name)
        if stream is None:
            raise resource_not_found(STREAM)
        return stream

    def groups(self) -> Iterator[LogGroup]:
        """Yield the groups by name."""
        self._deliver()
        for name in sorted(self._groups):
            yield self._groups[name]

    def _deliver(self) -> None:
        now = self._clock.time()
        while self._on_the_way and self._on_the_way[0][0] <= now:
            arrival, sequence, stream, stamp, message = heapq.heappop(self._on_the_way)
            stream.add(StoredEvent(stamp, sequence, int(arrival * 1000), message))

    def _now(self) -> int:
        return int(self._clock.time() * 1000)


def group_arn(name: str) -> str:
    """Return a log group's ARN."""
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"
