"""Jobs with all their submissions: what follows when one of them fails.

Theory of operation
-------------------
To the caller, a job and its further submissions are one job. To AWS they are several jobs, and each
has a `JobRecord` of its own. When the job of a record FAILED, its `LogicalJob` decides. If it is to
be submitted again, the record is not settled: its waiters, callbacks and handle are passed on to
the record of the next submission (`JobRecords.continue_as`).

Of an array, only failed children run again (`LogicalArray`). AWS counts an array as FAILED when all
its children have ended and one of them FAILED. Then the failed children are listed once, and the
policy decides about each of them. Children that the same rule changes in the same way become one
smaller array, whose children have their original indexes; a single one becomes a plain job. These
are the *parts* of the array. A part is a job like any other: if its children fail, it has parts of
its own, until the policy ends that. The array is settled when all its parts are.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from asyncbatch._session.records import JobRecord
from asyncbatch._session.recovery import Recovery, is_refusal
from asyncbatch._submitting.smaller_array import smaller_array
from asyncbatch._values.described_fields import described_dependencies
from asyncbatch._values.descriptions import ArrayProperties, JobDescription
from asyncbatch._values.errors import AsyncBatchError, InvalidRequest, JobVanished, copy_of
from asyncbatch._values.failures import NOT_STARTED, failure_of, wait_reason_of
from asyncbatch._values.recovery import RecoveryPolicy, Resubmission
from asyncbatch._values.requests import Dependency, DependencyType, JobRequest
from asyncbatch._values.results import FailureKind, JobResult, JobSubmission, LogEvent
from asyncbatch._values.status import JobStatus

_MAX_REASON = 1024  # characters of a reason, by AWS

Prepare = Callable[[], Awaitable[Resubmission | None]]
"""Waits until a job can be submitted again; returns None if it cannot."""


class LogicalJob:
    """A job and its submissions.

    Attributes:
        request: What was submitted last; None for a job that this program did not submit, whose
            request is read from its description.
        submissions: All submissions so far.
    """

    def __init__(
        self,
        recovery: Recovery,
        policy: RecoveryPolicy,
        request: JobRequest | None,
        submissions: Iterable[JobSubmission],
        *,
        name: str | None = None,
        is_part: bool = False,
    ) -> None:
        """Start with the submissions so far; see `attach` for the others."""
        self._is_part = is_part
        self.request = request
        self.submissions = list(submissions)
        self._name = name
        self._recovery = recovery
        self._policy = policy
        self._is_stopped = recovery.is_stopped(each.job_id for each in self.submissions)
        self._delay = anyio.CancelScope()
        self._idle: anyio.Event | None = None
        self._limited: set[tuple[str, bool]] = set()

    def take_policy(self, policy: RecoveryPolicy | None, request: JobRequest | None) -> bool:
        """Take what became known later; return whether the policy differs from the one before."""
        self.request = self.request or request
        before, self._policy = self._policy, policy or self._policy
        return self._policy != before

    def continues(self, record: JobRecord) -> bool:
        """Return whether a job that has ended is submitted again; if so, that is started."""
        result = record.result
        assert result is not None  # noqa: S101 - called when it has ended
        self.submissions[-1] = submission_of(result, rule=self.submissions[-1].rule)
        prepare = None if result.succeeded or self._is_stopped else self._next(record, result)
        if prepare is None:
            return False
        self._delay, self._idle = anyio.CancelScope(), anyio.Event()
        self._recovery.note_failed(record, result, len(self.submissions) + 1)
        self._recovery.start(record, lambda: self._resubmit(record, prepare))
        return True

    def note(self, record: JobRecord, description: JobDescription) -> None:
        """Take a description of a live job: one that does not start may be cancelled."""
        policy = self._policy
        if description.status is not JobStatus.RUNNABLE or description.attempts:
            return
        reason = wait_reason_of(description) if policy.cancel_blocked else None
        if reason is not None and not reason.transient:
            self._cancel_after(record, 0.0, f"{NOT_STARTED}: {reason.message}")
        elif policy.start_within is not None:
            seconds = policy.start_within
            self._cancel_after(record, seconds, f"{NOT_STARTED} within {seconds:g} s")

    def _cancel_after(self, record: JobRecord, seconds: float, reason: str) -> None:
        """Cancel a job that has not started after a time; the first call of each kind counts."""
        is_now = seconds == 0
        if (record.id, is_now) not in self._limited:
            self._limited.add((record.id, is_now))
            self._recovery.start(record, lambda: self._cancel_unstarted(record, seconds, reason))

    async def _cancel_unstarted(self, record: JobRecord, seconds: float, reason: str) -> None:
        await anyio.sleep(seconds)  # noqa: TID251 - the policy's limit
        status = record.description.status if record.description else JobStatus.SUBMITTED
        if status is JobStatus.RUNNABLE and not self._is_stopped:
            self._recovery.warnings.warn(
                "start limit", f"job {record.id} ({record.name}) cancelled: {reason}"
            )
            await self._recovery.cancel(record.id, reason[:_MAX_REASON])

    def _next(self, record: JobRecord, result: JobResult) -> Prepare | None:
        """Return what waits until the job can be submitted again; None if it is not."""
        dependencies = self._recovery.dependencies_of(result)
        if dependencies:
            return lambda: _on_new_dependencies(result.description, dependencies)
        decision = self._recovery.decision(self._policy, record, result, self.submissions)
        if decision is None or not self._recovery.admits(self._policy, record):
            return None
        return lambda: _delayed(decision)

    async def _resubmit(self, record: JobRecord, prepare: Prepare) -> None:
        """Submit the job again when that is due, or settle the record with its failure."""
        idle = self._idle
        assert idle is not None  # noqa: S101 - made when this was decided
        decision = None
        try:
            try:
                with self._delay:
                    decision = await prepare()
            except AsyncBatchError as error:  # the end of a job that it depends on is not known
                assert record.result is not None  # noqa: S101 - it failed
                record.lose(self._recovery.with_failure(error, record.result))
                return
            if decision is None or self._is_stopped:
                record.settle()
            else:
                await self._submit(record, decision)
        finally:
            idle.set()

    async def _submit(self, record: JobRecord, decision: Resubmission) -> None:
        failed = record.result
        assert failed is not None  # noqa: S101 - it decided
        events = await self._recovery.keep_log(failed)
        self.submissions[-1] = dataclasses.replace(self.submissions[-1], log_tail=tuple(events))
        try:
            request = self.request
            if request is None:
                request = JobRequest.from_description(failed.description).replace(name=self._name)
            require_index(decision.changes, is_part=self._is_part)
            self.request = request = request.replace(**decision.changes)
            self.request, following = await self._recovery.submit(failed, request, decision)
        except AsyncBatchError as error:
            self._recovery.warnings.warn(
                f"submit {type(error)}",
                f"job {record.id} ({record.name}) not submitted again: {error}",
            )
            if is_refusal(error):
                record.settle(note=f"It was not submitted again: {error}")
            else:
                record.lose(self._recovery.with_failure(error, failed))
        else:
            self.continue_as(record, following, decision.rule)

    def continue_as(self, record: JobRecord, following: JobRecord, rule: int | None) -> None:
        """Continue with the next submission, which AWS has accepted."""
        following.logical = self
        previous = self.submissions[-1]
        self.submissions.append(_accepted(following.id, self.request, rule))
        self._recovery.records.continue_as(record, following)
        self._recovery.report_resubmitted(previous, following.id, len(self.submissions))

    async def stop(self) -> None:
        """Submit no more; returns when a submission that was in progress has ended."""
        self._is_stopped = True
        self._delay.cancel()
        if self._idle is not None:
            await self._idle.wait()

    def abandon(self) -> None:
        """Do nothing: only an array has children that wait for its decision."""

    def part_of(self, index: int) -> JobRecord | None:  # noqa: ARG002 - as `LogicalArray`
        """Return None: only an array has parts."""
        return None

    async def stop_child(self, index: int) -> None:
        """Do nothing: only an array has children."""

    def live_ids(self) -> list[str]:
        """Return no ids: the job itself is the only one."""
        return []


@dataclass(frozen=True, slots=True)
class _Part:
    """Some children of an array that run again.

    Attributes:
        record: Their array; the job itself for a single child.
        indexes: Their indexes in the array that they are a part of, in ascending order.
    """

    record: JobRecord
    indexes: Sequence[int]

    def child(self, index: int) -> JobRecord:
        """Return the record of a child by its index in the array."""
        if len(self.indexes) == 1:
            return self.record
        return self.record.child(self.indexes.index(index))


class LogicalArray:
    """An array job, and the parts of it that run again.

    Attributes:
        request: The request of the array; None as for `LogicalJob`.
        submissions: The array itself, after those that it is a part of.
    """

    def __init__(
        self,
        recovery: Recovery,
        policy: RecoveryPolicy,
        request: JobRequest | None,
        submissions: Iterable[JobSubmission],
        record: JobRecord,
        *,
        is_part: bool = False,
    ) -> None:
        """Start without parts; `record` is that of the array. See `attach` for the others."""
        self._is_part = is_part
        self.request = request
        self.submissions = list(submissions)
        self._recovery = recovery
        self._policy = policy
        self._array_id = record.id
        self._parts: list[_Part] = []
        self._waiting: list[JobRecord] = []
        self._lost: list[JobRecord] = []
        self._stopped: set[int] = set()  # indexes of children
        self._is_submitting = False
        self._is_decided = False
        self._error: AsyncBatchError | None = None
        self._is_stopped = recovery.is_stopped(each.job_id for each in self.submissions)
        self._delay = anyio.CancelScope()
        self._idle: anyio.Event | None = None

    def note(self, record: JobRecord, description: JobDescription) -> None:
        """Do nothing: an array has no limit for its start."""

    def take_policy(self, policy: RecoveryPolicy | None, request: JobRequest | None) -> bool:
        """Take what became known later; return whether the policy differs from the one before."""
        self.request = self.request or request
        before, self._policy = self._policy, policy or self._policy
        return self._policy != before

    def continues(self, record: JobRecord) -> bool:
        """Return whether an array or a child that has ended runs again."""
        result = record.result
        assert result is not None  # noqa: S101 - called when it has ended
        if record.id != self._array_id:
            return self._child_continues(record, result)
        self._begin_again()
        self.submissions[-1] = submission_of(result, rule=self.submissions[-1].rule)
        failure, journal = result.failure, self._recovery.journal
        has_parts = journal is not None and journal.has_parts(record.id)  # of an earlier program
        is_recovered = failure is not None and (
            failure.kind is FailureKind.ARRAY_CHILD or bool(self._recovery.dependencies_of(result))
        )
        if not has_parts and (self._is_stopped or not is_recovered):
            self._decided()
            return False
        self._delay, self._idle = anyio.CancelScope(), anyio.Event()
        self._recovery.note_earlier(self.submissions[-1:], record)
        self._recovery.start(record, lambda: self._run_again(record, result))
        return True

    def _begin_again(self) -> None:
        """Forget an earlier decision: another policy decides, or an error kept it from ending."""
        self._parts, self._is_decided, self._error = [], False, None
        for child in self._lost:
            child.lost = None
            self._recovery.records.recovering.add(child)
        self._waiting += self._lost
        self._lost = []

    def part_of(self, index: int) -> JobRecord | None:
        """Return the record of a child that runs again; None for another child."""
        for part in self._parts:
            if index in part.indexes:
                return part.child(index)
        return None

    async def stop(self) -> None:
        """Submit no more parts; returns when a submission that was in progress has ended."""
        self._is_stopped = True
        self._delay.cancel()
        if self._idle is not None:
            await self._idle.wait()
        for part in self._parts:
            if part.record.latest.logical is not None:
                await part.record.latest.logical.stop()

    async def stop_child(self, index: int) -> None:
        """Leave a child out of the parts; returns when those in progress were submitted."""
        self._stopped.add(index)
        for child in [each for each in self._waiting if index_of(each.id) == index]:
            if not self._is_submitting:
                self._waiting.remove(child)
                child.settle()
        if self._is_submitting and self._idle is not None:
            await self._idle.wait()

    def abandon(self) -> None:
        """Settle the children that wait for the end of the array, which will not be known."""
        self._decided()

    def _lose_or_retry(
        self,
        record: JobRecord,
        result: JobResult,
        error: AsyncBatchError,
        request: JobRequest | None,
    ) -> None:
        """End the array, and the children that would have run again, with an error.

        If its request has become known meanwhile, begin again: that may decide whether a part was
        accepted.
        """
        if self.request is request or not self.continues(record):
            error = self._recovery.with_failure(error, result)
            self._decided(error)
            record.lose(error)

    def live_ids(self) -> list[str]:
        """Return the ids of the jobs that are to be terminated with the array."""
        return [each for part in self._parts for each in part.record.latest.live_ids()]

    # -- children ---------------------------------------------------------------------------------

    def _child_continues(self, child: JobRecord, result: JobResult) -> bool:
        """Return whether a child that has ended runs again, or may do so."""
        if result.succeeded:
            return False
        if not self._is_decided:
            if self._is_child_stopped(index_of(child.id)) and not self._is_submitting:
                return False
            self._waiting.append(child)
            return True
        return self._goes_on(child)

    def _decided(self, error: AsyncBatchError | None = None) -> None:
        """Settle the children that failed, or continue them as children of parts.

        Args:
            error: Why they do not run again although they might have; None for a decision.
        """
        self._is_decided, self._error = True, error
        waiting, self._waiting = self._waiting, []
        for child in waiting:
            if not self._goes_on(child):
                child.settle()

    def _goes_on(self, child: JobRecord) -> bool:
        """Continue a child in its part, or lose it; return whether it does not end by itself."""
        following = self.part_of(index_of(child.id))
        if following is not None:
            self._recovery.records.continue_as(child, following)
        elif self._error is not None:
            self._lost.append(child)
            child.lose(self._error)
        return following is not None or self._error is not None

    # -- running children again -------------------------------------------------------------------

    async def _run_again(self, record: JobRecord, result: JobResult) -> None:
        """Run failed children again; settle the array when they have ended."""
        idle = self._idle
        assert idle is not None  # noqa: S101 - made when this was started
        note = ""
        others = 0
        policy, request = self._policy, self.request
        try:
            others = await self._submit_parts(record, result)
        except AsyncBatchError as error:
            self._recovery.warnings.warn(
                f"children {type(error)}",
                f"children of array {record.id} do not run again: {error}",
            )
            if not is_refusal(error):
                self._lose_or_retry(record, result, error, request)
                return
            note = f"Its failed children did not run again: {error}"
        finally:
            idle.set()
        if self._decides_again(policy, record):
            return
        self._decided()
        try:
            for part in self._parts:
                await part.record.settled()
        except AsyncBatchError as error:  # a part is no longer followed
            record.lose(error)
            return
        if self._decides_again(policy, record):
            return
        lost = next(filter(None, (part.record.latest.lost for part in self._parts)), None)
        if lost is not None:
            record.lose(lost)
        elif note or others or not self._parts or not all(map(_has_succeeded, self._parts)):
            notes = (part.record.latest.note for part in self._parts)
            record.settle(note=note or next(filter(None, notes), ""))
        else:
            record.settle(result=_succeeded(result))

    def _decides_again(self, policy: RecoveryPolicy, record: JobRecord) -> bool:
        """Begin again if another policy than the one that decided is to be followed; see `resume`.

        Parts that were submitted are in the journal, where they are found again.
        """
        return self._policy != policy and self.continues(record)

    async def _submit_parts(self, record: JobRecord, result: JobResult) -> int:
        """Submit parts as the policy decides; return how many failed children are in none.

        Raises:
            AsyncBatchError: The children could not be listed, or a part was refused.
        """
        if self._recovery.journal is not None:
            for part, indexes in await self._recovery.journal.parts(
                record.id, self.request, self._adopt
            ):
                self._parts.append(_Part(part, indexes))
        if result.failure is not None and result.failure.kind is FailureKind.DEPENDENCY:
            return await self._submit_all(record, result)
        failed = await self._failed_children(result.description)
        plans = self._plans(record, failed)
        await self._add_dependent(plans, result.description, failed)
        delay = max((decision.delay for decision, _ in plans), default=0.0)
        with self._delay:
            await anyio.sleep(delay)  # noqa: TID251 - the policy's delay
        if self._is_stopped:
            return len(failed)
        request = self.request
        if plans and request is None:
            request = JobRequest.from_description(result.description)
        self._is_submitting = True
        for decision, indexes in plans:
            assert request is not None  # noqa: S101 - made above
            wanted = [index for index in sorted(indexes) if index not in self._stopped]
            if wanted:
                await self._submit_part(record, request, decision, wanted)
                failed = {index: each for index, each in failed.items() if index not in wanted}
        return len(failed)

    async def _submit_all(self, record: JobRecord, result: JobResult) -> int:
        """Submit all children, none of which has run; return how many are in no part.

        Raises:
            AsyncBatchError: It was refused, or the end of a job that it depends on is not known.
        """
        again = {index for part in self._parts for index in part.indexes}
        indexes = [
            index
            for index in range(record.array_size or 0)
            if index not in again and not self._is_child_stopped(index)
        ]
        decision = None
        with self._delay:
            decision = await _on_new_dependencies(
                result.description, self._recovery.dependencies_of(result)
            )
        if decision is None or self._is_stopped or not indexes:
            return len(indexes)
        self._is_submitting = True
        request = self.request or JobRequest.from_description(result.description)
        await self._submit_part(record, request, decision, indexes)
        return (record.array_size or 0) - len(again) - len(indexes)

    async def _failed_children(self, array: JobDescription) -> dict[int, JobDescription]:
        """Return the failed children that are in no part yet, by their indexes.

        Raises:
            AsyncBatchError: They could not be listed.
        """
        again = {index for part in self._parts for index in part.indexes}
        counts = array.array.status_summary if array.array else {}
        if array.status is JobStatus.SUCCEEDED or 0 < counts.get(JobStatus.FAILED, 0) <= len(again):
            return {}
        children = await self._recovery.failed_children(array)
        failed = {index_of(each.job_id): each for each in children}
        return {index: each for index, each in failed.items() if index not in again}

    def _is_child_stopped(self, index: int) -> bool:
        """Return whether a caller terminated or cancelled a child."""
        return index in self._stopped or self._recovery.is_stopped([f"{self._array_id}:{index}"])

    def _plans(
        self, record: JobRecord, failed: Mapping[int, JobDescription]
    ) -> list[tuple[Resubmission, list[int]]]:
        """Return which children run again together, and how."""
        plans: dict[tuple[int | None, str], tuple[Resubmission, list[int]]] = {}
        for index, summary in sorted(failed.items()):
            if self._is_child_stopped(index):
                continue
            result = JobResult(description=summary, failure=failure_of(summary))
            decision = self._recovery.decision(self._policy, record, result, self.submissions)
            if decision is None:
                continue
            key = (decision.rule, repr(sorted(decision.changes.items())))
            if key in plans or self._recovery.admits(self._policy, record):
                plans.setdefault(key, (decision, []))[1].append(index)
        return list(plans.values())

    async def _add_dependent(
        self,
        plans: list[tuple[Resubmission, list[int]]],
        array: JobDescription,
        failed: Mapping[int, JobDescription],
    ) -> None:
        """Add the children that have not run, as a job or child that they depend on failed.

        Raises:
            AsyncBatchError: The end of a job that they depend on is not known.
        """
        planned = {index for _, indexes in plans for index in indexes}
        waited = [
            index
            for index, each in failed.items()
            if index not in planned and not self._is_child_stopped(index) and _has_waited(each)
        ]
        if not waited:
            return
        kinds = {kind for _, kind in described_dependencies(array)}
        if DependencyType.SEQUENTIAL in kinds:  # on the child that failed, which is in the plan
            for _, indexes in plans[:1]:
                indexes.extend(waited)
            return
        with self._delay:
            decision = await _on_new_dependencies(array, self._recovery.recovered(array.depends_on))
            if decision is not None:
                plans.append((decision, waited))

    async def _submit_part(
        self,
        record: JobRecord,
        request: JobRequest,
        decision: Resubmission,
        indexes: Sequence[int],
    ) -> None:
        require_index(decision.changes, is_part=self._is_part)
        # In this order: another command, too, runs after the line that sets its index.
        smaller = smaller_array(request.replace(**decision.changes), indexes)
        count = "1 child" if len(indexes) == 1 else f"{len(indexes)} children"
        self._recovery.warnings.warn(
            "children",
            f"{count} of array {record.id} ({record.name}) failed; running again"
            f" (submission {len(self.submissions) + 1})",
        )
        smaller, part = await self._recovery.submit_part(record.id, smaller, decision, indexes)
        attach(
            self._recovery,
            part,
            smaller,
            self._policy,
            earlier=self.submissions,
            rule=decision.rule,
            is_part=True,
        )
        self._parts.append(_Part(part, indexes))
        self._recovery.report_resubmitted(self.submissions[-1], part.id, len(self.submissions) + 1)

    def _adopt(self, record: JobRecord, earlier: Sequence[JobSubmission], rule: int | None) -> None:
        """Take a part that an earlier program submitted."""
        before = [*self.submissions, *earlier]
        attach(self._recovery, record, None, self._policy, earlier=before, rule=rule, is_part=True)


def require_index(changes: Mapping[str, Any], *, is_part: bool) -> None:
    """Refuse another command for a part of an array: its own sets the index of each child.

    Raises:
        InvalidRequest: It has one.
    """
    if is_part and "command" in changes:
        rule = "the children of an array run again with another command only once"
        raise InvalidRequest("command", changes["command"], rule)


def attach(
    recovery: Recovery,
    record: JobRecord,
    request: JobRequest | None,
    policy: RecoveryPolicy | None,
    *,
    earlier: Sequence[JobSubmission] = (),
    rule: int | None = None,
    name: str | None = None,
    is_part: bool = False,
) -> None:
    """Recover a job if it fails, unless no policy applies.

    Args:
        recovery: Submits it again.
        record: The job, whose end is not known yet.
        request: What was submitted; None where only its description is known.
        policy: Its policy.
        earlier: Submissions of the same job before this one.
        rule: Index of the rule that decided about this one; None for the first.
        name: Its name, where that is not part of `request`; None for a generated one.
        is_part: Whether it is a part of an array.
    """
    if record.logical is not None:
        if record.logical.take_policy(policy, request):
            record.reconsider()
        return
    if policy is None and request is not None and recovery.depends_on_recovered(request):
        policy = RecoveryPolicy()  # without rules: only submitted again with its dependency
    if policy is None:
        return
    submissions = [*earlier, _accepted(record.id, request, rule)]
    if record.array_size is not None:
        record.logical = LogicalArray(
            recovery, policy, request, submissions, record, is_part=is_part
        )
    else:
        record.logical = LogicalJob(
            recovery, policy, request, submissions, name=name, is_part=is_part
        )
        recovery.note_earlier(earlier, record)


def _accepted(job_id: str, request: JobRequest | None, rule: int | None) -> JobSubmission:
    """Return a submission that AWS has accepted."""
    if request is None:
        return JobSubmission(job_id=job_id, rule=rule)
    return JobSubmission(
        job_id=job_id,
        queue=request.queue,
        job_definition=str(request.job_definition),
        vcpus=request.vcpus,
        memory_mib=request.memory_mib,
        rule=rule,
    )


def index_of(child_id: str) -> int:
    """Return the index of a child of an array, whose id is ``parent:index``."""
    return int(child_id.rpartition(":")[2])


def _has_waited(child: JobDescription) -> bool:
    """Return whether a child failed with a job or child that it depends on."""
    failure = failure_of(child)
    return failure is not None and failure.kind is FailureKind.DEPENDENCY


def _has_succeeded(part: _Part) -> bool:
    result = part.record.latest.result
    return result is not None and result.succeeded


def _succeeded(result: JobResult) -> JobResult:
    """Return the result of an array whose failed children have all succeeded in parts of it."""
    description = result.description
    array = description.array or ArrayProperties()
    counts = {JobStatus.SUCCEEDED: array.size or 0}
    return JobResult(
        description=dataclasses.replace(
            description,
            status=JobStatus.SUCCEEDED,
            status_reason=None,
            array=dataclasses.replace(array, status_summary=counts),
        )
    )


async def _delayed(decision: Resubmission) -> Resubmission:
    await anyio.sleep(decision.delay)  # noqa: TID251 - the policy's delay
    return decision


async def _on_new_dependencies(
    description: JobDescription, dependencies: Mapping[str, JobRecord]
) -> Resubmission | None:
    """Wait until the jobs with which a job failed, as it depends on them, were submitted again.

    Returns:
        What changes; None if one of them failed for good, or the job failed with another one.

    Raises:
        AsyncBatchError: The end of one of them will not be known.
    """
    new: dict[str, str | None] = {}
    for job_id, record in dependencies.items():
        if record.id == job_id:
            await record.next_submission(wait=True)
        last = record.latest
        if last.lost is not None and not isinstance(last.lost, JobVanished):
            raise copy_of(last.lost)
        if last.is_settled and not (last.result is not None and last.result.succeeded):
            return None
        if last.id != job_id:
            new[job_id] = last.id
        elif last.logical is not None and last.logical.submissions[-1].failure is not None:
            new[job_id] = None  # an array whose failed children have succeeded in parts of it
    if not new:
        return None
    depends_on = [
        Dependency(
            job_id and new.get(job_id, job_id), None if kind is None else DependencyType(kind)
        )
        for job_id, kind in described_dependencies(description)
        if job_id is None or new.get(job_id, job_id) is not None
    ]
    return Resubmission({"depends_on": tuple(depends_on)})


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
