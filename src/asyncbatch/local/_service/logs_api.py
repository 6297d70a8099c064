"""The operations of CloudWatch Logs that read a job's output."""

from collections.abc import Callable, Mapping
from typing import Any

from asyncbatch.local._engine.errors import invalid_parameter
from asyncbatch.local._engine.log_store import LogGroup, LogStore, LogStream, group_arn
from asyncbatch.local._service.log_filter import parse_pattern
from asyncbatch.local._service.log_pages import (
    PAGE_EVENTS,
    Page,
    Position,
    TimePosition,
    TimeRange,
    read_backward,
    read_forward,
    read_many,
)
from asyncbatch.local._service.messages import Call
from asyncbatch.local._service.paging import decode_token, encode_token

Result = dict[str, Any]

_FILTERED_STREAMS = 100  # names in a FilterLogEvents request
_DESCRIBED = 50  # results of a page of streams or groups


class LogsApi:
    """Reads log events, streams and groups."""

    def __init__(self, logs: LogStore) -> None:
        self._logs = logs

    def handlers(self) -> dict[str, Callable[[Call], Result]]:
        """Return the handler of each operation."""
        return {
            "GetLogEvents": self.get_log_events,
            "FilterLogEvents": self.filter_log_events,
            "DescribeLogStreams": self.describe_log_streams,
            "DescribeLogGroups": self.describe_log_groups,
        }

    def get_log_events(self, call: Call) -> Result:
        """Carry out GetLogEvents.

        The last page returns the token of its own request as the next token; that is how a caller
        recognizes the end.
        """
        params = call.params
        stream = self._logs.stream(_group_name(params), params["logStreamName"])
        time_range, limit = _time_range(params), _limit(params, PAGE_EVENTS)
        token = params.get("nextToken")
        if token is None:
            forward = params.get("startFromHead", False)
            position = Position(forward, 0 if forward else len(stream.arrivals))
        else:
            position = Position.parse(token)
        read = read_forward if position.forward else read_backward
        page = read(stream, position.offset, time_range, limit)
        if call.visibility.empty_page and page.end > page.begin and not position.after_empty:
            return _empty_page(position)
        return _page_result(page, position, token)

    def filter_log_events(self, call: Call) -> Result:
        """Carry out FilterLogEvents."""
        params = call.params
        if params.get("startFromHead") is False:
            raise invalid_parameter("The local engine returns the earliest log events first.")
        streams = self._chosen_streams(params)
        time_range, limit = _time_range(params), _limit(params, PAGE_EVENTS)
        token = params.get("nextToken")
        after = TimePosition(0, 0) if token is None else TimePosition.parse(token)
        matches = parse_pattern(params.get("filterPattern", ""))
        found, more = read_many(streams, after, time_range, matches, limit)
        if call.visibility.empty_page and found and not after.after_empty:
            return {
                "events": [],
                "searchedLogStreams": [],
                "nextToken": after._replace(after_empty=True).token(),
            }
        result: Result = {
            "events": [
                {
                    "logStreamName": name,
                    "timestamp": event.timestamp,
                    "message": event.message,
                    "ingestionTime": event.ingested,
                    "eventId": f"{event.timestamp:026d}{event.sequence:030d}",
                }
                for event, name in found
            ],
            "searchedLogStreams": [],
        }
        if more:
            last = found[-1][0]
            result["nextToken"] = TimePosition(last.timestamp, last.sequence).token()
        return result

    def describe_log_streams(self, call: Call) -> Result:
        """Carry out DescribeLogStreams."""
        params = call.params
        group = self._logs.group(_group_name(params))
        prefix = params.get("logStreamNamePrefix", "")
        by_event = params.get("orderBy", "LogStreamName") == "LastEventTime"
        if by_event and prefix:
            raise invalid_parameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
        streams = [stream for name, stream in group.streams.items() if name.startswith(prefix)]
        streams.sort(
            key=_last_event if by_event else _name, reverse=params.get("descending", False)
        )
        return _described("logStreams", [_describe_stream(stream) for stream in streams], params)

    def describe_log_groups(self, call: Call) -> Result:
        """Carry out DescribeLogGroups."""
        params = call.params
        for member in ("accountIdentifiers", "logGroupIdentifiers", "includeLinkedAccounts"):
            if params.get(member):
                raise invalid_parameter(f"The local engine does not support {member}.")
        prefix = params.get("logGroupNamePrefix", "")
        pattern = params.get("logGroupNamePattern", "")
        found = [
            _describe_group(group)
            for group in self._logs.groups()
            if group.name.startswith(prefix)
            and pattern in group.name
            and params.get("logGroupClass", "STANDARD") == "STANDARD"
        ]
        return _described("logGroups", found, params)

    def _chosen_streams(self, params: Mapping[str, Any]) -> list[LogStream]:
        group = self._logs.group(_group_name(params))
        names = params.get("logStreamNames")
        prefix = params.get("logStreamNamePrefix")
        if names is not None and prefix is not None:
            raise invalid_parameter("Specify logStreamNames or logStreamNamePrefix, not both.")
        if names is None:
            return [s for name, s in group.streams.items() if name.startswith(prefix or "")]
        if len(names) > _FILTERED_STREAMS:
            raise invalid_parameter(
                "1 validation error detected: Value at 'logStreamNames' failed to satisfy"
                f" constraint: Member must have length less than or equal to {_FILTERED_STREAMS}"
            )
        return [self._logs.stream(group.name, name) for name in dict.fromkeys(names)]


def _empty_page(position: Position) -> Result:
    """Return an empty page that is not the last: its next token differs from the request's."""
    repeated = position._replace(after_empty=True).token()
    other = Position(not position.forward, position.offset).token()
    forward, backward = (repeated, other) if position.forward else (other, repeated)
    return {"events": [], "nextForwardToken": forward, "nextBackwardToken": backward}


def _page_result(page: Page, position: Position, token: str | None) -> Result:
    forward = Position(forward=True, offset=page.end).token()
    backward = Position(forward=False, offset=page.begin).token()
    if token is not None and page.begin == page.end:  # the last page in this direction
        forward, backward = (token, backward) if position.forward else (forward, token)
    return {
        "events": [
            {
                "timestamp": event.timestamp,
                "message": event.message,
                "ingestionTime": event.ingested,
            }
            for event in page.events
        ],
        "nextForwardToken": forward,
        "nextBackwardToken": backward,
    }


def _group_name(params: Mapping[str, Any]) -> str:
    """Return the name of the requested log group, which is given by name or ARN."""
    name, identifier = params.get("logGroupName"), params.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise invalid_parameter("Specify logGroupName or logGroupIdentifier, and not both.")
    if name is not None:
        return str(name)
    return str(identifier).removeprefix(group_arn("")).removesuffix(":*")


def _time_range(params: Mapping[str, Any]) -> TimeRange:
    return TimeRange(params.get("startTime", 0), params.get("endTime", float("inf")))


def _limit(params: Mapping[str, Any], maximum: int) -> int:
    limit: int = params.get("limit", maximum)
    if not 1 <= limit <= maximum:
        raise invalid_parameter(
            f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint:"
            f" Member must have value between 1 and {maximum}"
        )
    return limit


def _described(member: str, found: list[Result], params: Mapping[str, Any]) -> Result:
    size = _limit(params, _DESCRIBED)
    start = decode_token(params.get("nextToken")) or 0
    result: Result = {member: found[start : start + size]}
    if start + size < len(found):
        result["nextToken"] = encode_token(start + size)
    return result


def _name(stream: LogStream) -> tuple[int, str]:
    return 0, stream.name


def _last_event(stream: LogStream) -> tuple[int, str]:
    return stream.by_time[-1].timestamp if stream.by_time else 0, stream.name


def _describe_stream(stream: LogStream) -> Result:
    detail: Result = {
        "logStreamName": stream.name,
        "creationTime": stream.created_at,
        "arn": stream.arn,
        "storedBytes": 0,
    }
    if stream.arrivals:
        detail |= {
            "firstEventTimestamp": stream.by_time[0].timestamp,
            "lastEventTimestamp": stream.by_time[-1].timestamp,
            "lastIngestionTime": stream.arrivals[-1].ingested,
        }
    return detail


def _describe_group(group: LogGroup) -> Result:
    return {
        "logGroupName": group.name,
        "creationTime": group.created_at,
        "metricFilterCount": 0,
        "arn": f"{group_arn(group.name)}:*",
        "logGroupArn": group_arn(group.name),
        "logGroupClass": "STANDARD",
        "storedBytes": 0,
    }
