"""Follows the log of one job, from before its first stream exists to the last late line.

Attempts are followed in their order. The end of an attempt is not the end of its log: CloudWatch
Logs shows lines some seconds after they were written. So after its end, its streams are read until
no line came for `LogPolicy.drain` seconds, and for `_MAX_DRAINS` times as long at most.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import anyio

from asyncbatch._logs.cursor import Cursor, Missing
from asyncbatch._logs.feed import Feed
from asyncbatch._logs.streams import Stream, group_missing, is_over, latest_attempt, streams_of
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.status import JobStatus

# Seconds. AWS refuses signed requests from a clock that is further off, so an end that is longer
# ago by this machine's clock is not a clock error.
_CLOCK_TOLERANCE = 300.0
# Seconds. ListJobs may have reported that a job is RUNNING, but it names no streams: until they are
# known, the job is described this often.
_DESCRIBE_INTERVAL = 5.0
_MAX_DRAINS = 6


class LogSource(Protocol):
    """What a follower needs of a job: implemented by the session's `JobRecord`."""

    @property
    def id(self) -> str:
        """Job id."""
        ...

    @property
    def description(self) -> JobDescription | None:
        """The job as AWS last described it; None before the first time."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will change about the job."""
        ...

    def update(self, description: JobDescription) -> bool:
        """Accept a newer description."""
        ...

    def log_parts(self) -> "Sequence[LogSource]":
        """Return the jobs whose logs make up this one's; none for a job that writes its own."""
        ...

    async def next_submission(self, *, wait: bool) -> "LogSource | None":
        """Return the job that was submitted for this one after it failed; None if there is none.

        Args:
            wait: Whether to wait until that is known.
        """
        ...

    def describe_soon(self) -> None:
        """Have the job described soon."""
        ...

    async def wait_for_change(self, within: float, *, details: bool = False) -> None:
        """Wait until something about the job changes, at most `within` seconds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """Which lines a consumer wants.

    Attributes:
        follow: Whether to wait for lines to come.
        tail: Number of last lines of each stream to begin with; None begins at the head.
        since: Time of the first lines that are wanted; None wants all.
    """

    follow: bool = True
    tail: int | None = None
    since: datetime | None = None


class StreamOpener(Protocol):
    """Starts and stops the reading of streams: implemented by `LogReader`."""

    def open(
        self,
        stream: Stream,
        feed: Feed,
        options: LogOptions,
        *,
        tail: int | None,
        on_fail: Callable[[], None],
    ) -> Cursor:
        """Begin to read a stream into a feed."""
        ...

    def close(self, cursors: Sequence[Cursor]) -> None:
        """Stop reading streams."""
        ...


class Follower:
    """Follows the log of one job that writes its own."""

    def __init__(
        self,
        job: LogSource,
        options: LogOptions,
        feed: Feed,
        streams: StreamOpener,
        *,
        drain: float,
    ) -> None:
        """Do nothing yet.

        Args:
            job: The job.
            options: Which lines are wanted.
            feed: Where they go.
            streams: Reads streams.
            drain: See `LogPolicy.drain`.
        """
        self._job = job
        self._options = options
        self._feed = feed
        self._streams = streams
        self._drain = drain
        self._cursors: dict[tuple[str | None, str, str], Cursor] = {}
        self._scope = anyio.CancelScope()

    async def run(self) -> None:
        """Follow the log to its end, or read what is there.

        Raises:
            AsyncBatchError: The log cannot be read, or the job is no longer followed.
        """
        first = await self._full_description()
        number, tail = self._first_attempt(first), self._options.tail
        while True:
            await self._attempt(number, tail)
            description = (await self._full_description()) if self._options.follow else first
            is_last = number >= latest_attempt(description)
            if is_last and (not self._options.follow or description.status.is_terminal):
                return
            number, tail = number + 1, None

    def _first_attempt(self, description: JobDescription) -> int:
        """Return the attempt to begin with: for a tail, the latest one that has a stream."""
        if self._options.tail is None:
            return 1
        latest = latest_attempt(description)
        numbers = range(latest, 0, -1)
        return next((n for n in numbers if streams_of(description, n)), latest)

    async def _full_description(self) -> JobDescription:
        """Return a description of the job that includes its streams, once there is one.

        A summary by ListJobs has no streams. That matters for the end only: until then, a job is
        waited for anyway.
        """
        while True:
            description = self._job.description
            if description is not None and not (
                description.is_summary and description.status.is_terminal
            ):
                return description
            await self._job.wait_for_change(within=_DESCRIBE_INTERVAL, details=True)

    async def _attempt(self, number: int, tail: int | None) -> None:
        """Follow one attempt until a cursor fails, or to the end.

        Raises:
            AsyncBatchError: The log cannot be read, or the job is no longer followed.
        """
        try:
            with anyio.CancelScope() as self._scope:
                await self._follow_attempt(number, tail)
            for cursor in self._cursors.values():
                if cursor.error is not None:
                    raise cursor.error
        finally:
            self._streams.close(list(self._cursors.values()))
            self._cursors = {}

    async def _follow_attempt(self, number: int, tail: int | None) -> None:
        """Follow one attempt to its end, or read what is there of it."""
        opened = anyio.current_time()
        description = await self._full_description()
        self._open_new(description, number, tail)
        if not self._options.follow or _ended_long_ago(description):
            await self._read_to_end(since=opened)
            return
        while not is_over(description, number):
            await self._wait_for_change(description)
            description = await self._full_description()
            self._open_new(description, number, tail)
        await self._read_late_lines()

    def _open_new(self, description: JobDescription, number: int, tail: int | None) -> None:
        """Begin to read the streams of the attempt that are new."""
        for stream in streams_of(description, number, self._options.since):
            # Containers with log groups of their own may have streams of one name.
            key = (stream.region, stream.group, stream.name)
            if key not in self._cursors:
                cursor = self._streams.open(
                    stream, self._feed, self._options, tail=tail, on_fail=self._scope.cancel
                )
                self._cursors[key] = cursor

    async def _wait_for_change(self, description: JobDescription) -> None:
        """Wait for a change of the job; have it described while its streams are not known."""
        if self._cursors or description.status is not JobStatus.RUNNING:
            await self._job.wait_for_change(within=math.inf, details=True)
            return
        self._job.describe_soon()
        await self._job.wait_for_change(within=_DESCRIBE_INTERVAL, details=True)

    async def _read_late_lines(self) -> None:
        """Read until no line came for `drain` seconds since the attempt's end, or the last line.

        Complete means: a read that *began* after these seconds reached the end. So slow reads and
        outages delay the end of the log, but lose no line.
        """
        ended_at = anyio.current_time()
        latest_end = ended_at + _MAX_DRAINS * self._drain
        quiet_until = ended_at + self._drain
        while True:
            await self._read_to_end(since=quiet_until)
            last = max((c.last_line_at for c in self._cursors.values()), default=ended_at)
            later = min(max(last, ended_at) + self._drain, latest_end)
            if later <= quiet_until:
                return
            quiet_until = later

    async def _read_to_end(self, *, since: float) -> None:
        """Wait until reads that began at `since` (s) or later have reached the ends of all streams.

        Raises:
            LogsUnavailable: Their log group does not exist.
        """
        for cursor in self._cursors.values():
            await cursor.wait_for_complete_read(since=since)
        missing = [c for c in self._cursors.values() if c.missing is Missing.GROUP]
        if missing and len(missing) == len(self._cursors):
            raise group_missing(missing[0].stream)


def _ended_long_ago(description: JobDescription) -> bool:
    """Return whether no late lines can come any more, by the clock of this machine.

    This matters for jobs that had ended before they were followed. The end of a job that is
    followed is noticed, and its late lines are waited for from then on.
    """
    if not description.status.is_terminal or description.stopped_at is None:
        return False
    return time.time() - description.stopped_at.timestamp() > _CLOCK_TOLERANCE
