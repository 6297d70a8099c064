"""Single calls to CloudWatch Logs for one log group, and what time it is there."""

from collections.abc import Iterable, Mapping
from typing import Any

from asyncbatch._aws.api import API
from asyncbatch._aws.retrying import POLLING, READING
from asyncbatch._logs.cursor import Cursor, Wire
from asyncbatch._logs.streams import Stream
from asyncbatch._values.errors import ResourceNotFound

MISSING_GROUP = "log group"
MISSING_STREAM = "log stream"
_INVALID = "InvalidParameterException"
# Clocks run at different speeds: ours is believed a ten-thousandth less than it says.
_PER_SECOND = 999.9
_MOST_EVENTS = 10_000


class ServiceClock:
    """What time it is at the service, at the earliest, by the moments at which it took events."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._ingested = 0
        self._seen_at: float | None = None

    def at(self, moment: float) -> int | None:
        """Return the service's time (ms) at a moment of the event loop's; it may be later."""
        if self._seen_at is None:
            return None
        passed = moment - self._seen_at
        return self._ingested + int(passed * (_PER_SECOND if passed > 0 else 1000))

    def observe(self, events: Iterable[Wire], now: float) -> None:
        """Learn from events that could be read now."""
        newest = max((event.get("ingestionTime", 0) for event in events), default=0)
        if newest and newest >= (self.at(now) or 0):
            self._ingested, self._seen_at = newest, now


class Pages:
    """Reads pages of the streams of one log group."""

    def __init__(self, api: API, group: str, region: str | None) -> None:
        """Read a group, of another Region than the client's if need be."""
        self._api = api
        self._group = group
        self._region = region

    async def turn(self) -> None:
        """Wait until the next `of_many` may leave, to choose its streams as late as possible."""
        await self._api.logs_turn("FilterLogEvents", self._region)

    async def of_one(
        self, stream: Stream, arguments: Mapping[str, Any], *, is_followed: bool
    ) -> Wire:
        """Return a page of one stream.

        Raises:
            ResourceNotFound: There is no such group or stream, or not yet.
            APIError: It cannot be read.
        """
        asked = {
            "logGroupName": self._group,
            "logStreamName": stream.name,
            **arguments,
        }
        return await self._call("GetLogEvents", asked, is_followed=is_followed)

    async def last_of_one(
        self, stream: Stream, lines: int, *, is_followed: bool
    ) -> tuple[list[Wire], str | None]:
        """Return the last events of one stream, and the token with which to go on behind them.

        Raises:
            ResourceNotFound: There is no such group or stream, or not yet.
            APIError: It cannot be read.
        """
        pages: list[list[Wire]] = []
        arguments: Wire = {"limit": min(lines, _MOST_EVENTS), "startFromHead": False}
        arguments["startTime"] = stream.start
        forward: str | None = None
        while sum(map(len, pages)) < lines:
            page = await self.of_one(stream, arguments, is_followed=is_followed)
            forward = forward or page["nextForwardToken"]
            pages.append(page["events"])
            if page["nextBackwardToken"] == arguments.get("nextToken"):
                break
            arguments["nextToken"] = page["nextBackwardToken"]
        found = [event for page in reversed(pages) for event in page]
        return found[-lines:], forward

    async def of_many(
        self, cursors: list[Cursor], start: int, token: str | None, *, has_turn: bool
    ) -> Wire:
        """Return a page of at most 100 streams, from a time (ms) on.

        Raises:
            ResourceNotFound: There is no such group, or one of the streams is not there (yet).
            APIError: They cannot be read.
        """
        asked: Wire = {
            "logGroupName": self._group,
            "logStreamNames": list({c.stream.name: None for c in cursors}),
            "startTime": start,
        }
        if token is not None:
            asked["nextToken"] = token
        is_followed = any(cursor.is_followed for cursor in cursors)
        return await self._call(
            "FilterLogEvents", asked, is_followed=is_followed, has_turn=has_turn
        )

    async def _call(
        self, operation: str, asked: Wire, *, is_followed: bool, has_turn: bool = False
    ) -> Wire:
        patience = POLLING if is_followed else READING
        return await self._api.read_logs(
            operation, asked, patience, region=self._region, has_turn=has_turn
        )


def what_is_missing(error: ResourceNotFound) -> str:
    """Return what AWS did not find."""
    return MISSING_GROUP if "group" in error.message else MISSING_STREAM


def is_bad_token(code: str) -> bool:
    """Whether an error code says that a token is not good any more; they live for 24 hours."""
    return code == _INVALID
