"""From responses to pages of log events, whatever the members of the responses contain. Pure.

A member may be absent, null, of another type, or out of range. An event without a readable message
or timestamp is left out; other odd members are dropped. The check takes less than a microsecond for
an event, and only events that do not fit are copied.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

Wire = dict[str, Any]
"""A request, a response or an event in AWS's spelling."""

# datetime ends with the year 9999.
_MAX_MILLISECONDS = 253_402_300_799_000
# Seconds. AWS refuses signed requests from a clock that is further off.
_CLOCK_TOLERANCE = 900.0


@dataclass(frozen=True, slots=True)
class Page:
    """What can be read of a page of GetLogEvents or FilterLogEvents.

    Attributes:
        events: The readable events: each has a ``message`` (text) and a ``timestamp`` (whole
            milliseconds), and perhaps an ``ingestionTime``.
        left_out: The other ones.
        tokens: The tokens that are texts, by the names of their members.
        odd_tokens: Names of token members that are anything else, but not null.
    """

    events: list[Wire]
    left_out: list[Any]
    tokens: Mapping[str, str]
    odd_tokens: frozenset[str]


_TOKENS = ("nextToken", "nextForwardToken", "nextBackwardToken")


def page_of(response: Wire) -> Page:
    """Return what can be read of a response."""
    listed = response.get("events")
    items = listed if isinstance(listed, list) else []
    latest = (time.time() + _CLOCK_TOLERANCE) * 1000
    events, left_out = items, []
    if not all(_fits(item, latest) for item in items):
        cleaned = [_cleaned(item, latest) for item in items]
        events = [event for event in cleaned if event is not None]
        left_out = [item for item, event in zip(items, cleaned, strict=True) if event is None]
    given = {name: response[name] for name in _TOKENS if response.get(name) is not None}
    tokens = {name: token for name, token in given.items() if isinstance(token, str) and token}
    return Page(events, left_out, tokens, frozenset(given.keys() - tokens.keys()))


def _fits(event: object, latest: float) -> bool:
    """Return whether an event is as AWS documents it."""
    return (
        type(event) is dict
        and type(event.get("message")) is str
        and type(timestamp := event.get("timestamp")) is int
        and 0 <= timestamp <= _MAX_MILLISECONDS
        and type(ingested := event.get("ingestionTime", 0)) is int
        and 0 <= ingested <= latest
    )


def _cleaned(event: object, latest: float) -> Wire | None:
    """Return an event without odd members; None without a readable message or timestamp."""
    if not isinstance(event, dict):
        return None
    message, timestamp = event.get("message"), event.get("timestamp")
    if not isinstance(message, str) or not _is_time(timestamp, _MAX_MILLISECONDS):
        return None
    cleaned = {**event, "timestamp": int(timestamp)}
    ingested = cleaned.pop("ingestionTime", None)
    # What was read completely is settled by ingestion times, for all streams of a log group: one
    # that lies in the future would make the others lose lines.
    if _is_time(ingested, latest):
        cleaned["ingestionTime"] = int(ingested)
    return cleaned


def _is_time(value: object, latest: float) -> TypeGuard[float]:
    """Return whether a value is a time (ms) that is not too late; fractions are accepted."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return 0 <= value <= latest
