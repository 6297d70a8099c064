"""`Job`: the handle of a job.

A handle has no state of its own but a session and the session's record of the job. It does no I/O
in properties. Awaiting it only waits: the session's poller follows the job. Cancelling the awaiting
task never affects the job.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Unpack

from asyncbatch._jobs.parts import (
    LISTED_FOR_MESSAGE,
    failure_of_first,
    main_node_first,
    notes_on_submissions,
    summary_of,
    with_nodes,
)
from asyncbatch._logs.failure_log import FailureLog, seconds_until_complete
from asyncbatch._values import checks as check
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError, InvalidRequest, JobFailed, JobNotStarted
from asyncbatch._values.failures import wait_reason_of
from asyncbatch._values.part_ids import is_part
from asyncbatch._values.requests import JobFields, JobRequest
from asyncbatch._values.results import Failure, FailureKind, JobResult, JobSubmission, LogEvent
from asyncbatch._values.showing import Card, Shown, duration_text, repr_of, short_name
from asyncbatch._values.status import JobStatus

if TYPE_CHECKING:  # loaded when a client opens
    from asyncbatch._session.records import JobRecord
    from asyncbatch._session.session import Session

logger = logging.getLogger("asyncbatch")


class Job(Shown):
    """A job in AWS Batch, made by `AsyncBatchClient`; await it for its result.

    There is one handle for each job in use: the same object wherever the client returns it.

    Example:
        ```python
        job = await batch.submit("etl")
        result = await job  # a JobResult; raises JobFailed, JobVanished
        ```
    """

    __slots__ = ("__weakref__", "_failure_log", "_first_record", "_session")

    def __init__(self, session: "Session", record: "JobRecord") -> None:
        """Made by the client: `submit`, `job`, `attach`, `find`."""
        self._session = session
        self._first_record = record
        self._failure_log: FailureLog | None = None

    def __repr__(self) -> str:
        """Show name, id and state."""
        return repr_of(f"Job {short_name(self.name) or '?'} {self.id} {self.status}")

    def _card(self) -> Card:
        job, waits = self.description, self.wait_reason
        result, number = self._result, len(self.submissions)
        failure = result.failure if result else None
        return Card(
            title=f"{self.name or '?'} {self.id}",
            status=self.status,
            facts=[
                ("failure", failure),
                ("waits", waits),
                ("exit code", result.exit_code if result else None),
                ("run time", duration_text(result.duration if result else None)),
                ("submissions", number if number > 1 else None),
                ("queue", (job.queue or "").rpartition("/")[2] if job else None),
                *self._more_facts(),
            ],
            link=self.console_url,
        )

    def _more_facts(self) -> Iterable[tuple[str, object]]:
        """Return what only jobs of a subclass have."""
        return ()

    @property
    def _record(self) -> "JobRecord":
        """The session's record of the job: of the last submission, if there were several."""
        return self._first_record.latest

    @property
    def id(self) -> str:
        """Job id; that of the last submission, if the job was submitted again."""
        return self._record.id

    @property
    def name(self) -> str:
        """Job name; empty for an attached job that was not seen yet."""
        return self._record.name

    @property
    def description(self) -> JobDescription | None:
        """The job as AWS last described it; None until it has been seen."""
        return self._record.description

    @property
    def status(self) -> JobStatus:
        """State when last seen; SUBMITTED until then."""
        description = self._record.description
        return description.status if description else JobStatus.SUBMITTED

    @property
    def is_finished(self) -> bool:
        """Whether the job's end is known: it SUCCEEDED, FAILED or vanished.

        A job that FAILED and is submitted again, as its `RecoveryPolicy` decides, has not ended.
        """
        return self._record.is_settled

    @property
    def submissions(self) -> tuple[JobSubmission, ...]:
        """All submissions of a job with a `RecoveryPolicy`, the first one first; else empty."""
        logical = self._record.logical
        return () if logical is None else tuple(logical.submissions)

    @property
    def wait_reason(self) -> Failure | None:
        """Why the job waits, classified; None where AWS gives no reason, or it does not wait.

        AWS names a reason some minutes after a RUNNABLE job was blocked: no capacity, or a
        misconfiguration, such as more vCPUs than any compute environment of the queue has. The
        reason comes with the calls that follow the job; `JobBlocked` reports it as an event. Of an
        array job, AWS gives it with the children, not with the parent.

        Source: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html
        """
        description = self._record.description
        return None if description is None else wait_reason_of(description)

    @property
    def console_url(self) -> str | None:
        """Page of the job in the AWS console; None for endpoints that are not AWS's."""
        return self._session.connection.console_url(self._record.id)

    def __await__(self) -> Generator[Any, None, JobResult]:
        """Wait for the end; see `result`."""
        return self.result().__await__()

    async def result(self, *, check: bool = True) -> JobResult:
        """Wait until the job has ended and return its result.

        Args:
            check: Whether a job that FAILED raises; False returns its result as well.

        Raises:
            JobFailed: The job FAILED; the error has the reason and the last log lines.
            JobVanished: AWS no longer knows the job.
            SubmitUncertain: It FAILED, and it is not known whether it was submitted again.
            ClientClosed: The client was closed before the end was known.
            APIError: AWS refuses to describe the job; the job itself continues.
        """
        while (result := self._result) is None:
            await self._record.wait_for_change()
        if check and not result.succeeded:
            raise await self._failure(result)
        return result

    async def wait(self, until: JobStatus | None = None) -> JobDescription:
        """Wait until the job has reached a state, or has ended, whichever is first.

        Args:
            until: State to reach, such as RUNNING; None waits for the end.

        Returns:
            The job's description at that moment. A job that ends before it reaches the state, for
            example because it failed, raises nothing: check the description's status.

        Raises:
            JobVanished: AWS no longer knows the job.
            ClientClosed: The client was closed before.
            APIError: AWS refuses to describe the job; the job itself continues.
        """
        goal = None if until is None else check.status("until", until)
        while True:
            record = self._record
            description = record.description
            if description is not None and (
                self._result is not None
                or (goal is not None and record.result is None and description.status.reaches(goal))
            ):
                return description
            await record.wait_for_change(details=True)

    async def changes(self) -> AsyncIterator[JobDescription]:
        """Yield the job's descriptions: the current one first, then each change, until its end.

        The first one comes when the job is described for the first time. What AWS does between two
        polls is seen as one change. Where a queue is listed to follow very many jobs, a change of
        state may come without the details that only DescribeJobs has: its log stream, for example.

        Raises:
            JobVanished: AWS no longer knows the job.
            ClientClosed: The client was closed before the job's end was known.
            APIError: AWS refuses to describe the job; the job itself continues.

        Example:
            ```python
            job = await batch.submit("etl")
            async for description in job.changes():
                print(description.status)
            ```
        """
        with self._record.subscribed() as descriptions:
            while True:
                # The last description is in the queue as well, so it is yielded before the end.
                while descriptions:
                    yield descriptions.popleft()
                if self._result is not None:
                    return
                await self._record.wait_for_change()

    async def logs(
        self,
        *,
        follow: bool = True,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
    ) -> AsyncIterator[LogEvent]:
        """Yield the lines of the job's log as they come, of all attempts in order.

        Iterating may begin before the job runs. It stops by itself some seconds after the job has
        ended, once no more late lines arrive. Array jobs and multi-node jobs yield the lines of all
        children and nodes, in order for each of them; `LogEvent.label` names the one that wrote a
        line. If the job is submitted again, the log of the next submission follows.

        Args:
            follow: Wait for more until the job has ended and its log is complete; False yields the
                lines that exist now and stops.
            tail: Begin with only the last `tail` lines of the latest attempt, of the last
                submission; with that many of each stream, if it has several.
            since: Leave out earlier lines: an aware datetime, or a timedelta back from now.

        Raises:
            LogsUnavailable: The logs are not in CloudWatch Logs, or their group does not exist.
            InvalidRequest: `tail` is not positive, or `since` is neither a datetime nor a
                timedelta.
            ClientClosed: The client is not open, or was closed meanwhile.
            JobVanished: AWS no longer knows the job.
            APIError: AWS refuses access to the logs.
        """
        self._session.require_open()
        record = self._log_record(tail)
        events = self._session.logs.events([record], follow=follow, tail=tail, since=since)
        async for event in events:
            yield event

    async def terminate(self, reason: str = "terminated by asyncbatch") -> None:
        """Terminate the job: it is stopped if it runs, and never starts if it does not.

        Returns when AWS has accepted the request; the job is FAILED some seconds later. A job that
        has ended already stays as it is.

        Args:
            reason: Shown as the job's status reason; at most 1,024 characters.

        Raises:
            InvalidRequest: The reason is empty or too long.
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        self._session.require_open()
        check.reason(reason)
        for error in (await self._session.terminate([self._record.id], reason)).values():
            raise error

    async def cancel(self, reason: str = "cancelled by asyncbatch") -> None:
        """Cancel the job: it ends if it has not started, and continues if it has.

        Returns when AWS has accepted the request, which says nothing about the job: await the job,
        or look at its status. A RUNNABLE job is FAILED some seconds later, with
        `JobDescription.is_cancelled`. A PENDING job is cancelled when the jobs that it depends on
        have ended. Of an array job, the children that have not started are cancelled. Whether it
        has started or not, the job is not submitted again. `terminate` ends jobs that run as well.

        Args:
            reason: Shown as the job's status reason; at most 1,024 characters.

        Raises:
            InvalidRequest: The reason is empty or too long.
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        self._session.require_open()
        check.reason(reason)
        for error in (await self._session.cancel([self._record.id], reason)).values():
            raise error

    def clone(self, **changes: Unpack[JobFields]) -> JobRequest:
        """Return a request for the same job again, with changed fields; nothing is sent.

        See `JobRequest.from_description` for what it contains.

        Args:
            **changes: Fields of `JobRequest` that replace the job's own.

        Raises:
            InvalidRequest: A value breaks a rule, or the job has not been described yet, or no
                request can be made from its description.

        Example:
            ```python
            job = await batch.submit("etl")
            await job
            again = await batch.submit(job.clone(memory_mib=4096))
            ```
        """
        description = self.description
        if description is None or description.is_summary:
            rule = (
                "the job has not been described yet. Await it, or describe it with"
                " `await batch.attach([job_id])`."
            )
            raise InvalidRequest("job", self.id, rule)
        return JobRequest.from_description(description).replace(**changes)

    def _log_record(self, tail: int | None) -> "JobRecord":
        """Return the record whose log comes first; the logs of further submissions follow it."""
        return self._first_record if tail is None else self._record

    @property
    def _result(self) -> JobResult | None:
        """The result of the last submission, if it is known that no other one follows."""
        record = self._record
        return record.result if record.is_settled and record.lost is None else None

    async def _failure(self, result: JobResult) -> JobFailed:
        """Return the error for a failed job, with the last lines of its log if there are any."""
        node = result.description.node
        if node is not None and node.count is not None and node.index is None:
            return await self._failure_of_nodes(result, node.count)
        lines = self._session.settings.logs.failure_lines
        self._failure_log = log = self._failure_log or FailureLog()
        if lines and result.description.attempts:
            # CloudWatch Logs shows the last lines some seconds late; other endpoints at once.
            last = result.description.stopped_at if self.console_url else None
            await log.read_once(
                lambda: self._last_lines(result.description, lines),
                wait=seconds_until_complete(last),
            )
        is_unstarted = result.failure and result.failure.kind is FailureKind.NOT_STARTED
        failed = (JobNotStarted if is_unstarted else JobFailed)(result, log.events)
        if log.problem is not None:
            failed.add_note(f"The log could not be read: {log.problem}")
        if self.console_url:
            failed.add_note(f"Console: {self.console_url}")
        for note in notes_on_submissions(self.submissions, self._record.note):
            failed.add_note(note)
        return failed

    async def _last_lines(self, description: JobDescription, lines: int) -> list[LogEvent]:
        """Return the last lines of the attempt that failed: the last one."""
        self._session.require_open()
        last = description.attempts[-1].number
        return await self._session.logs.tail(description, last, lines)

    # -- jobs with parts --------------------------------------------------------------------------

    async def _failure_of_nodes(self, result: JobResult, size: int) -> JobFailed:
        """Return the error of a multi-node job: which nodes failed, and why the main one did."""
        listing = self._session.api.list_jobs(multi_node_job_id=self.id, status=JobStatus.FAILED)

        async def list_failed() -> list[JobDescription]:
            return sorted(await self._take(listing, LISTED_FOR_MESSAGE), key=main_node_first)

        def explained(listed: Sequence[JobDescription], first: JobFailed | None) -> JobResult:
            names = ("node", "nodes")
            message = summary_of(listed, first, known=len(listed), size=size, names=names)
            return with_nodes(result, message, failure_of_first(listed, first))

        return await self._failure_of_parts("nodes", list_failed, self._node, explained)

    async def _failure_of_parts(
        self,
        names: str,
        list_failed: Callable[[], Awaitable[list[JobDescription]]],
        part_of: "Callable[[JobDescription], Job]",
        explained: Callable[[Sequence[JobDescription], JobFailed | None], JobResult],
    ) -> JobFailed:
        """Return the error of a job with parts, with the log of the first one that failed.

        Any problem on the way becomes a note: it must not hide that the job failed.
        """
        notes: list[str] = []
        listed: list[JobDescription] = []
        first: JobFailed | None = None
        try:
            self._session.require_open()
            listed = await list_failed()
            if listed and self._session.settings.logs.failure_lines:
                first = await self._part_failure(part_of(listed[0]))
        except AsyncBatchError as error:
            notes.append(f"The failed {names} could not be read completely: {error}")
        failed = JobFailed(explained(listed, first), first.log_tail if first else ())
        notes += getattr(first, "__notes__", ())
        notes += notes_on_submissions((), self._record.note)
        if self.console_url and not first:
            notes.append(f"Console: {self.console_url}")
        for note in notes:
            failed.add_note(note)
        return failed

    async def _part_failure(self, part: "Job") -> JobFailed | None:
        """Return the error of a failed child or node, with the last lines of its log."""
        if not part.is_finished:
            for description in await self._session.api.describe_jobs([part.id]):
                self._session.records.described(description)
        try:
            if part.is_finished:
                await part.result()
        except JobFailed as error:
            return error
        return None

    def _node(self, summary: JobDescription) -> "Job":
        record = self._session.records.record(summary.job_id)
        node = record.handle() if record.handle else None
        return node or Job(self._session, record)

    async def _take(
        self, listing: AsyncIterator[JobDescription], at_most: float
    ) -> list[JobDescription]:
        """Return the first parts of this job that are listed."""
        found: list[JobDescription] = []
        async for summary in listing:
            if not is_part(summary.job_id, self.id):
                logger.warning(
                    "ListJobs returned %s, which is no part of job %s", summary.job_id, self.id
                )
                continue
            found.append(summary)
            if len(found) >= at_most:
                break
        return found
