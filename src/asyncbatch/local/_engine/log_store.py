"""CloudWatch Logs as a store: groups, streams and events.

Events have two orders. The *order of arrival* in a stream never changes, so GetLogEvents' tokens
are positions in it. The *order of time* sorts FilterLogEvents' results, which cover many streams.
The two differ when an event arrives late, with a timestamp older than those already stored.

Events can be delayed between being written and being readable, as on AWS. Delivery happens on
reading and not by timers: an engine in virtual time whose only activity is a log delay stays idle.
"""

import heapq
from bisect import insort
from collections.abc import Iterator
from typing import NamedTuple

from asyncbatch.local._engine.errors import resource_not_found
from asyncbatch.local._engine.ids import ACCOUNT, REGION
from asyncbatch.local._time.clock import Clock, epoch_milliseconds

GROUP = "log group"
STREAM = "log stream"


class StoredEvent(NamedTuple):
    """A log event. Events compare by timestamp, then by arrival; times are in milliseconds."""

    timestamp: int
    sequence: int
    ingested: int
    message: str


class LogStream:
    """The output of one attempt.

    Attributes:
        name: Name of the stream.
        group: Name of the log group.
        created_at: Milliseconds since the epoch.
        arrivals: Events in the order of arrival.
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
        """Add an event that has become readable."""
        self.arrivals.append(event)
        if self.by_time and event < self.by_time[-1]:
            insort(self.by_time, event)
        else:
            self.by_time.append(event)


class LogGroup:
    """A log group: streams by name."""

    __slots__ = ("created_at", "name", "streams")

    def __init__(self, name: str, created_at: int) -> None:
        self.name = name
        self.created_at = created_at
        self.streams: dict[str, LogStream] = {}


class LogStore:
    """All log groups.

    Args:
        clock: The engine's clock.
        delay: Seconds from writing an event until it can be read.
    """

    def __init__(self, clock: Clock, *, delay: float = 0.0) -> None:
        self._clock = clock
        self._delay = delay
        self._groups: dict[str, LogGroup] = {}
        self._sequence = 0
        # Heap of events not readable yet: (readable at, sequence, stream, timestamp, message).
        self._delayed: list[tuple[float, int, LogStream, int, str]] = []

    def create_stream(self, group: str, name: str) -> LogStream:
        """Create a stream, and its group if necessary; an existing stream is returned."""
        now = self._now()
        log_group = self._groups.setdefault(group, LogGroup(group, now))
        return log_group.streams.setdefault(name, LogStream(group, name, now))

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
            stream: Stream to write to.
            message: Text of the event.
            timestamp: Milliseconds since the epoch; by default, the current time.
            delay: Seconds until the event can be read; by default, the store's delay.
        """
        stamp = self._now() if timestamp is None else timestamp
        wait = self._delay if delay is None else delay
        self._sequence += 1
        if wait <= 0:
            stream.add(StoredEvent(stamp, self._sequence, self._now(), message))
        else:
            arrival = self._clock.time() + wait
            heapq.heappush(self._delayed, (arrival, self._sequence, stream, stamp, message))

    def group(self, name: str) -> LogGroup:
        """Return a group with the events that are readable now.

        Raises:
            ServiceError: There is no such group.
        """
        self._deliver()
        group = self._groups.get(name)
        if group is None:
            raise resource_not_found(GROUP)
        return group

    def stream(self, group: str, name: str) -> LogStream:
        """Return a stream with the events that are readable now.

        Raises:
            ServiceError: There is no such group or stream.
        """
        stream = self.group(group).streams.get(name)
        if stream is None:
            raise resource_not_found(STREAM)
        return stream

    def groups(self) -> Iterator[LogGroup]:
        """Yield the groups in the order of their names."""
        self._deliver()
        for name in sorted(self._groups):
            yield self._groups[name]

    def _deliver(self) -> None:
        now = self._clock.time()
        while self._delayed and self._delayed[0][0] <= now:
            arrival, sequence, stream, stamp, message = heapq.heappop(self._delayed)
            stream.add(StoredEvent(stamp, sequence, int(arrival * 1000), message))

    def _now(self) -> int:
        return epoch_milliseconds(self._clock)


def group_arn(name: str) -> str:
    """Return a log group's ARN."""
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"
