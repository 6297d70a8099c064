"""Recovery: submitting a failed job again, as its policy decides.

Theory of operation
-------------------
To the caller, a job and its further submissions are one job. To AWS they are several jobs, and each
has a `JobRecord` of its own. When the job of a record FAILED, its `LogicalJob` decides. If it is to
be submitted again, the record is not settled: its waiters, callbacks and handle are passed on to
the record of the next submission (`JobRecords.continue_as`).

The delay and the submission run in the client's task group. Terminating the job ends both. With a
journal, each further submission is an intent like any other, with the decision that led to it
(`resumption`). So a program that was killed continues where it was.
"""

import dataclasses
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import anyio

from asyncbatch._logs.reader import LogReader
from asyncbatch._session.records import JobRecord, JobRecords
from asyncbatch._submitting.marks import SubmissionLog
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError, SubmitUncertain
from asyncbatch._values.events import JobResubmitted
from asyncbatch._values.recovery import RecoveryPolicy, Resubmission, optional_policy
from asyncbatch._values.requests import Dependency, JobRequest
from asyncbatch._values.results import FailureKind, JobResult, JobSubmission, LogEvent

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

logger = logging.getLogger("asyncbatch")

Submit = Callable[[JobRequest, SubmissionLog | None], Awaitable[JobRecord]]


Prepare = Callable[[], Awaitable[Resubmission | None]]
"""Waits until a job can be submitted again; returns None if it cannot."""


class RecoveryJournal(Protocol):
    """What recovery needs of a journal: implemented by `Resumption`."""

    def note_failed(self, description: JobDescription) -> None:
        """Write the end of a job that is going to be submitted again."""
        ...

    def keep_log(self, job_id: str, events: Sequence[LogEvent]) -> None:
        """Write the last log lines of a job that is going to be submitted again."""
        ...

    def resubmission(
        self, job_id: str, request: JobRequest, decision: Resubmission
    ) -> SubmissionLog | None:
        """Return the log of the submission that follows a job; None if it has no journal entry."""
        ...


class LogicalJob:
    """A job and its submissions.

    Attributes:
        request: What was submitted last; None for a job that this program did not submit, whose
            request is read from its description.
        submissions: All submissions so far.
    """

    def __init__(
        self,
        recovery: "Recovery",
        policy: RecoveryPolicy,
        request: JobRequest | None,
        submissions: Iterable[JobSubmission] = (),
        *,
        name: str | None = None,
    ) -> None:
        """Start with the submissions of earlier programs; `name` is the job's own name."""
        self.request = request
        self.submissions = list(submissions)
        self._name = name
        self._recovery = recovery
        self._policy = policy
        self._is_stopped = False
        self._delay = anyio.CancelScope()
        self._idle: anyio.Event | None = None

    def begin(self, job_id: str, rule: int | None) -> None:
        """Note a submission that AWS has accepted."""
        request = self.request
        self.submissions.append(
            JobSubmission(
                job_id=job_id,
                queue=request.queue if request else None,
                job_definition=str(request.job_definition) if request else None,
                vcpus=request.vcpus if request else None,
                memory_mib=request.memory_mib if request else None,
                rule=rule,
            )
        )

    def continues(self, record: JobRecord) -> bool:
        """Return whether a job that has ended is submitted again; if so, that is started."""
        result = record.result
        assert result is not None  # noqa: S101 - called when it has ended
        self.submissions[-1] = submission_of(result, rule=self.submissions[-1].rule)
        prepare = None if result.succeeded or self._is_stopped else self._next(result)
        if prepare is None:
            return False
        self._delay, self._idle = anyio.CancelScope(), anyio.Event()
        self._recovery.start(self, record, prepare)
        return True

    def _next(self, result: JobResult) -> Prepare | None:
        """Return what waits until the job can be submitted again; None if it is not."""
        dependencies = self._recovery.dependencies_of(result)
        if dependencies:
            return lambda: _on_new_dependencies(result, dependencies)
        decision = self._recovery.decision(self._policy, result, self.submissions)
        return None if decision is None else lambda: _delayed(decision)

    async def resubmit(self, record: JobRecord, prepare: Prepare) -> None:
        """Submit the job again when that is due, or settle the record with its failure."""
        idle = self._idle
        assert idle is not None  # noqa: S101 - made when this was decided
        decision = None
        try:
            with self._delay:
                decision = await prepare()
            if decision is None or self._is_stopped:
                record.settle()
            else:
                await self._recovery.keep_log(self, record)
                await self._submit(record, decision)
        finally:
            idle.set()

    async def _submit(self, record: JobRecord, decision: Resubmission) -> None:
        failed = record.result
        assert failed is not None  # noqa: S101 - it decided
        try:
            request = self.request
            if request is None:
                request = JobRequest.from_description(failed.description).replace(name=self._name)
            self.request = request = request.replace(**decision.changes)
            following = await self._recovery.submit(record.id, request, decision)
        except SubmitUncertain as error:
            record.lose(error)
        except AsyncBatchError as error:
            logger.warning("job %s (%s) not submitted again: %s", record.id, record.name, error)
            record.settle(note=f"It was not submitted again: {error}")
        else:
            self._recovery.continued(self, record, following, decision)

    async def stop(self) -> None:
        """Submit no more; returns when a submission that was in progress has ended."""
        self._is_stopped = True
        self._delay.cancel()
        if self._idle is not None:
            await self._idle.wait()


class Recovery:
    """Submits failed jobs of one client again."""

    def __init__(
        self,
        policy: RecoveryPolicy | None,
        *,
        records: JobRecords,
        logs: LogReader,
        log_lines: int,
        submit: Submit,
        group: "TaskGroup",
        rng: random.Random,
    ) -> None:
        """Apply a policy to all jobs whose requests have none of their own.

        Args:
            policy: The client's policy.
            records: The records of its jobs.
            logs: Reads their logs.
            log_lines: How many last log lines of a failed job the journal keeps.
            submit: Submits a job and follows it.
            group: The client's task group.
            rng: Random number generator for delays.
        """
        self.journal: RecoveryJournal | None = None
        # Jobs that were submitted again, as others may depend on them.
        self._failed: dict[str, JobRecord] = {}
        self._rng = rng
        self._policy = policy
        self._records = records
        self._logs = logs
        self._log_lines = log_lines
        self._submit = submit
        self._group = group

    def policy_of(self, request: JobRequest | None) -> RecoveryPolicy | None:
        """Return the policy for a request; None if its job is not recovered."""
        own = None if request is None else request.recovery
        policy = self._policy if own is None else optional_policy(own)
        return policy if policy is not None and policy.rules else None

    def attach(
        self,
        record: JobRecord,
        request: JobRequest | None,
        policy: RecoveryPolicy | None,
        *,
        earlier: Sequence[JobSubmission] = (),
        rule: int | None = None,
        name: str | None = None,
    ) -> None:
        """Recover a job if it fails, unless no policy applies.

        Args:
            record: The job, whose end is not known yet.
            request: What was submitted; None where only its description tells.
            policy: Its policy.
            earlier: Submissions of the same job before this one.
            rule: Index of the rule that decided about this one; None for the first.
            name: Its name, where that is not part of `request`; None for a generated one.
        """
        if record.logical is not None or record.array_size is not None:
            return
        if policy is None and request is not None and self._depends_on_recovered(request):
            policy = RecoveryPolicy()
        if policy is not None:
            # Without rules, it is only submitted again with a job that it depends on.
            record.logical = logical = LogicalJob(self, policy, request, earlier, name=name)
            logical.begin(record.id, rule)
            # For these ids, this record is the last submission.
            self._failed.update((each.job_id, record) for each in earlier)

    def _depends_on_recovered(self, request: JobRequest) -> bool:
        ids = (each.job_id for each in request.depends_on if isinstance(each, Dependency))
        return any(self._recovered(job_id) for job_id in ids if job_id is not None)

    def dependencies_of(self, result: JobResult) -> dict[str, JobRecord]:
        """Return the recovered jobs that a job depends on, if it failed with one of them.

        By the ids that it depends on, which may be those of earlier submissions.
        """
        if result.failure is None or result.failure.kind is not FailureKind.DEPENDENCY:
            return {}
        found = {job_id: self._recovered(job_id) for job_id in result.description.depends_on}
        return {job_id: record for job_id, record in found.items() if record is not None}

    def _recovered(self, job_id: str) -> JobRecord | None:
        """Return the record of a job that is submitted again if it fails, or was already."""
        record = self._failed.get(job_id) or self._records.get(job_id)
        return None if record is None or record.logical is None else record

    def decision(
        self, policy: RecoveryPolicy, result: JobResult, submissions: Sequence[JobSubmission]
    ) -> Resubmission | None:
        """Return what a policy decides; None where a function of it raises."""
        try:
            return policy.decide(result, submissions, self._rng)
        except Exception:  # of a user's function: the job's own failure is what matters
            logger.exception("recovery policy failed for job %s, which ends FAILED", result.job_id)
            return None

    def start(self, logical: LogicalJob, record: JobRecord, prepare: Prepare) -> None:
        """Start to submit a job again."""
        failed = record.result
        assert failed is not None  # noqa: S101 - it has ended
        assert failed.failure is not None  # noqa: S101 - it FAILED
        if self.journal is not None:
            self.journal.note_failed(failed.description)
        logger.warning(
            "job %s (%s) failed and is submitted again (submission %d): %s",
            record.id,
            record.name,
            len(logical.submissions) + 1,
            failed.failure.message,
        )
        self._failed[record.id] = record
        self._group.start_soon(logical.resubmit, record, prepare)

    async def keep_log(self, logical: LogicalJob, record: JobRecord) -> None:
        """Keep the last log lines of a failed job in the journal, if there is one."""
        result, journal = record.result, self.journal
        lines = self._log_lines
        if journal is None or not lines or result is None or not result.description.attempts:
            return
        attempt = result.description.attempts[-1].number
        try:
            events = await self._logs.tail(result.description, attempt, lines)
        except AsyncBatchError as error:
            logger.info("log of job %s could not be read: %s", record.id, error)
            return
        journal.keep_log(record.id, events)
        kept = dataclasses.replace(logical.submissions[-1], log_tail=tuple(events))
        logical.submissions[-1] = kept

    async def submit(self, job_id: str, request: JobRequest, decision: Resubmission) -> JobRecord:
        """Submit the job that follows another; return its record."""
        log = None
        if self.journal is not None:
            log = self.journal.resubmission(job_id, request, decision)
        return await self._submit(request, log)

    def continued(
        self, logical: LogicalJob, record: JobRecord, following: JobRecord, decision: Resubmission
    ) -> None:
        """Continue a job as the one that was submitted for it."""
        following.logical = logical
        logical.begin(following.id, decision.rule)
        self._records.continue_as(record, following)
        failed = logical.submissions[-2].failure
        assert failed is not None  # noqa: S101 - only failures are recovered
        self._records.observers.report(
            JobResubmitted(
                job_id=following.id,
                previous_id=record.id,
                submission=len(logical.submissions),
                failure=failed,
            )
        )


async def _delayed(decision: Resubmission) -> Resubmission:
    await anyio.sleep(decision.delay)  # noqa: TID251 - the policy's delay
    return decision


async def _on_new_dependencies(
    result: JobResult, dependencies: Mapping[str, JobRecord]
) -> Resubmission | None:
    """Wait until the jobs that a job depends on were submitted again; None if one was not."""
    ids = {job_id: job_id for job_id in result.description.depends_on}
    for job_id, record in dependencies.items():
        if record.id == job_id:
            await record.next_submission(wait=True)
        last = record.latest
        if last.id == job_id and not (last.result is not None and last.result.succeeded):
            return None
        ids[job_id] = last.id
    return Resubmission({"depends_on": tuple(ids.values())})


def submission_of(
    result: JobResult, *, rule: int | None, log_tail: tuple[LogEvent, ...] = ()
) -> JobSubmission:
    """Return the submission of a job that has ended."""
    description = result.description
    container = description.containers[0] if len(description.containers) == 1 else None
    return JobSubmission(
        job_id=result.job_id,
        queue=description.queue,
        job_definition=description.job_definition,
        vcpus=container.vcpus if container else None,
        memory_mib=container.memory_mib if container else None,
        is_fargate="FARGATE" in description.extra.get("platformCapabilities", ()),
        failure=result.failure,
        rule=rule,
        log_tail=log_tail,
    )
