"""Single calls to CloudWatch Logs for one log group, and the time on its clock."""

import enum
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from asyncbatch._aws.api import API
from asyncbatch._aws.retrying import POLLING, POLLING_MANY, READING, BuildArguments, Patience
from asyncbatch._aws.wire.responses import UNREADABLE
from asyncbatch._logs.cursor import Missing
from asyncbatch._logs.decoding import Page, Wire, page_of
from asyncbatch._logs.streams import Stream
from asyncbatch._values.errors import ResourceNotFound, ServiceFault

logger = logging.getLogger("asyncbatch")

MAX_EMPTY_PAGES = 100
"""Empty pages in a row, each with a token for a next page, after which no more are requested.

AWS returns empty pages where it has searched without a match, but also for ever: for a stream whose
events have expired.
"""

_INVALID_PARAMETER = "InvalidParameterException"
# Milliseconds of the service's clock per second of the event loop's. Clocks run at slightly
# different speeds; the estimate may lag behind the service's clock, but never run ahead of it.
_MS_PER_SECOND = 999.9
_MAX_EVENTS = 10_000  # per page of GetLogEvents


class ServiceClock:
    """A lower bound of the time at the service, from the ingestion times of events.

    What was read completely is settled by the service's time, not by this machine's, whose clock
    may be wrong by minutes. A bound that is too late would skip events that are still to come.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._ingested = 0
        self._seen_at: float | None = None

    def at(self, moment: float) -> int | None:
        """Return the service's time (ms) at a time of the event loop (s), or somewhat earlier."""
        if self._seen_at is None:
            return None
        passed = moment - self._seen_at
        return self._ingested + int(passed * (_MS_PER_SECOND if passed > 0 else 1000))

    def observe(self, events: Iterable[Wire], now: float) -> None:
        """Update the bound: the events were readable at `now` (s), so they were ingested before."""
        newest = max((event.get("ingestionTime", 0) for event in events), default=0)
        if newest and newest >= (self.at(now) or 0):
            self._ingested, self._seen_at = newest, now


class Step(enum.Enum):
    """What a page means for the reading of further ones."""

    ON = enum.auto()
    """There may be more."""

    END = enum.auto()
    """It is the last one: its token is the one that was passed."""

    EMPTY = enum.auto()
    """Too many pages in a row were empty."""

    LOST = enum.auto()
    """It has no usable token, so further pages cannot be requested."""

    REPEATED = enum.auto()
    """It has the events of the previous page: the token had no effect."""


class Walk:
    """The way through the pages of one read. It always ends: see `Step`."""

    def __init__(
        self, token: str | None = None, *, earlier: Iterable[str] = (), empty: int = 0
    ) -> None:
        """Begin a read.

        Args:
            token: The token of the first request; None for the beginning.
            earlier: Tokens of earlier reads, which lead back to events that were read.
            empty: Number of empty pages in a row before this read.
        """
        self.empty = empty
        self._token = token
        self._seen = {*earlier} if token is None else {*earlier, token}
        self._previous: list[object] = []

    def step(self, page: Page, token: str | None) -> Step:
        """Return what a page means.

        Args:
            page: The page.
            token: Its token for the next page.
        """
        # By their ids, which only FilterLogEvents returns, or else by all that they contain.
        events = [event.get("eventId", event) for event in page.events]
        is_repeated = bool(events) and events == self._previous
        self._previous = events
        self.empty = 0 if page.events else self.empty + 1
        passed, self._token = self._token, token
        if is_repeated:
            return Step.REPEATED
        if token is not None and token == passed and not page.events:
            self.empty = 0
            return Step.END
        if token is None or token in self._seen:
            return Step.LOST
        self._seen.add(token)
        return Step.EMPTY if self.empty >= MAX_EMPTY_PAGES else Step.ON


class Tail(NamedTuple):
    """The end of a stream.

    Attributes:
        events: The last events.
        token: Where to continue after them; None if the response had no usable token.
    """

    events: list[Wire]
    token: str | None


class Pages:
    """Reads pages of the streams of one log group.

    Attributes:
        clock: The time at the service.
    """

    def __init__(self, api: API, group: str, region: str | None) -> None:
        """Read one group.

        Args:
            api: The calls.
            group: Name of the log group.
            region: AWS Region of the group; None for the client's own.
        """
        self.clock = ServiceClock()
        self._api = api
        self._group = group
        self._region = region
        self._has_warned = False

    async def of_stream(
        self, stream: Stream, arguments: Mapping[str, Any], *, is_followed: bool
    ) -> Page:
        """Return a page of GetLogEvents.

        Raises:
            ResourceNotFound: The group or stream does not exist, or not yet.
            APIError: It cannot be read.
        """
        request = {
            "logGroupName": self._group,
            "logStreamName": stream.name,
            **arguments,
        }
        patience = POLLING if is_followed else READING
        return await self._call("GetLogEvents", request, patience)

    async def end_of_stream(self, stream: Stream, lines: int, *, is_followed: bool) -> Tail:
        """Return the last events of a stream.

        Raises:
            ResourceNotFound: The group or stream does not exist, or not yet.
            APIError: It cannot be read.
        """
        pages: list[list[Wire]] = []
        arguments: Wire = {"limit": min(lines, _MAX_EVENTS), "startFromHead": False}
        arguments["startTime"] = stream.start
        forward: str | None = None
        walk = Walk()
        while sum(map(len, pages)) < lines:
            page = await self.of_stream(stream, arguments, is_followed=is_followed)
            token = page.tokens.get("nextBackwardToken")
            if not pages:
                # The first page is the newest one: what comes later continues after it.
                forward = page.tokens.get("nextForwardToken")
            # At the head of the stream, AWS returns the token that was passed. An empty page does
            # not mean the head: pages between may be empty.
            step = walk.step(page, token)
            if step is not Step.REPEATED:
                pages.append(page.events)
            if step is not Step.ON or token is None:
                break
            arguments["nextToken"] = token
        found = [event for events in reversed(pages) for event in events]
        return Tail(found[-lines:], forward)

    def filter_request(self, names: Sequence[str], start: int, token: str | None) -> Wire:
        """Return the request for a page of FilterLogEvents.

        Args:
            names: Names of at most 100 streams.
            start: Time (ms) to read from.
            token: Where to continue; None for the first page.
        """
        request: Wire = {
            "logGroupName": self._group,
            "logStreamNames": names,
            "startTime": start,
        }
        if token is not None:
            request["nextToken"] = token
        return request

    async def of_streams(self, request: Wire | BuildArguments, *, is_followed: bool) -> Page:
        """Return a page of FilterLogEvents.

        Args:
            request: A `filter_request`, or a function that builds one when the rate limit lets the
                call go.
            is_followed: Whether a consumer of one of the streams waits for events to come.

        Returns:
            The page; empty if there was no request to send.

        Raises:
            ResourceNotFound: The group, or one of the streams, does not exist, or not yet.
            ServiceFault: The page cannot be read, and the streams can be read one by one.
            APIError: They cannot be read.
        """
        return await self._call(
            "FilterLogEvents", request, POLLING_MANY if is_followed else READING
        )

    async def _call(
        self, operation: str, request: Wire | BuildArguments, patience: Patience
    ) -> Page:
        # A log that is followed survives an outage of any length; a single read fails after it.
        response = await self._api.read_logs(operation, request, patience, region=self._region)
        page = page_of(response)
        for event in page.left_out:
            self.note_left_out(operation, event)
        return page

    def note_left_out(self, operation: str, event: object) -> None:
        """Log that an event cannot be read; once for each log group, as it may be read again."""
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "%s returned a log event that cannot be read (log group %s); such events are left"
                " out: %.200r",
                operation,
                self._group,
                event,
            )


def unusable_token(operation: str) -> ServiceFault:
    """Return the error for pages that cannot be read to their end."""
    problem = "the response has no usable token for the next page of the log"
    return ServiceFault(operation, UNREADABLE, problem)


def what_is_missing(error: ResourceNotFound) -> Missing:
    """Return what does not exist; AWS says so only in the message."""
    return Missing.GROUP if "group" in error.message else Missing.STREAM


def is_invalid_token(code: str) -> bool:
    """Return whether an error code can mean an expired token; tokens expire after 24 hours."""
    return code == _INVALID_PARAMETER
