"""What recovery does for all jobs of a client: policies, submissions, journal, events.

What happens to one job is in `logical_jobs`. Everything runs in the client's task group. With a
journal, each further submission is an intent like any other, with the decision that led to it
(`resumption`). So a program that was killed continues where it was.
"""

import functools
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import anyio

from asyncbatch._aws.api import API
from asyncbatch._logs.reader import LogReader
from asyncbatch._session.records import JobRecord, JobRecords
from asyncbatch._session.repeated_warnings import RepeatedWarnings
from asyncbatch._submitting.marks import SubmissionLog
from asyncbatch._submitting.termination import Terminator
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import (
    AccessDenied,
    APIError,
    AsyncBatchError,
    ConnectionFailed,
    CredentialsExpired,
    InternalError,
    InvalidRequest,
    ServiceFault,
    Throttled,
)
from asyncbatch._values.events import JobResubmitted
from asyncbatch._values.recovery import RecoveryPolicy, Resubmission, optional_policy
from asyncbatch._values.requests import Dependency, JobRequest
from asyncbatch._values.results import FailureKind, JobResult, JobSubmission, LogEvent
from asyncbatch._values.status import JobStatus

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

logger = logging.getLogger("asyncbatch")

_MAX_FAILED = 10_000
"""Failed submissions that are remembered for jobs that depend on them, which fail soon after."""

_LIST_AGAIN = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds until the failed children of an array are listed again."""

_FAULTS = (AccessDenied, CredentialsExpired, ServiceFault, ConnectionFailed, Throttled)
"""Errors of AWS that say nothing about the request."""

Submit = Callable[[JobRequest, SubmissionLog | None], Awaitable[JobRecord]]


class SubmitFurther(Protocol):
    """Submits a job and follows it: `Session`'s own method."""

    async def __call__(
        self,
        request: JobRequest,
        log: SubmissionLog | None = None,
        *,
        ran_before: float = 0.0,
        previous_id: str | None = None,
    ) -> JobRecord:
        """Submit a job.

        Args:
            request: What to submit.
            log: Records the submission in the journal.
            ran_before: How many seconds its previous submission ran.
            previous_id: Id of the failed job that it follows, or of the array that it is a part of.
        """
        ...


class RecoveryJournal(Protocol):
    """What recovery needs of a journal: implemented by `Resumption`."""

    def note_failed(self, description: JobDescription) -> None:
        """Write the end of a job that is going to be submitted again."""
        ...

    def keep_log(self, job_id: str, events: Sequence[LogEvent]) -> None:
        """Write the last log lines of a job that is going to be submitted again."""
        ...

    async def submit_again(
        self, job_id: str, request: JobRequest, decision: Resubmission, submit: "Submit"
    ) -> JobRecord:
        """Submit the job that follows another one, as an intent if that is in the journal."""
        ...

    async def submit_part(
        self,
        array_id: str,
        request: JobRequest,
        decision: Resubmission,
        indexes: Sequence[int],
        submit: "Submit",
    ) -> JobRecord:
        """Submit a part of an array, as an intent if the array is in the journal."""
        ...

    def note_stopped(self, job_ids: Iterable[str]) -> None:
        """Write that a caller terminated or cancelled jobs or children of arrays."""
        ...

    def is_stopped(self, job_id: str) -> bool:
        """Return whether a caller, perhaps of an earlier program, terminated or cancelled it."""
        ...

    def has_parts(self, array_id: str) -> bool:
        """Return whether children of an array were submitted again."""
        ...

    async def parts(
        self, array_id: str, request: JobRequest | None, adopt: "Adopt"
    ) -> list[tuple[JobRecord, Sequence[int]]]:
        """Return the parts of an array that earlier programs submitted, with their indexes.

        Args:
            array_id: Job id of the array.
            request: The request of the array; None if it is not known.
            adopt: Called for each part before its end is known.
        """
        ...


Adopt = Callable[[JobRecord, Sequence[JobSubmission], int | None], None]
"""Takes a record, the submissions before it, and the index of the rule that decided about it."""


class Recovery:
    """Submits failed jobs of one client again."""

    def __init__(
        self,
        policy: RecoveryPolicy | None,
        *,
        api: API,
        records: JobRecords,
        logs: LogReader,
        log_lines: int,
        canceller: Terminator,
        submit: SubmitFurther,
        group: "TaskGroup",
        rng: random.Random,
    ) -> None:
        """Apply a policy to all jobs whose requests have none of their own.

        Args:
            policy: The client's policy.
            api: The calls.
            records: The records of its jobs.
            logs: Reads their logs.
            log_lines: How many last log lines of a failed job the journal keeps.
            canceller: Cancels jobs that have not started.
            submit: Submits a job and follows it.
            group: The client's task group.
            rng: Random number generator for delays.
        """
        self.journal: RecoveryJournal | None = None
        self.warnings = RepeatedWarnings()
        # Jobs that were submitted again, as others may depend on them.
        self._failed: dict[str, JobRecord] = {}
        self._count = 0
        self._api = api
        self._rng = rng
        self._policy = policy
        self.records = records
        self._logs = logs
        self._log_lines = log_lines
        self._canceller = canceller
        self._submit = submit
        self._group = group

    def policy_of(self, request: JobRequest | None) -> RecoveryPolicy | None:
        """Return the policy for a request; None if its job is not recovered."""
        own = None if request is None else request.recovery
        policy = self._policy if own is None else optional_policy(own)
        return None if policy is None or policy.is_empty else policy

    def note_stopped(self, job_ids: Iterable[str]) -> None:
        """Write into the journal, if there is one, that a caller terminated or cancelled jobs."""
        if self.journal is not None:
            self.journal.note_stopped(job_ids)

    def is_stopped(self, job_ids: Iterable[str]) -> bool:
        """Return whether a caller of an earlier program terminated or cancelled one of the jobs."""
        return self.journal is not None and any(map(self.journal.is_stopped, job_ids))

    def note_earlier(self, submissions: Iterable[JobSubmission], record: JobRecord) -> None:
        """Note that a record is the last submission of a job with earlier ones."""
        for each in submissions:
            self._note(each.job_id, record)

    def _note(self, job_id: str, record: JobRecord) -> None:
        self._failed[job_id] = record
        if len(self._failed) > _MAX_FAILED:
            del self._failed[next(iter(self._failed))]

    def depends_on_recovered(self, request: JobRequest) -> bool:
        """Return whether a request depends on a job that is submitted again if it fails."""
        ids = (each.job_id for each in request.depends_on if isinstance(each, Dependency))
        return any(self._recovered(job_id) for job_id in ids if job_id is not None)

    def dependencies_of(self, result: JobResult) -> dict[str, JobRecord]:
        """Return the recovered jobs that a job depends on, if it failed with one of them.

        By the ids that it depends on, which may be those of earlier submissions.
        """
        if result.failure is None or result.failure.kind is not FailureKind.DEPENDENCY:
            return {}
        return self.recovered(result.description.depends_on)

    def recovered(self, job_ids: Iterable[str]) -> dict[str, JobRecord]:
        """Return those jobs that are submitted again if they fail, or were already."""
        found = {job_id: self._recovered(job_id) for job_id in job_ids}
        return {job_id: record for job_id, record in found.items() if record is not None}

    def _recovered(self, job_id: str) -> JobRecord | None:
        """Return the record of a job that is submitted again if it fails, or was already."""
        record = self._failed.get(job_id) or self.records.get(job_id)
        return None if record is None or record.logical is None else record

    def decision(
        self,
        policy: RecoveryPolicy,
        record: JobRecord | None,
        result: JobResult,
        submissions: Sequence[JobSubmission],
    ) -> Resubmission | None:
        """Return what a policy decides; None, with a note in the record, if its function raises."""
        try:
            return policy.decide(result, submissions, self._rng)
        except (KeyboardInterrupt, SystemExit):
            raise
        # Of a user's function: the job's own failure is what matters, and a CancelledError is no
        # cancellation of the task that polls.
        except BaseException as error:  # noqa: BLE001 - logged; see above
            self.warnings.warn(
                "policy",
                f"recovery policy failed for job {result.job_id}, which ends FAILED: {error!r}",
                error=error,
            )
            if record is not None:
                record.note = f"It was not submitted again: its recovery policy raised {error!r}."
            return None

    def admits(self, policy: RecoveryPolicy, record: JobRecord) -> bool:
        """Count one more submission; return False, with a note, if the policy allows no more."""
        limit = policy.max_resubmissions
        if limit is not None and self._count >= limit:
            why = f"max_resubmissions={limit} was reached"
            self.warnings.warn(why, f"job {record.id} ({record.name}) not submitted again: {why}")
            record.note = f"It was not submitted again: {why}."
            return False
        self._count += 1
        return True

    def with_failure(self, error: AsyncBatchError, failed: JobResult) -> AsyncBatchError:
        """Return an error that keeps a failed job from being submitted, with a note about that."""
        next_step = (
            "Submit it yourself: see Job.clone()"
            if self.journal is None
            else "To continue, call resume(), or run the program again with the same journal"
        )
        reason = failed.failure.message if failed.failure else ""
        error.add_note(
            f"Job {failed.job_id} ({failed.name}) failed, and could not be submitted again for this"
            f" error. {next_step}. Its failure: {reason}"
        )
        return error

    def start(self, record: JobRecord, work: Callable[[], Awaitable[None]]) -> None:
        """Start work for a job; a bug in it concerns only that job."""
        self._group.start_soon(self._run, record, work)

    async def cancel(self, job_id: str, reason: str) -> None:
        """Cancel a job, unless it has started."""
        for error in (await self._canceller.terminate([job_id], reason)).values():
            self.warnings.warn(
                f"cancel {type(error)}", f"job {job_id} could not be cancelled: {error}"
            )

    async def _run(self, record: JobRecord, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:
            logger.exception("recovery of job %s failed; please report this", record.id)
            record.lose(InternalError(record.id, error))
            if record.logical is not None:
                record.logical.abandon()

    def note_failed(self, record: JobRecord, result: JobResult, number: int) -> None:
        """Log, and write into the journal, that a job failed and is submitted again."""
        self._note(record.id, record)
        assert result.failure is not None  # noqa: S101 - it FAILED
        if self.journal is not None:
            self.journal.note_failed(result.description)
        self.warnings.warn(
            result.failure.kind,
            f"job {result.job_id} ({result.name}) failed and is submitted again"
            f" (submission {number}): {result.failure.message}",
        )

    async def keep_log(self, result: JobResult) -> Sequence[LogEvent]:
        """Keep the last log lines of a failed job in the journal, if there is one; return them."""
        journal, lines = self.journal, self._log_lines
        if journal is None or not lines or not result.description.attempts:
            return ()
        attempt = result.description.attempts[-1].number
        try:
            events = await self._logs.tail(result.description, attempt, lines)
        except AsyncBatchError as error:
            logger.info("log of job %s could not be read: %s", result.job_id, error)
            return ()
        journal.keep_log(result.job_id, events)
        return events

    async def submit(
        self, failed: JobResult, request: JobRequest, decision: Resubmission
    ) -> tuple[JobRequest, JobRecord]:
        """Submit the job that follows a failed one; return what was accepted, and its record."""
        submit = functools.partial(
            self._submit, ran_before=_run_time(failed.description), previous_id=failed.job_id
        )

        async def submit_on(request: JobRequest, decision: Resubmission) -> JobRecord:
            if self.journal is None:
                return await submit(request, None)
            return await self.journal.submit_again(failed.job_id, request, decision, submit)

        return await self._on_first_open_queue(request, decision, submit_on)

    async def submit_part(
        self, array_id: str, request: JobRequest, decision: Resubmission, indexes: Sequence[int]
    ) -> tuple[JobRequest, JobRecord]:
        """Submit some children of an array again; return what was accepted, and the record."""
        submit = functools.partial(self._submit, previous_id=array_id)

        async def submit_on(request: JobRequest, decision: Resubmission) -> JobRecord:
            if self.journal is None:
                return await submit(request, None)
            return await self.journal.submit_part(array_id, request, decision, indexes, submit)

        return await self._on_first_open_queue(request, decision, submit_on)

    async def _on_first_open_queue(
        self,
        request: JobRequest,
        decision: Resubmission,
        submit: Callable[[JobRequest, Resubmission], Awaitable[JobRecord]],
    ) -> tuple[JobRequest, JobRecord]:
        """Submit a request, on the next queue of the decision where AWS refuses it."""
        for queue in decision.other_queues:
            try:
                return request, await submit(request, decision)
            except APIError as error:
                if not is_refusal(error):
                    raise
                self.warnings.warn(
                    f"refused on {request.queue}",
                    f"submission on job queue {request.queue} refused, trying {queue}: {error}",
                )
            request, decision = request.replace(queue=queue), decision.on_queue(queue)
        return request, await submit(request, decision)

    async def failed_children(self, array: JobDescription) -> list[JobDescription]:
        """Return summaries of the children of an array that FAILED.

        Lists lag behind descriptions: while one has fewer children than the array counts, it is
        read again, for about a minute.

        Raises:
            APIError: AWS refused.
        """
        counts = array.array.status_summary if array.array else {}
        wanted = max(counts.get(JobStatus.FAILED, 0), 1)
        found: list[JobDescription] = []
        for pause in (*_LIST_AGAIN, 0.0):
            listing = self._api.list_jobs(array_job_id=array.job_id, status=JobStatus.FAILED)
            found = [summary async for summary in listing]
            if len(found) >= wanted:
                return found
            await anyio.sleep(pause)  # noqa: TID251 - until the list has caught up
        self.warnings.warn(
            "listed",
            f"{len(found)} of {wanted} failed children of array {array.job_id} are listed; the"
            " others do not run again",
        )
        return found

    def report_resubmitted(self, previous: JobSubmission, job_id: str, number: int) -> None:
        """Report the event that a job was submitted again."""
        assert previous.failure is not None  # noqa: S101 - only failures are recovered
        self.records.observers.report(
            JobResubmitted(
                job_id=job_id,
                previous_id=previous.job_id,
                submission=number,
                failure=previous.failure,
            )
        )


def is_refusal(error: AsyncBatchError) -> bool:
    """Return whether a further submission is not possible; else it may be, when that is solved."""
    if isinstance(error, APIError):
        return not isinstance(error, _FAULTS)
    return isinstance(error, InvalidRequest)


def _run_time(description: JobDescription) -> float:
    """Return how many seconds the last attempt of a job ran; 0 if it did not start."""
    started, stopped = description.started_at, description.stopped_at
    if started is None or stopped is None:
        return 0.0
    return max((stopped - started).total_seconds(), 0.0)
