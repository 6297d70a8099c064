"""The log of one job: from before its first stream exists to the last line that comes late.

Attempts are followed in their order. The end of an attempt is not the end of its log: CloudWatch
shows lines some seconds after they were written. So its streams are read on until no line came for
`LogPolicy.drain` seconds, but not for ever.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import anyio

from asyncbatch._logs.cursor import Cursor
from asyncbatch._logs.feed import Feed
from asyncbatch._logs.pages import MISSING_GROUP
from asyncbatch._logs.streams import Stream, group_missing, is_over, latest_attempt, streams_of
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.status import JobStatus

# Signed requests are refused when the clocks differ by more, so what ended before that is over.
_CLOCK_TOLERANCE = 300.0
# A list told that a job is RUNNING, but not its streams: it is described this often until then.
_ASK_EVERY = 5.0
_LONGEST_DRAIN = 6
"""Times `LogPolicy.drain`: late lines are not waited for any longer, though they keep coming."""


class LogSource(Protocol):
    """What a follower needs to know of a job: its handle."""

    @property
    def id(self) -> str:
        """Job id."""
        ...

    @property
    def description(self) -> JobDescription | None:
        """The job as AWS last described it."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will change about the job."""
        ...

    def update(self, description: JobDescription) -> bool:
        """Take a newer description."""
        ...

    def log_parts(self) -> "Sequence[LogSource]":
        """Return the jobs whose logs make up this one's; none where it writes its own."""
        ...

    def ask_soon(self) -> None:
        """Have the job described soon."""
        ...

    async def next_change(self, within: float) -> None:
        """Wait until something changed about the job, at most some seconds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants of logs.

    Attributes:
        follow: Whether to wait for lines to come.
        tail: Last lines of each stream to begin with; None begins at the head.
        since: Moment from which on lines are wanted; None wants all.
    """

    follow: bool = True
    tail: int | None = None
    since: datetime | None = None


class Streams(Protocol):
    """Where streams are read."""

    def open(
        self,
        stream: Stream,
        feed: Feed,
        wish: Wish,
        *,
        tail: int | None,
        on_fail: Callable[[], None],
    ) -> Cursor:
        """Begin to read a stream into a feed."""
        ...

    def close(self, cursors: Sequence[Cursor]) -> None:
        """Stop reading."""
        ...


class Follower:
    """Follows the log of one job that writes its own."""

    def __init__(
        self, job: LogSource, wish: Wish, feed: Feed, streams: Streams, *, drain: float
    ) -> None:
        """Follow `job` into `feed`; `drain` is how long late lines are waited for, in seconds."""
        self._job = job
        self._wish = wish
        self._feed = feed
        self._streams = streams
        self._drain = drain
        self._cursors: dict[str, Cursor] = {}
        self._scope = anyio.CancelScope()

    async def run(self) -> None:
        """Follow the log to its end, or read what is there.

        Raises:
            AsyncBatchError: The log cannot be read, or nothing is heard of the job any more.
        """
        first = await self._described()
        number, tail = self._first_attempt(first), self._wish.tail
        while True:
            await self._attempt(number, tail)
            description = (await self._described()) if self._wish.follow else first
            is_last = number >= latest_attempt(description)
            if is_last and (not self._wish.follow or description.status.is_terminal):
                return
            number, tail = number + 1, None

    def _first_attempt(self, description: JobDescription) -> int:
        """Return the attempt to begin with: for a tail, the latest one that has a stream."""
        if self._wish.tail is None:
            return 1
        latest = latest_attempt(description)
        numbers = range(latest, 0, -1)
        return next((n for n in numbers if streams_of(description, n)), latest)

    async def _described(self) -> JobDescription:
        """Return a description of the job that tells its streams, once there is one."""
        while True:
            description = self._job.description
            if description is not None and not (
                description.is_summary and description.status.is_terminal
            ):
                return description
            await self._job.next_change(within=_ASK_EVERY)

    async def _attempt(self, number: int, tail: int | None) -> None:
        """Follow one attempt until a cursor fails, or to the end.

        Raises:
            AsyncBatchError: The log cannot be read, or nothing is heard of the job any more.
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
        description = await self._described()
        self._open_new(description, number, tail)
        if not self._wish.follow or _ended_long_ago(description):
            await self._read_up(opened)
            return
        while not is_over(description, number):
            await self._wait(description)
            description = await self._described()
            self._open_new(description, number, tail)
        await self._await_late_lines()

    def _open_new(self, description: JobDescription, number: int, tail: int | None) -> None:
        """Begin to read the streams of the attempt that are new."""
        for stream in streams_of(description, number, self._wish.since):
            if stream.name not in self._cursors:
                cursor = self._streams.open(
                    stream, self._feed, self._wish, tail=tail, on_fail=self._scope.cancel
                )
                self._cursors[stream.name] = cursor

    async def _wait(self, description: JobDescription) -> None:
        """Wait for news of the job."""
        if self._cursors or description.status is not JobStatus.RUNNING:
            await self._job.next_change(within=float("inf"))
            return
        self._job.ask_soon()
        await self._job.next_change(within=_ASK_EVERY)

    async def _await_late_lines(self) -> None:
        """Read on until nothing came for a while after the attempt's end."""
        over = anyio.current_time()
        quiet_until = over + self._drain
        while True:
            await self._read_up(quiet_until)
            last = max((cursor.last_line for cursor in self._cursors.values()), default=over)
            later = min(max(last, over), over + (_LONGEST_DRAIN - 1) * self._drain) + self._drain
            if later <= quiet_until:
                return
            quiet_until = later

    async def _read_up(self, moment: float) -> None:
        """Wait until all streams were read to their ends by reads that began at a moment or later.

        Raises:
            LogsUnavailable: Their log group does not exist.
        """
        for cursor in self._cursors.values():
            await cursor.read_since(moment)
        missing = [c for c in self._cursors.values() if c.missing == MISSING_GROUP]
        if missing and len(missing) == len(self._cursors):
            raise group_missing(missing[0].stream)


def _ended_long_ago(description: JobDescription) -> bool:
    """Whether no late lines can come any more.

    Only a job that had ended before anybody looked is told by the clock: while a job is followed,
    its end is noticed, and late lines are waited for from then on.
    """
    if not description.status.is_terminal or description.stopped_at is None:
        return False
    return time.time() - description.stopped_at.timestamp() > _CLOCK_TOLERANCE
