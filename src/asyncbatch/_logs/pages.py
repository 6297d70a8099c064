"""Single calls to CloudWatch Logs for one log group, and the time on its clock."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from asyncbatch._aws.api import API
from asyncbatch._aws.retrying import POLLING, READING, BuildArguments
from asyncbatch._logs.cursor import Missing, Wire
from asyncbatch._logs.streams import Stream
from asyncbatch._values.errors import ResourceNotFound

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

    async def of_stream(
        self, stream: Stream, arguments: Mapping[str, Any], *, is_followed: bool
    ) -> Wire:
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
        return await self._call("GetLogEvents", request, is_followed=is_followed)

    async def end_of_stream(
        self, stream: Stream, lines: int, *, is_followed: bool
    ) -> tuple[list[Wire], str | None]:
        """Return the last events of a stream, and the token with which to continue after them.

        Raises:
            ResourceNotFound: The group or stream does not exist, or not yet.
            APIError: It cannot be read.
        """
        pages: list[list[Wire]] = []
        arguments: Wire = {"limit": min(lines, _MAX_EVENTS), "startFromHead": False}
        arguments["startTime"] = stream.start
        forward: str | None = None
        while sum(map(len, pages)) < lines:
            page = await self.of_stream(stream, arguments, is_followed=is_followed)
            # The first page is the newest one: what comes later continues after it.
            forward = forward or page["nextForwardToken"]
            pages.append(page["events"])
            # At the head of the stream, AWS returns the token that was passed. An empty page does
            # not mean the head: pages between may be empty.
            if page["nextBackwardToken"] == arguments.get("nextToken"):
                break
            arguments["nextToken"] = page["nextBackwardToken"]
        found = [event for page in reversed(pages) for event in page]
        return found[-lines:], forward

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

    async def of_streams(self, request: Wire | BuildArguments, *, is_followed: bool) -> Wire:
        """Return a page of FilterLogEvents.

        Args:
            request: A `filter_request`, or a function that builds one when the rate limit lets the
                call go.
            is_followed: Whether a consumer of one of the streams waits for events to come.

        Returns:
            The page; empty if there was no request to send.

        Raises:
            ResourceNotFound: The group, or one of the streams, does not exist, or not yet.
            APIError: They cannot be read.
        """
        return await self._call("FilterLogEvents", request, is_followed=is_followed)

    async def _call(
        self, operation: str, request: Wire | BuildArguments, *, is_followed: bool
    ) -> Wire:
        # A log that is followed survives an outage of any length; a single read fails after it.
        patience = POLLING if is_followed else READING
        return await self._api.read_logs(operation, request, patience, region=self._region)


def what_is_missing(error: ResourceNotFound) -> Missing:
    """Return what does not exist; AWS says so only in the message."""
    return Missing.GROUP if "group" in error.message else Missing.STREAM


def is_invalid_token(code: str) -> bool:
    """Return whether an error code can mean an expired token; tokens expire after 24 hours."""
    return code == _INVALID_PARAMETER
