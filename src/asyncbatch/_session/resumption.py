"""Continuing a journal: what a client with a journal does with a request, and with `resume`.

A request that the journal has is not submitted again, unless its job failed. Its job is followed if
it is live, has its result if it ended, and is looked up if the last program died while submitting
it.
"""

import heapq
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

import anyio

from asyncbatch._aws.api import API
from asyncbatch._journal.entries import (
    ENDED,
    Entry,
    EntryState,
    array_of,
    changes_of,
    decision_text,
    identity_of,
    indexes_of,
    key_of,
    part_identity,
    rule_of,
)
from asyncbatch._journal.journal import OpenJournal
from asyncbatch._session.logical_jobs import LogicalJob, attach, index_of, submission_of
from asyncbatch._session.records import JobRecord, JobRecords
from asyncbatch._session.recovery import Adopt, Recovery
from asyncbatch._submitting.marks import Submission
from asyncbatch._submitting.matching import difference
from asyncbatch._submitting.smaller_array import smaller_array
from asyncbatch._submitting.submitter import Submitter
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import InvalidRequest, SubmitUncertain
from asyncbatch._values.events import Event, JobFinished, JobLost, StatusChanged
from asyncbatch._values.failures import failure_of, result_of
from asyncbatch._values.recovery import RecoveryPolicy, Resubmission
from asyncbatch._values.requests import Dependency, JobRequest
from asyncbatch._values.results import FailureKind, JobResult, JobSubmission, LogEvent

logger = logging.getLogger("asyncbatch")

# Changes of a decision whose values are the same after they were written as JSON.
_READABLE = frozenset({"queue", "memory_mib", "vcpus", "gpus", "command", "parameters"})
_CHECKPOINT_EVERY = 200  # records made before other tasks run: some milliseconds


class JournaledSubmission:
    """What the journal keeps of one submission: its intent, then its outcome."""

    def __init__(
        self,
        journal: OpenJournal,
        request: JobRequest,
        identity: str,
        n: int,
        decision: str | None = None,
    ) -> None:
        """Write nothing yet.

        Args:
            journal: The journal.
            request: What is submitted.
            identity: Identity of the request that the user made.
            n: Counts equal requests of one run from 0.
            decision: Why the job is submitted again; None for its first submission.
        """
        self._journal = journal
        self._request = request
        self._identity = identity
        self._ordinal = n
        self._decision = decision
        self._entry: Entry | None = None

    async def intend(self, submission: Submission) -> None:
        """Write that it is about to be sent, and wait until that is on disk.

        Raises:
            JournalError: It could not be written: do not send it.
        """
        self._entry = Entry(
            number=self._entry.number if self._entry else self._journal.next_number(),
            identity=self._identity,
            ordinal=self._ordinal,
            state=EntryState.INTENT,
            name=submission.name,
            queue=submission.queue,
            job_definition=submission.job_definition,
            has_unique_name=submission.has_unique_name,
            tag=submission.tag,
            array_size=self._request.array_size,
            since=submission.since,
            decision=self._decision,
        )
        await self._journal.intend(self._entry)

    def settle_by(self, name: str) -> str:
        """Return the argument of `resolve_submission` that names it."""
        return _settle_by(self._identity, name)

    def accepted(self, job_id: str) -> None:
        """Write the id of its job."""
        if self._entry is not None:
            self._journal.accepted(self._entry, job_id)

    def refused(self) -> None:
        """Write that it made no job."""
        if self._entry is not None:
            self._journal.withdrawn(self._entry)


Submit = Callable[[JobRequest, JournaledSubmission], Awaitable[JobRecord]]
SubmitFurther = Callable[[JobRequest, JournaledSubmission | None], Awaitable[JobRecord]]


class Resumption:
    """Knows which requests have a job already."""

    def __init__(
        self,
        journal: OpenJournal,
        submitter: Submitter,
        records: JobRecords,
        recovery: Recovery,
        *,
        reruns_failed: bool,
    ) -> None:
        """Continue an open journal."""
        self._journal = journal
        submitter.known.is_journalled = lambda job_id: journal.of_job(job_id) is not None
        self._submitter = submitter
        self._records = records
        self._recovery = recovery
        self._reruns_failed = reruns_failed
        self._left_undecided = [each for each in journal if each.state is EntryState.INTENT]
        self._settling: set[int] = set()
        self._counts: Counter[str] = Counter()
        self._free_ordinals: defaultdict[str, list[int]] = defaultdict(list)
        self._locks: WeakValueDictionary[tuple[str, int], anyio.Lock] = WeakValueDictionary()

    def note(self, event: Event) -> bool:
        """Write a job's end; return whether observers have not had the event already.

        A job that has ended may get a second record, which then reports its end as well.
        """
        if not isinstance(event, StatusChanged | JobFinished | JobLost):
            return True
        entry = self._journal.of_job(event.job_id)
        if entry is None or entry.is_end_notified:
            return entry is None
        if isinstance(event, JobFinished):
            entry.is_end_notified = True
            self._journal.ended(entry, event.result.description)
        elif isinstance(event, JobLost) and event.result is None:
            self._journal.lost(entry)
        return True

    async def submit(self, request: JobRequest, submit: Submit) -> JobRecord:
        """Return the job that a request has already, or submit it.

        Raises:
            JournalError: The journal cannot be written, so nothing was submitted.
            SubmitUncertain: The last program died while submitting it, and that cannot be settled.
        """
        identity = identity_of(self._with_first_ids(request))
        if request.key is not None:
            return await self._submit(request, submit, identity, 0)
        ordinal = self._next_ordinal(identity)
        try:
            return await self._submit(request, submit, identity, ordinal)
        except anyio.get_cancelled_exc_class():
            # It was withdrawn: the next equal request takes its place, also after a restart.
            heapq.heappush(self._free_ordinals[identity], ordinal)
            raise

    def _with_first_ids(self, request: JobRequest) -> JobRequest:
        """Return a request that names the first submissions of the jobs that it depends on.

        A dependency that was submitted again has another id in the next run of the program.
        """
        dependencies = [each for each in request.depends_on if isinstance(each, Dependency)]
        ids = {each.job_id: self._first_id(each.job_id) for each in dependencies if each.job_id}
        if all(first == job_id for job_id, first in ids.items()):
            return request
        return request.replace(
            depends_on=[
                each if each.job_id is None else replace(each, job_id=ids[each.job_id])
                for each in dependencies
            ]
        )

    def _first_id(self, job_id: str) -> str:
        """Return the id of the first submission of a job."""
        entry = self._journal.of_job(job_id)
        earlier = [] if entry is None else self._journal.earlier(entry)
        first = earlier[0].job_id if earlier else None
        return first or job_id

    def _next_ordinal(self, identity: str) -> int:
        """Return the number of an equal request in this run, from 0: each is a job of its own."""
        if free := self._free_ordinals[identity]:
            return heapq.heappop(free)
        ordinal = self._counts[identity]
        self._counts[identity] += 1
        return ordinal

    async def _submit(
        self, request: JobRequest, submit: Submit, identity: str, ordinal: int
    ) -> JobRecord:
        async with self._lock(identity, ordinal):
            entry = self._journal.find(identity, ordinal)
            if entry is not None and entry.state is EntryState.INTENT:
                await self._settle(entry, self._as_submitted(entry, request))
                entry = self._journal.find(identity, ordinal)
            if entry is not None and not await self._starts_over(entry, request):
                return await self._continue(entry, request)
            log = JournaledSubmission(self._journal, request, identity, ordinal)
            return await submit(request, log)

    def _as_submitted(self, entry: Entry, request: JobRequest) -> JobRequest | None:
        """Return the request with the changes of its last submission; None if some are unknown."""
        return self._changed([*self._journal.earlier(entry), entry], request)

    def _changed(self, entries: Sequence[Entry], request: JobRequest) -> JobRequest | None:
        """Return a request with the changes of several submissions; None if some are unknown."""
        changes: dict[str, Any] = {}
        for each in entries:
            changes |= changes_of(each.decision)
        if not changes.keys() <= _READABLE:
            return None
        return request.replace(**changes)

    def _part_as_submitted(self, entry: Entry, array: JobRequest) -> JobRequest | None:
        """Return the request of a part of an array; None if some of its changes are unknown."""
        first, *others = [*self._journal.earlier(entry), entry]
        changed = self._changed([first], array)
        if changed is None:
            return None
        return self._changed(others, smaller_array(changed, indexes_of(first.decision)))

    async def resume(self) -> tuple[list[JobRecord], list[SubmitUncertain]]:
        """Return all jobs of the journal in their order, and submissions that cannot be settled.

        Raises:
            JournalError: The journal cannot be read.
        """
        errors: list[SubmitUncertain] = []
        # Records are held weakly: without this list, some would be freed before all exist.
        held: list[JobRecord] = []
        async with anyio.create_task_group() as group:
            for entry in self._journal:
                if entry.state is EntryState.INTENT:
                    group.start_soon(self._try_to_settle, entry, errors)
            # Live jobs come first: they may have changed since the journal was written.
            held += [
                await self._continue(entry, None)
                async for entry in self._accepted()
                if entry.state not in ENDED
            ]
        return [await self._continue(entry, None) async for entry in self._accepted()], errors

    async def _accepted(self) -> AsyncIterator[Entry]:
        """Yield the submissions that have a job; let other tasks run now and then."""
        for number, entry in enumerate(self._journal):
            if number % _CHECKPOINT_EVERY == 0:
                await anyio.lowlevel.checkpoint()
            # Parts of an array are continued with the array.
            if entry.job_id is not None and array_of(entry.identity) is None:
                yield entry

    async def _try_to_settle(self, entry: Entry, errors: list[SubmitUncertain]) -> None:
        async with self._lock(entry.identity, entry.ordinal):
            try:
                # It may have been settled, or replaced, while this waited for the lock.
                if entry.state is EntryState.INTENT and self._is_current(entry):
                    await self._settle(entry, None)
            except SubmitUncertain as error:
                errors.append(error)

    def _is_current(self, entry: Entry) -> bool:
        return self._journal.find(entry.identity, entry.ordinal) is entry

    async def _settle(self, entry: Entry, request: JobRequest | None) -> None:
        """Look up a submission that was in progress when the last program ended.

        Raises:
            SubmitUncertain: That cannot be decided.
        """
        submission = _submission(entry)
        submission.request = request
        submission.twins = lambda: self._twins(entry)
        self._settling.add(entry.number)
        try:
            job_id = await self._submitter.settle(submission)
        finally:
            self._settling.discard(entry.number)
        if job_id is None:
            logger.info("journal: submission of %s was not accepted", entry.name)
            self._journal.withdrawn(entry)
        else:
            logger.info("journal: submission of %s was accepted as job %s", entry.name, job_id)
            self._journal.accepted(entry, job_id)

    async def resolve(
        self, api: API, *, key: str | None, name: str | None, job_id: str | None
    ) -> None:
        """Settle an undecided submission as a person says.

        Raises:
            InvalidRequest: There is none, there are several that differ, or the job is not its job.
            APIError: AWS refused to describe the job.
        """
        field, value = ("name", name) if key is None else ("key", key)
        entries = [
            entry
            for entry in self._journal
            if entry.state is EntryState.INTENT
            and (entry.name == name if key is None else key_of(entry.identity) == key)
        ]
        if not entries:
            raise InvalidRequest(field, value, "the journal has no undecided submission with it")
        if job_id is not None:
            entries = await self._that_may_have(api, job_id, entries)
        if len({entry.identity for entry in entries}) > 1:
            rule = (
                "several undecided submissions have it, and their requests differ. Run the program"
                " again, which compares their content, or pass key= if they have one"
            )
            raise InvalidRequest(field, value, rule)
        entry = entries[0]  # the oldest of equal ones
        async with self._lock(entry.identity, entry.ordinal):
            if entry.state is not EntryState.INTENT or not self._is_current(entry):
                raise InvalidRequest(field, value, "the submission was settled meanwhile")
            if job_id is None:
                self._journal.withdrawn(entry)
            else:
                self._require_unused(job_id)
                self._journal.accepted(entry, job_id)
        logger.info("journal: submission of %s resolved as job %s", entry.name, job_id)

    async def _that_may_have(self, api: API, job_id: str, entries: list[Entry]) -> list[Entry]:
        """Return the submissions that can have made a job."""
        self._require_unused(job_id)
        described = await api.describe_jobs([job_id])
        if not described:
            raise InvalidRequest("job_id", job_id, "AWS does not know this job")
        differences = [
            difference(_submission(entry), entry.array_size, described[0]) for entry in entries
        ]
        if None not in differences:
            rule = f"this job was not made by that submission: {differences[0]}"
            raise InvalidRequest("job_id", job_id, rule)
        return [entry for entry, why in zip(entries, differences, strict=True) if why is None]

    def _require_unused(self, job_id: str) -> None:
        if self._journal.of_job(job_id) is not None:
            rule = "the journal has this job already, for another submission"
            raise InvalidRequest("job_id", job_id, rule)

    def _twins(self, entry: Entry) -> int:
        """Return how many other submissions may have made a job like that of an entry.

        Only those that are not looked up at present: look-ups know of each other.
        """
        return sum(
            other.state is EntryState.INTENT
            and other is not entry
            and other.number not in self._settling
            and _may_be_equal(other, entry)
            for other in self._left_undecided
        )

    async def _continue(self, entry: Entry, request: JobRequest | None) -> JobRecord:
        """Return the record of a job in the journal: with its end, or followed.

        Args:
            entry: Its last submission.
            request: The request that the user made; None where only the journal knows the job.
        """
        assert entry.job_id is not None  # noqa: S101 - else it is an intent, which was settled
        record = self._records.record(entry.job_id, entry.name, entry.array_size)
        await self._attach_recovery(record, entry, request)
        if not record.is_finished:
            await self._follow(record, entry)
        return record.latest

    async def _follow(self, record: JobRecord, entry: Entry) -> None:
        """Take a job's end from the journal, or follow it."""
        if entry.state in ENDED:
            record.update(await self._journal.description(entry))
        else:
            self._records.poller.follow(record, queue=entry.queue)

    async def _attach_recovery(
        self, record: JobRecord, entry: Entry, request: JobRequest | None
    ) -> None:
        """Recover a job with the submissions that it had already."""
        policy = self._recovery.policy_of(request)
        if record.logical is not None:
            # `resume`, which has no request, may have continued it before.
            is_new = request is not None and record.logical.take_policy(
                policy, None if self._journal.earlier(entry) else request
            )
            if is_new or record.lost is not None:
                record.reconsider()
            return
        submissions = self._journal.earlier(entry)
        if self._continues_lost(submissions, record, entry):
            return
        earlier = [await self._submission(each) for each in submissions]
        if policy is None and (earlier or self.has_parts(record.id)):
            policy = RecoveryPolicy()  # without rules: what was submitted before is followed
        attach(
            self._recovery,
            record,
            # Of a job that was submitted again, only its description has all changes.
            None if earlier else request,
            policy,
            earlier=earlier,
            rule=rule_of(entry.decision),
            name=None if entry.has_unique_name else entry.name,
        )
        record.reconsider()  # it may have ended before its policy was known

    def _continues_lost(self, earlier: Sequence[Entry], record: JobRecord, entry: Entry) -> bool:
        """Continue a job whose next submission was uncertain and is known now, if it is in use."""
        previous = self._records.get(earlier[-1].job_id or "") if earlier else None
        if previous is None or not previous.is_settled:
            return False
        if not isinstance(previous.logical, LogicalJob):
            return False
        previous.lost = None
        previous.logical.continue_as(previous, record, rule_of(entry.decision))
        return True

    async def _submission(self, entry: Entry) -> JobSubmission:
        """Return a submission whose job has ended."""
        result = result_of(await self._journal.description(entry))
        log_tail = await self._journal.log_tail(entry)
        return submission_of(result, rule=rule_of(entry.decision), log_tail=log_tail)

    # -- recovery ---------------------------------------------------------------------------------

    def note_failed(self, description: JobDescription) -> None:
        """Write the end of a job that is going to be submitted again."""
        entry = self._journal.of_job(description.job_id)
        if entry is not None:
            self._journal.ended(entry, description)

    def keep_log(self, job_id: str, events: Sequence[LogEvent]) -> None:
        """Write the last log lines of a job that is going to be submitted again."""
        entry = self._journal.of_job(job_id)
        if entry is not None:
            self._journal.keep_log(entry, events)

    async def submit_again(
        self, job_id: str, request: JobRequest, decision: Resubmission, submit: SubmitFurther
    ) -> JobRecord:
        """Submit the job that follows another one, as an intent if that is in the journal."""
        entry = self._journal.of_job(job_id)
        if entry is None:
            return await submit(request, None)
        # Another caller with the same request, or `resume`, must not look it up meanwhile.
        async with self._lock(entry.identity, entry.ordinal):
            text = decision_text(decision.rule, decision.changes)
            log = JournaledSubmission(
                self._journal, request, entry.identity, entry.ordinal, decision=text
            )
            return await submit(request, log)

    async def submit_part(
        self,
        array_id: str,
        request: JobRequest,
        decision: Resubmission,
        indexes: Sequence[int],
        submit: SubmitFurther,
    ) -> JobRecord:
        """Submit a part of an array, as an intent if the array is in the journal."""
        if self._journal.of_job(array_id) is None:
            return await submit(request, None)
        identity = part_identity(array_id, indexes)
        async with self._lock(identity, 0):
            text = decision_text(decision.rule, decision.changes, indexes)
            log = JournaledSubmission(self._journal, request, identity, 0, decision=text)
            return await submit(request, log)

    def note_stopped(self, job_ids: Iterable[str]) -> None:
        """Write that a caller terminated or cancelled jobs or children of arrays."""
        for job_id in job_ids:
            self._journal.stopped(job_id)

    async def flush(self) -> None:
        """Write now what is not on disk yet."""
        await self._journal.flush()

    def is_stopped(self, job_id: str) -> bool:
        """Return whether a caller, perhaps of an earlier program, terminated or cancelled it."""
        return self._journal.is_stopped(job_id)

    def has_parts(self, array_id: str) -> bool:
        """Return whether children of an array were submitted again."""
        return bool(self._journal.parts(array_id))

    async def parts(
        self, array_id: str, request: JobRequest | None, adopt: Adopt
    ) -> list[tuple[JobRecord, Sequence[int]]]:
        """Return the parts of an array that earlier programs submitted, with their indexes.

        Raises:
            SubmitUncertain: It cannot be decided whether one of them was accepted.
        """
        parts: list[tuple[JobRecord, Sequence[int]]] = []
        for entry in self._journal.parts(array_id):
            async with self._lock(entry.identity, entry.ordinal):
                if entry.state is EntryState.INTENT and self._is_current(entry):
                    await self._settle(entry, request and self._part_as_submitted(entry, request))
            current = self._journal.find(entry.identity, entry.ordinal)
            if current is None or current.job_id is None:
                continue
            earlier = self._journal.earlier(current)
            record = self._records.record(current.job_id, current.name, current.array_size)
            submissions = [await self._submission(each) for each in earlier]
            adopt(record, submissions, rule_of(current.decision))
            if not record.is_finished:
                await self._follow(record, current)
            parts.append((record, self._indexes_of(current)))
        return parts

    async def _starts_over(self, entry: Entry, request: JobRequest) -> bool:
        """Return whether a request is submitted as a new job, as the one that it has failed."""
        if not (self._reruns_failed and entry.state in (EntryState.FAILED, EntryState.LOST)):
            return False
        record = None if entry.job_id is None else self._records.get(entry.job_id)
        if record is not None and not record.latest.is_settled:
            return False  # it is being submitted again, as its policy decides
        policy = self._recovery.policy_of(request)
        if policy is None and entry.job_id is not None and self.has_parts(entry.job_id):
            policy = RecoveryPolicy()  # they may be live
        if policy is None or entry.state is EntryState.LOST:
            return True
        return await self._is_exhausted(policy, entry, [])

    async def _is_exhausted(
        self, policy: RecoveryPolicy, entry: Entry, before: Sequence[JobSubmission]
    ) -> bool:
        """Return whether a job has failed for good: neither it nor a child is submitted again.

        Args:
            policy: Its policy.
            entry: Its last submission.
            before: The arrays that it is a part of.
        """
        result = result_of(await self._journal.description(entry))
        earlier = [await self._submission(each) for each in self._journal.earlier(entry)]
        last = submission_of(result, rule=rule_of(entry.decision))
        submissions = [*before, *earlier, last]
        if self._recovery.is_stopped(each.job_id for each in submissions):
            policy = RecoveryPolicy()  # without rules: nothing is submitted again
        if self._recovery.decision(policy, None, result, submissions) is not None:
            return False
        failure = result.failure
        if failure is None or failure.kind is not FailureKind.ARRAY_CHILD:
            return True
        return await self._are_children_exhausted(policy, result, submissions)

    async def _are_children_exhausted(
        self, policy: RecoveryPolicy, result: JobResult, submissions: Sequence[JobSubmission]
    ) -> bool:
        """Return whether no child of a failed array is submitted again, and one has failed."""
        children = await self._recovery.failed_children(result.description)
        failed = {index_of(each.job_id): each for each in children}
        has_failed = False
        for part in self._journal.parts(result.job_id):
            for index in self._indexes_of(part):
                failed.pop(index, None)
            if part.state in (EntryState.INTENT, EntryState.SUBMITTED):
                return False
            if part.state is EntryState.FAILED:
                if not await self._is_exhausted(policy, part, submissions):
                    return False
                has_failed = True
        results = [
            JobResult(description=each, failure=failure_of(each)) for each in failed.values()
        ]
        if any(
            self._recovery.decision(policy, None, each, submissions)
            for each in results
            if not self._journal.is_stopped(each.job_id)
        ):
            return False
        return has_failed or bool(results)  # else its failed children have succeeded in parts

    def _indexes_of(self, part: Entry) -> list[int]:
        """Return the indexes of a part of an array, which its first submission has."""
        return indexes_of([*self._journal.earlier(part), part][0].decision)

    def _lock(self, identity: str, ordinal: int) -> anyio.Lock:
        """Return the lock of a request, so that it is not submitted twice at the same time."""
        lock = self._locks.get((identity, ordinal))
        if lock is None:
            lock = self._locks[identity, ordinal] = anyio.Lock(fast_acquire=True)
        return lock


def _submission(entry: Entry) -> Submission:
    """Return what the journal knows of a submission."""
    return Submission(
        name=entry.name,
        queue=entry.queue,
        job_definition=entry.job_definition,
        since=entry.since,
        has_unique_name=entry.has_unique_name,
        tag=entry.tag,
        settle_by=_settle_by(entry.identity, entry.name),
    )


def _may_be_equal(one: Entry, other: Entry) -> bool:
    """Return whether two submissions may have the same content."""
    if not (key_of(one.identity) or key_of(other.identity)):
        return one.identity == other.identity
    # A key stands for any content.
    return (one.name, one.queue, one.job_definition, one.array_size) == (
        *(other.name, other.queue, other.job_definition),
        other.array_size,
    )


def _settle_by(identity: str, name: str) -> str:
    key = key_of(identity)
    return f"name={name!r}" if key is None else f"key={key!r}"
