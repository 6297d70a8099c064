"""Following the CloudWatch log streams of one job: live, complete, every line once.

Each attempt of a job writes a stream of its own (multi-container jobs: one per container). Streams
are read with GetLogEvents and its forward tokens: the end is reached when the same token comes
back, while empty pages with a new token mean nothing. Attempts are read in their order. After an
attempt's end its streams are asked for late lines until `PollPolicy.log_drain` is over.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
"""

import math
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import anyio

from asyncbatch._api import API
from asyncbatch._errors import LogsUnavailable, ResourceNotFound
from asyncbatch._models import Container, JobDescription
from asyncbatch._policy import PollPolicy
from asyncbatch._results import LogEvent
from asyncbatch._status import JobStatus

DEFAULT_GROUP = "/aws/batch/job"
_CLOUDWATCH = "awslogs"
# Signed requests are refused when the clocks differ by more, so what ended before that is over.
_CLOCK_TOLERANCE = 300.0
_PAGE_LIMIT = 10_000


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

    def ask_soon(self) -> None:
        """Have the job described soon."""
        ...

    async def next_change(self, within: float) -> None:
        """Wait until something changed about the job, at most some seconds."""
        ...


@dataclass(slots=True)
class _Stream:
    """One log stream, and how far it was read."""

    job_id: str
    attempt: int
    group: str
    name: str
    region: str | None
    token: str | None = None
    since: datetime | None = None


class LogReader:
    """Reads the logs of jobs."""

    def __init__(self, api: API, policy: PollPolicy) -> None:
        """Read through `api`, at the intervals of `policy`."""
        self._api = api
        self._policy = policy

    async def follow(
        self, job: LogSource, since: datetime | None = None
    ) -> AsyncIterator[LogEvent]:
        """Yield the events of all attempts as they come, until the job's log has ended.

        Args:
            job: Whose log.
            since: Leave out what was written before.

        Raises:
            LogsUnavailable: The logs are not in CloudWatch Logs.
        """
        number = 1
        streams: list[_Stream] = []
        drained_at = _ended_long_ago(job.description)
        while True:
            description = job.description
            is_over = description is not None and _is_over(description, number)
            if description is not None:
                _add_new_streams(streams, _streams(description, number, since))
            for stream in streams:
                async for event in self._read_to_end(stream):
                    yield event
            if description is None or not is_over:
                if not streams and description and description.status is JobStatus.RUNNING:
                    job.ask_soon()  # a list told the state, but lists do not tell the stream
                await job.next_change(self._policy.log_interval)
                continue
            now = anyio.current_time()
            drained_at = now + self._policy.log_drain if drained_at is None else drained_at
            if now < drained_at:
                wait = min(drained_at - now, self._policy.log_interval)
                await anyio.sleep(wait)  # noqa: TID251 - late lines
            elif description.status.is_terminal and number == _latest(description):
                return
            else:
                number, streams, drained_at = number + 1, [], _ended_long_ago(description)

    async def read(
        self, description: JobDescription, since: datetime | None = None
    ) -> AsyncIterator[LogEvent]:
        """Yield what is there now of all attempts, from a moment on.

        Raises:
            LogsUnavailable: The logs are not in CloudWatch Logs.
        """
        for number in range(1, _latest(description) + 1):
            for stream in _streams(description, number, since):
                async for event in self._read_to_end(stream):
                    yield event

    async def tail(
        self, description: JobDescription, lines: int, since: datetime | None = None
    ) -> list[LogEvent]:
        """Return the last events of the latest attempt that has a log, read from the end.

        Raises:
            LogsUnavailable: The logs are not in CloudWatch Logs.
        """
        for number in range(_latest(description), 0, -1):
            events: list[LogEvent] = []
            for stream in _streams(description, number, since):
                events += await self._read_from_end(stream, lines)
            if events:
                return sorted(events, key=lambda event: event.timestamp)[-lines:]
        return []

    async def _read_to_end(self, stream: _Stream) -> AsyncIterator[LogEvent]:
        """Yield what was not read yet; a stream that does not exist yet has nothing."""
        while True:
            arguments: dict[str, Any] = {"startFromHead": True, "limit": _PAGE_LIMIT}
            if stream.token is not None:
                arguments["nextToken"] = stream.token
            try:
                page = await self._get(stream, arguments)
            except ResourceNotFound:
                return
            reached_end = page["nextForwardToken"] == stream.token
            stream.token = page["nextForwardToken"]
            for event in page["events"]:
                yield _log_event(stream, event)
            if reached_end:
                return

    async def _read_from_end(self, stream: _Stream, lines: int) -> list[LogEvent]:
        """Return the last events of one stream, reading pages backwards."""
        found: list[LogEvent] = []
        arguments: dict[str, Any] = {"startFromHead": False, "limit": min(lines, _PAGE_LIMIT)}
        while len(found) < lines:
            try:
                page = await self._get(stream, arguments)
            except ResourceNotFound:
                return []
            found = [_log_event(stream, event) for event in page["events"]] + found
            if page["nextBackwardToken"] == arguments.get("nextToken"):
                break
            arguments["nextToken"] = page["nextBackwardToken"]
        return found[-lines:]

    async def _get(self, stream: _Stream, arguments: dict[str, Any]) -> dict[str, Any]:
        if stream.since is not None:
            arguments = {**arguments, "startTime": math.ceil(stream.since.timestamp() * 1000)}
        return await self._api.get_log_events(
            stream.group, stream.name, region=stream.region, **arguments
        )


def _ended_long_ago(description: JobDescription | None) -> float | None:
    """Return a time that is past already if no late lines can come; else None.

    Only a job that had ended before anybody looked is told by the clock: while a job is followed,
    its end is noticed, and late lines are waited for from then on.
    """
    if description is None or not description.status.is_terminal or not description.stopped_at:
        return None
    age = time.time() - description.stopped_at.timestamp()
    return -math.inf if age > _CLOCK_TOLERANCE else None


def _is_over(description: JobDescription, number: int) -> bool:
    return description.status.is_terminal or number <= len(description.attempts)


def _latest(description: JobDescription) -> int:
    """Return the number of the attempt that ran last, or that is next to run."""
    finished = len(description.attempts)
    return max(1, finished) if description.status.is_terminal else finished + 1


def _add_new_streams(streams: list[_Stream], found: Sequence[_Stream]) -> None:
    known = {stream.name for stream in streams}
    streams.extend(stream for stream in found if stream.name not in known)


def _streams(
    description: JobDescription, number: int, since: datetime | None = None
) -> list[_Stream]:
    """Return the streams of an attempt that are known by now."""
    if description.pod is not None:
        raise LogsUnavailable(
            description.job_id,
            f"EKS jobs log in their cluster; look for pod {description.pod.name or '(none yet)'} "
            "in the cluster's own log group (Container Insights, Fluent Bit)",
        )
    _require_cloudwatch(description)
    return [
        _stream(description, number, place, container, since)
        for place, container in enumerate(_containers(description, number))
        if container.log_stream_name
    ]


def _require_cloudwatch(description: JobDescription) -> None:
    """Raise unless a container logs to CloudWatch, as those without a configuration do."""
    drivers = [container.log_driver or _CLOUDWATCH for container in description.containers]
    if drivers and _CLOUDWATCH not in drivers:
        where = ", ".join(sorted(set(drivers)))
        raise LogsUnavailable(
            description.job_id, f"its log driver is {where}: look where that sends them"
        )


def _containers(description: JobDescription, number: int) -> tuple[Container, ...]:
    """Return the containers of an attempt; of the latest one, the job itself may know more."""
    if number <= len(description.attempts):
        attempt = description.attempts[number - 1]
        if attempt.log_stream_names or number < _latest(description):
            return attempt.containers
    # After a retry, the job names the stream of the attempt before until the next one runs.
    written = {name for attempt in description.attempts for name in attempt.log_stream_names}
    return tuple(c for c in description.containers if c.log_stream_name not in written)


def _stream(
    description: JobDescription,
    number: int,
    place: int,
    container: Container,
    since: datetime | None,
) -> _Stream:
    # An attempt's container names no log configuration: the job's own container of that place does.
    configured = description.containers[place] if place < len(description.containers) else container
    return _Stream(
        job_id=description.job_id,
        attempt=number,
        group=configured.log_options.get("awslogs-group", DEFAULT_GROUP),
        name=container.log_stream_name or "",
        region=configured.log_options.get("awslogs-region"),
        since=since,
    )


def _log_event(stream: _Stream, event: dict[str, Any]) -> LogEvent:
    ingested = event.get("ingestionTime")
    return LogEvent(
        timestamp=datetime.fromtimestamp(event["timestamp"] / 1000, UTC),
        message=event["message"],
        job_id=stream.job_id,
        attempt=stream.attempt,
        stream=stream.name,
        ingestion_time=None if ingested is None else datetime.fromtimestamp(ingested / 1000, UTC),
    )
