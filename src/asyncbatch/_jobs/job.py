"""Handles: what a caller holds of a job.

A handle has the latest snapshot and does no I/O in properties. It is followed by the client's
poller from the moment it exists; awaiting it only waits. Cancelling whoever awaits never touches
the job.
"""

import dataclasses
import math
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from datetime import datetime, timedelta
from typing import Any

import anyio

from asyncbatch._jobs.services import Services
from asyncbatch._logs.failure_log import FailureLog, seconds_until_complete
from asyncbatch._polling.changes import differs, is_news
from asyncbatch._values import checks as check
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError, JobFailed, JobVanished
from asyncbatch._values.events import JobFinished, JobLost, StatusChanged
from asyncbatch._values.failures import result_of
from asyncbatch._values.results import JobResult, LogEvent
from asyncbatch._values.status import JobStatus


class _Change:
    """The next change of a job: an event to wait for, and the error if it was one."""

    __slots__ = ("error", "happened")

    def __init__(self) -> None:
        self.happened = anyio.Event()
        self.error: AsyncBatchError | None = None


class Job:
    """A job in AWS Batch.

    Await it for its result::

        result = await job  # JobResult; raises JobFailed, JobVanished
    """

    __slots__ = (
        "__weakref__",
        "_change",
        "_description",
        "_details_wanted",
        "_failure_log",
        "_id",
        "_listeners",
        "_name",
        "_result",
        "_services",
        "_vanished",
        "_waiters",
    )

    def __init__(self, services: Services, job_id: str, name: str = "") -> None:
        """Made by the client: `submit`, `attach`, `find`."""
        self._services = services
        self._id = job_id
        self._name = name
        self._description: JobDescription | None = None
        self._result: JobResult | None = None
        self._failure_log: FailureLog | None = None
        self._vanished: JobVanished | None = None
        self._change: _Change | None = None
        self._listeners: list[Listener] = []
        self._waiters = 0
        self._details_wanted = 0

    def __repr__(self) -> str:
        """Show name, id and state."""
        return f"<Job {self.name or '?'} {self.id} {self.status}>"

    @property
    def id(self) -> str:
        """Job id."""
        return self._id

    @property
    def name(self) -> str:
        """Job name; empty for an attached job that was not seen yet."""
        return self._description.name if self._description else self._name

    @property
    def description(self) -> JobDescription | None:
        """The job as AWS last described it; None until it was seen."""
        return self._description

    @property
    def status(self) -> JobStatus:
        """State when last seen; SUBMITTED until then."""
        return self._description.status if self._description else JobStatus.SUBMITTED

    @property
    def is_finished(self) -> bool:
        """Whether the job's end is known: it SUCCEEDED, FAILED, or vanished."""
        return self._result is not None or self._vanished is not None

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for the job right now."""
        return self._waiters > 0 or bool(self._listeners)

    @property
    def wants_details(self) -> bool:
        """Whether somebody waits for more than a state: log streams, attempts, containers."""
        return self._details_wanted > 0

    @property
    def console_url(self) -> str | None:
        """Page of the job in the AWS console; None for endpoints that are not AWS's."""
        return self._services.console_url(self._id)

    def __await__(self) -> Generator[Any, None, JobResult]:
        """Wait for the end; see `result`."""
        return self.result().__await__()

    async def result(self, *, check: bool = True) -> JobResult:
        """Wait until the job has ended and return how.

        Args:
            check: Whether a job that FAILED raises; False returns its result as well.

        Raises:
            JobFailed: The job FAILED; the error carries the reason and the last log lines.
            JobVanished: AWS does not answer for the job any more.
            ClientClosed: The client was closed before the end was known.
            APIError: AWS does not let us ask; the job itself goes on.
        """
        while self._result is None:
            if self._vanished is not None:
                raise self._vanished
            await self._wait_for_change()
        if check and not self._result.succeeded:
            raise await self._failure(self._result)
        return self._result

    async def wait(self, until: JobStatus | None = None) -> JobDescription:
        """Wait until the job has come as far as a state, or has ended, whichever is first.

        Args:
            until: State to reach, such as RUNNING; None waits for the end.

        Returns:
            The job then. A job that failed earlier is returned as it is: look at its status.

        Raises:
            JobVanished: AWS does not answer for the job any more.
            ClientClosed: The client was closed before.
            APIError: AWS does not let us ask; the job itself goes on.
        """
        goal = None if until is None else check.status("until", until)
        while True:
            description = self._description
            if description is not None and (
                self._result is not None or (goal is not None and description.status.reaches(goal))
            ):
                return description
            if self._vanished is not None:
                raise self._vanished
            await self._wait_for_change(details=True)

    async def logs(
        self,
        *,
        follow: bool = True,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
    ) -> AsyncIterator[LogEvent]:
        """Yield the lines of the job's log as they come, of all attempts in their order.

        It may begin before the job runs, and ends by itself: some seconds after the job's end, when
        no late lines come any more. Array jobs and multi-node jobs give the lines of all children
        and nodes, each one's in order; `LogEvent.label` tells which wrote it.

        Args:
            follow: Wait for more until the job has ended and its log is dry; False yields what is
                there now and stops.
            tail: Begin with only this many last lines of the latest attempt, read from the end; of
                each stream, where there are several.
            since: Leave out lines from before: an aware datetime, or how long ago.

        Raises:
            LogsUnavailable: The logs are not in CloudWatch Logs, or their group does not exist.
            InvalidRequest: `tail` is not positive, or `since` is neither of both.
            ClientClosed: The client is not open, or was closed meanwhile.
            JobVanished: AWS does not answer for the job any more.
            APIError: AWS does not let us read the logs.
        """
        self._services.require_open()
        async for event in self._services.logs.events(
            [self], follow=follow, tail=tail, since=since
        ):
            yield event

    def log_parts(self) -> "Sequence[Job]":
        """Return the jobs whose logs make up this one's: the nodes of a multi-node job."""
        node = self._description.node if self._description else None
        if node is None or node.count is None or node.index is not None:
            return ()
        return [self._services.handle(f"{self._id}#{index}") for index in range(node.count)]

    async def terminate(self, reason: str = "terminated by asyncbatch") -> None:
        """Terminate the job: it is stopped if it runs, and never starts if it does not.

        Returns when AWS has taken the order; the job is FAILED some seconds later. A job that has
        ended already stays as it is.

        Args:
            reason: Shown as the job's status reason; at most 1,024 characters.

        Raises:
            InvalidRequest: The reason is empty or too long.
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        self._services.require_open()
        check.reason(reason)
        await self._services.terminate([self._id], reason)

    def ask_soon(self) -> None:
        """Have the job described soon, because something was done to it, or more is wanted."""
        self._services.poller.hurry(self._id)

    async def next_change(self, within: float, *, details: bool = True) -> None:
        """Wait until something changed about the job, at most `within` seconds.

        Args:
            within: Seconds.
            details: Whether more is of interest than the state, which lists tell of very many jobs.

        Raises:
            ClientClosed: The client is not open, or was closed meanwhile.
            JobVanished: AWS does not answer for the job any more.
            APIError: AWS does not let us ask.
        """
        if self._vanished is not None:
            raise self._vanished
        if math.isinf(within):
            await self._wait_for_change(details=details)
            return
        with anyio.move_on_after(within):
            await self._wait_for_change(details=details)

    # -- called by the client and its poller ------------------------------------------------------

    def update(self, description: JobDescription) -> bool:
        """Take a newer description; return whether it tells anything new."""
        previous = self._description
        if self._result is not None or (previous and not differs(previous, description)):
            return False
        self._description = description
        if previous is None or is_news(previous, description):
            self._services.notify(
                StatusChanged(
                    job_id=self._id,
                    previous=previous.status if previous else None,
                    description=description,
                )
            )
        if description.status.is_terminal and not description.is_summary:
            self._result = result_of(description)
            self._services.notify(JobFinished(job_id=self._id, result=self._result))
            self._settle(None)
        self._announce(None)
        return True

    def glimpse(self, summary: JobDescription) -> bool:
        """Take what ListJobs told of the job while it is live: its state, but no containers."""
        known = self._description
        if known is None:
            return self.update(summary)
        if known.status.is_terminal:
            return False
        return self.update(
            dataclasses.replace(
                known,
                status=summary.status,
                status_reason=summary.status_reason,
                started_at=summary.started_at,
                array=summary.array,
            )
        )

    def fail(self, error: AsyncBatchError) -> None:
        """Take the reason why nothing more will be heard, for now or for ever."""
        if isinstance(error, JobVanished):
            self._vanished = error
            self._services.notify(JobLost(job_id=self._id))
        self._settle(error)
        self._announce(error)

    def on_settled(self, listener: "Listener") -> Callable[[], None]:
        """Follow the job, and call back once: when its end is known, or why it never will be.

        Args:
            listener: Called with the job, and with the error if that is what settled it; at once if
                the end is known already.

        Returns:
            A function that withdraws the listener.
        """
        if self.is_finished:
            listener(self, self._vanished)
        else:
            self._services.require_open()
            self._listeners.append(listener)
            self._services.poller.follow(self)
            self._services.poller.set_awaited(self)

        def withdraw() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)
                self._services.poller.set_awaited(self)

        return withdraw

    def begin_waiting(self) -> None:
        """Count one more who waits for the job, which is followed then."""
        self._waiters += 1
        if not self.is_finished:
            self._services.poller.follow(self)
            self._services.poller.set_awaited(self)

    def end_waiting(self) -> None:
        """Count one less."""
        self._waiters -= 1
        self._services.poller.set_awaited(self)

    # ---------------------------------------------------------------------------------------------

    async def _wait_for_change(self, *, details: bool = False) -> None:
        self._services.require_open()
        change = self._change = self._change or _Change()
        self._details_wanted += details
        self.begin_waiting()
        try:
            await change.happened.wait()
        finally:
            self._details_wanted -= details
            self.end_waiting()
        if change.error is not None:
            raise change.error

    def _announce(self, error: AsyncBatchError | None) -> None:
        change, self._change = self._change, None
        if change is not None:
            change.error = error
            change.happened.set()

    def _settle(self, error: AsyncBatchError | None) -> None:
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener(self, error)

    async def _failure(self, result: JobResult) -> JobFailed:
        """Return the error for a failed job, with the last lines of its log if there are any."""
        lines = self._services.log_policy.failure_lines
        self._failure_log = log = self._failure_log or FailureLog()
        if lines and result.description.attempts:
            # Other endpoints than AWS's show the last lines at once.
            last = result.description.stopped_at if self.console_url else None
            await log.read_once(
                lambda: self._last_lines(result.description, lines),
                wait=seconds_until_complete(last),
            )
        failed = JobFailed(result, log.events)
        if log.problem is not None:
            failed.add_note(f"The log could not be read: {log.problem}")
        if self.console_url:
            failed.add_note(f"Console: {self.console_url}")
        return failed

    async def _last_lines(self, description: JobDescription, lines: int) -> list[LogEvent]:
        """Return the last lines of the attempt that failed: the last one."""
        self._services.require_open()
        last = description.attempts[-1].number
        return await self._services.logs.tail(description, last, lines)


Listener = Callable[[Job, AsyncBatchError | None], None]
