"""`LogReader`: one hub for each log group, one follower for each job."""

import dataclasses
import math
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import anyio

from asyncbatch._aws.api import API
from asyncbatch._logs.cursor import Cursor, log_events
from asyncbatch._logs.failing import internal_error
from asyncbatch._logs.feed import Feed
from asyncbatch._logs.follower import Follower, LogOptions, LogSource
from asyncbatch._logs.hub import Hub
from asyncbatch._logs.streams import Stream, streams_of
from asyncbatch._values import checks as check
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError, ClientClosed, ResourceNotFound
from asyncbatch._values.part_ids import child_index
from asyncbatch._values.policies import LogPolicy
from asyncbatch._values.results import LogEvent

Places = dict[str, dict[str, Any]]
"""By job id, what events of second and further submissions have besides: fields of `LogEvent`."""


class LogReader:
    """Reads the logs of jobs for all consumers of a client."""

    def __init__(self, api: API, policy: LogPolicy, start_soon: Callable[..., object]) -> None:
        """Read nothing yet.

        Args:
            api: The calls.
            policy: How logs are read.
            start_soon: Starts a task in the client's task group.
        """
        self._api = api
        self._policy = policy
        self._start_soon = start_soon
        self._hubs: dict[tuple[str | None, str], Hub] = {}

    async def events(
        self,
        jobs: Sequence[LogSource],
        *,
        follow: bool,
        tail: int | None,
        since: datetime | timedelta | None,
    ) -> AsyncIterator[LogEvent]:
        """Yield the events of jobs, those of each stream in order.

        Args:
            jobs: The jobs.
            follow: Whether to wait for lines to come.
            tail: Number of last lines of each stream to begin with; None begins at the head.
            since: Time of the first lines that are wanted, or how long ago; None wants all.

        Raises:
            InvalidRequest: `tail` is not positive, or `since` is neither an aware datetime nor a
                timedelta.
            LogsUnavailable: The logs of a job are not in CloudWatch Logs. This and the following
                errors concern one job and are raised after the events of all others.
            APIError: The logs of a job cannot be read.
            JobVanished: AWS no longer knows a job.
            ClientClosed: The client was closed meanwhile.
        """
        if tail is not None:
            check.integer("tail", tail, 1)
        check.flag("follow", follow)
        first = None if since is None else check.moment("since", since)
        options = LogOptions(follow=follow, tail=tail, since=first)
        if not follow or tail is not None:
            await self._describe(jobs)
        feed = Feed()
        # The followers run in the client's task group, not in the consumer's task: a generator
        # that is not exhausted must not leave a cancel scope open in a task of the user.
        scope = anyio.CancelScope()
        places: Places = {}
        self._start_soon(self._follow_all, list(jobs), options, feed, scope, places)
        try:
            async for event in feed.events():
                place = places.get(event.job_id)
                yield event if place is None else dataclasses.replace(event, **place)
        finally:
            scope.cancel()

    async def tail(self, description: JobDescription, number: int, lines: int) -> list[LogEvent]:
        """Return the last events of one attempt, read from the end.

        Args:
            description: The job.
            number: Number of the attempt.
            lines: Maximum number of events.

        Raises:
            LogsUnavailable: The logs are not in CloudWatch Logs.
            APIError: They cannot be read.
            InternalError: A bug in this package.
        """
        try:
            return await self._tail(description, number, lines)
        except AsyncBatchError:
            raise
        except Exception as error:
            # Callers that read the log of a failed job must not lose the reason of its failure.
            raise internal_error(description.job_id, error) from error

    async def _tail(self, description: JobDescription, number: int, lines: int) -> list[LogEvent]:
        events: list[LogEvent] = []
        for stream in streams_of(description, number):
            try:
                pages = self._hub(stream).pages
                end = await pages.end_of_stream(stream, lines, is_followed=False)
            except ResourceNotFound:
                continue
            events += log_events(stream, end.events)
        return sorted(events, key=lambda event: event.timestamp)[-lines:]

    # -- used by followers ------------------------------------------------------------------------

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
        cursor = Cursor(
            stream,
            feed,
            tail=tail,
            is_followed=options.follow,
            on_fail=on_fail,
            now=anyio.current_time(),
        )
        self._hub(stream).add(cursor, self._start_soon)
        return cursor

    def close(self, cursors: Sequence[Cursor]) -> None:
        """Stop reading streams."""
        for cursor in cursors:
            self._hub(cursor.stream).remove([cursor])

    # ---------------------------------------------------------------------------------------------

    async def _follow_all(
        self,
        jobs: list[LogSource],
        options: LogOptions,
        feed: Feed,
        scope: anyio.CancelScope,
        places: Places,
    ) -> None:
        """Follow jobs until all logs have ended; runs in the client's task group."""
        try:
            with scope:
                async with anyio.create_task_group() as group:
                    for job in jobs:
                        group.start_soon(self._follow_submissions, job, None, options, feed, places)
                feed.close()
        finally:
            # Has no effect after the close above, and is not seen by a consumer that left.
            feed.close(ClientClosed("the client was closed while a log was read"))

    async def _follow_submissions(
        self, job: LogSource, index: int | None, options: LogOptions, feed: Feed, places: Places
    ) -> None:
        """Follow one job, and those that are submitted for it when it fails.

        Args:
            job: The job.
            index: Its index in an array; None where its id has it, or it is no child.
            options: Which lines are wanted.
            feed: Where they go.
            places: Gets the places of second and further submissions.
        """
        number = 1
        index = child_index(job.id) if index is None else index
        submission: LogSource | None = job
        while submission is not None:
            if not await self._follow(submission, options, feed, places):
                return
            try:
                submission = await submission.next_submission(wait=options.follow)
            except AsyncBatchError as error:
                feed.fail(error)
                return
            if submission is not None:
                number += 1
                places[submission.id] = {"submission": number, "original_index": index}

    async def _follow(
        self, job: LogSource, options: LogOptions, feed: Feed, places: Places
    ) -> bool:
        """Follow one job, or the parts of one that writes no log itself.

        Returns:
            Whether its log came to its end; an error goes to the feed.
        """
        try:
            while options.follow and job.description is None:
                await job.wait_for_change(within=math.inf, details=True)
            if parts := job.log_parts():
                await self._follow_parts(parts, options, feed, places)
            elif job.description is not None:
                follower = Follower(job, options, feed, self, drain=self._policy.drain)
                await follower.run()
        except AsyncBatchError as error:
            feed.fail(error)
        except Exception as error:  # noqa: BLE001 - this runs in the client's background task
            feed.fail(internal_error(job.id, error))
        else:
            return True
        return False

    async def _follow_parts(
        self, parts: Sequence[LogSource], options: LogOptions, feed: Feed, places: Places
    ) -> None:
        if not options.follow or options.tail is not None:
            await self._describe(parts)
        async with anyio.create_task_group() as group:
            for index, part in enumerate(parts):
                group.start_soon(self._follow_submissions, part, index, options, feed, places)

    async def _describe(self, jobs: Sequence[LogSource]) -> None:
        """Update the descriptions of live jobs, for consumers that want what is there now.

        A handle's description may be some seconds old, and name no stream of an attempt that has
        begun since.
        """
        known = {job.id: job for job in jobs if not job.is_finished}
        for description in await self._api.describe_jobs(list(known)):
            if (job := known.get(description.job_id)) is not None:
                job.update(description)

    def _hub(self, stream: Stream) -> Hub:
        key = (stream.region, stream.group)
        if key not in self._hubs:
            interval = self._policy.interval
            self._hubs[key] = Hub(self._api, stream.group, stream.region, interval=interval)
        return self._hubs[key]
