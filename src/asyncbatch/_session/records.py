"""What an open session knows about jobs: one `JobRecord` for each job in use.

A record exists while a handle, a waiter, a log reader or the poller uses it: `JobRecords` holds it
weakly, the poller holds it until the job's end is known. Handles are made from records, in a layer
above; a record has only a weak reference to its handle, so that there is one handle per job.

A job that failed may be submitted again (`recovery`). Its record is then not settled; the record of
the next submission takes over its waiters, its callbacks and its handle.
"""

import asyncio
import dataclasses
import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol
from weakref import ReferenceType, WeakValueDictionary

import anyio

from asyncbatch._polling.changes import differs, is_status_change
from asyncbatch._polling.poller import Poller
from asyncbatch._session.background import require_loop
from asyncbatch._session.blocked_jobs import BlockedJobs
from asyncbatch._session.observers import Observers
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError, ClientClosed, JobVanished, copy_of
from asyncbatch._values.events import JobFinished, JobLost, StatusChanged
from asyncbatch._values.failures import result_of
from asyncbatch._values.part_ids import child_index

if TYPE_CHECKING:
    from asyncbatch._values.recovery import RecoveryPolicy
    from asyncbatch._values.requests import JobRequest
    from asyncbatch._values.results import JobResult, JobSubmission

logger = logging.getLogger("asyncbatch")

_SIBLINGS = 100
"""Children that are followed together: one DescribeJobs takes as many ids."""

DoneCallback = Callable[["JobRecord", AsyncBatchError | None], None]
"""Called once: when the job's end is known, or with the error that ended polling before."""


class Logical(Protocol):
    """A job with all its submissions: the session's `LogicalJob`."""

    submissions: "list[JobSubmission]"

    def note(self, record: "JobRecord", description: JobDescription) -> None:
        """Take a description of a live job."""
        ...

    def take_policy(self, policy: "RecoveryPolicy | None", request: "JobRequest | None") -> bool:
        """Take what became known later; return whether the policy differs from the one before."""
        ...

    def continues(self, record: "JobRecord") -> bool:
        """Return whether a job that has ended is submitted again; if so, that is started."""
        ...

    async def stop(self) -> None:
        """Submit no more; returns when a submission that was in progress has ended."""
        ...

    def abandon(self) -> None:
        """Note that the end of the job will not be known."""
        ...

    def part_of(self, index: int) -> "JobRecord | None":
        """Return the record of an array's child that runs again; None for another child."""
        ...

    async def stop_child(self, index: int) -> None:
        """Run a child of an array no more; returns when a submission that was in progress ended."""
        ...

    def live_ids(self) -> list[str]:
        """Return the ids of further jobs that are to be terminated with this one."""
        ...


class JobRecords:
    """The records of the jobs in use, and what they share.

    Attributes:
        recovering: Records whose job failed and is being submitted again.
    """

    def __init__(self, poller: Poller, observers: Observers) -> None:
        """Start with no jobs; they are followed by `poller`, their events go to `observers`."""
        self.poller = poller
        self.observers = observers
        self.blocked = BlockedJobs(observers.report)
        self.closed: ClientClosed | None = None
        self.recovering: set[JobRecord] = set()
        self._loop = asyncio.get_running_loop()
        self._records: WeakValueDictionary[str, JobRecord] = WeakValueDictionary()

    def require_open(self) -> None:
        """Raise unless the client is open.

        Raises:
            ClientClosed: It was closed, its background task crashed, or this is another event loop,
                where waiting would never end.
        """
        if self.closed is not None:
            # A new error for each caller: callers add notes to it and set its `submitted`.
            raise ClientClosed(*self.closed.args) from self.closed.__cause__
        require_loop(self._loop)

    def get(self, job_id: str) -> "JobRecord | None":
        """Return the record of a job if it is in use."""
        return self._records.get(job_id)

    def record(self, job_id: str, name: str = "", array_size: int | None = None) -> "JobRecord":
        """Return the record of a job, a new one if it is not in use."""
        record = self._records.get(job_id)
        if record is None:
            record = self._records[job_id] = JobRecord(self, job_id, name, array_size)
        return record

    def described(self, description: JobDescription) -> "JobRecord":
        """Return the record of a job after taking its description."""
        record = self.record(description.job_id)
        record.update(description)
        return record

    def listed(self, summary: JobDescription) -> "JobRecord":
        """Return the record of a job after taking what ListJobs returned; details are kept."""
        record = self.record(summary.job_id)
        if summary.status.is_terminal:
            record.update(summary)
        else:
            record.update_from_list(summary)
        return record

    def logical_array_of(self, child_id: str) -> Logical | None:
        """Return the array of a child, if its failed children run again; else None."""
        parent_id, colon, _ = child_id.partition(":")
        parent = self._records.get(parent_id) if colon else None
        return None if parent is None else parent.logical

    def continue_as(self, record: "JobRecord", following: "JobRecord") -> None:
        """Pass on what a settled record would have notified to that of the next submission."""
        self.recovering.discard(record)
        record.pass_on_to(following)

    def follow_siblings(self, child_id: str) -> None:
        """Follow a child of an array and the next ones in use: one call describes them all."""
        parent = child_id.partition(":")[0]
        index = child_index(child_id)
        if index is None or "#" in child_id:  # a node of a child
            return
        for place in range(index, index + _SIBLINGS):
            sibling = self._records.get(f"{parent}:{place}")
            if sibling is not None and not sibling.is_finished:
                self.poller.follow(sibling)


class _Change:
    """The next change of a job: an event to wait for, and the error if polling ended with one."""

    __slots__ = ("error", "happened")

    def __init__(self) -> None:
        self.happened = anyio.Event()
        self.error: AsyncBatchError | None = None


class _Waiting:
    """Who waits for a job: one object for all its submissions."""

    __slots__ = ("callbacks", "count", "subscriptions")

    def __init__(self) -> None:
        self.count = 0
        self.callbacks: list[DoneCallback] = []
        self.subscriptions: tuple[deque[JobDescription], ...] = ()

    def add(self, other: "_Waiting") -> None:
        """Add those who wait for another submission of the same job."""
        if other is not self:
            self.count += other.count
            self.callbacks += other.callbacks
            self.subscriptions += other.subscriptions


class JobRecord:
    """One job: its latest description, its end, and its waiters.

    Attributes:
        id: Job id.
        array_size: Number of children; None where it is no array, or that is not known.
        description: The job as AWS last described it; None until it has been seen.
        result: How it ended; None before, and where it vanished.
        lost: The error for a job whose end will not be known: AWS no longer knows it, or it could
            not be submitted again, or that is not known.
        note: What to add to the message of its failure; empty for nothing.
        logical: The job with all its submissions, if it is submitted again when it fails.
        following: Record of the next submission; None for the last one.
        handle: Weak reference to its handle, if it has one; kept by `_jobs`.
    """

    __slots__ = (
        "__weakref__",
        "_change",
        "_details_wanted",
        "_name",
        "_records",
        "_waiting",
        "array_size",
        "description",
        "following",
        "handle",
        "id",
        "logical",
        "lost",
        "note",
        "result",
    )

    def __init__(self, records: JobRecords, job_id: str, name: str, array_size: int | None) -> None:
        """Made by `JobRecords`."""
        self.id = job_id
        self.array_size = array_size
        self.description: JobDescription | None = None
        self.result: JobResult | None = None
        self.lost: AsyncBatchError | None = None
        self.note = ""
        self.logical: Logical | None = None
        self.following: JobRecord | None = None
        self.handle: ReferenceType[Any] | None = None
        self._records = records
        self._name = name
        self._change: _Change | None = None
        self._waiting = _Waiting()
        self._details_wanted = 0

    @property
    def name(self) -> str:
        """Job name; empty for a job that was not seen yet."""
        return self.description.name if self.description else self._name

    @property
    def is_finished(self) -> bool:
        """Whether the job's end is known: it SUCCEEDED, FAILED, or vanished."""
        return self.result is not None or self.lost is not None

    @property
    def is_settled(self) -> bool:
        """Whether the job's end is known and it is not submitted again."""
        return self.is_finished and self.following is None and not self.is_recovering

    @property
    def is_recovering(self) -> bool:
        """Whether the job failed and is being submitted again."""
        return self in self._records.recovering

    @property
    def latest(self) -> "JobRecord":
        """Record of the last submission."""
        record = self
        while record.following is not None:
            record = record.following
        return record

    def submissions_before_last(self) -> "list[JobRecord]":
        """Return the records from this one to the one before the last submission."""
        records: list[JobRecord] = []
        record = self
        while record.following is not None:
            records.append(record)
            record = record.following
        return records

    @property
    def is_awaited(self) -> bool:
        """Whether the job has waiters right now."""
        return self._waiting.count > 0 or bool(self._waiting.callbacks)

    @property
    def wants_details(self) -> bool:
        """Whether a waiter needs more than the state: log streams, attempts, containers."""
        return self._details_wanted > 0

    # -- what polling reports ---------------------------------------------------------------------

    def update(self, description: JobDescription) -> bool:
        """Take a newer description; return whether it differs from the one before."""
        previous = self.description
        if self.result is not None or (previous and not differs(previous, description)):
            return False
        self.description = description
        if description.array is not None and description.array.size is not None:
            self.array_size = description.array.size
        report = self._records.observers.report
        if previous is None or is_status_change(previous, description):
            report(
                StatusChanged(
                    job_id=self.id,
                    previous=previous.status if previous else None,
                    description=description,
                    may_be_resubmitted=self._logical is not None,
                    previous_id=self._previous_id,
                )
            )
            self._records.blocked.note(self, description)
        if self.logical is not None:
            self.logical.note(self, description)
        for subscription in self._waiting.subscriptions:
            subscription.append(description)
        # A summary has no attempts, and so no exit code: the description will follow.
        if description.status.is_terminal and not description.is_summary:
            self.result = result_of(description)
            if not self._continues():
                report(JobFinished(job_id=self.id, result=self.result))
                self._call_back(None)
        self._wake(None)
        return True

    @property
    def _logical(self) -> Logical | None:
        """The job with all its submissions, or the array of a child whose children run again."""
        return self.logical or self._records.logical_array_of(self.id)

    @property
    def _previous_id(self) -> str | None:
        """Id of the submission before this one; None for the first."""
        submissions = () if self.logical is None else self.logical.submissions
        ids = [each.job_id for each in submissions]
        return ids[-2] if len(ids) > 1 and ids[-1] == self.id else None

    def _continues(self) -> bool:
        """Return whether a job that has ended is submitted again, and begin that."""
        logical = self._logical
        if logical is None:
            return False
        self._records.recovering.add(self)  # until it is settled, lost, or passed on
        if not logical.continues(self):
            self._records.recovering.discard(self)
            return False
        return True

    def update_from_list(self, summary: JobDescription) -> bool:
        """Take what ListJobs returned while the job is live: its state, but no containers."""
        known = self.description
        if known is None:
            return self.update(summary)
        if known.status.is_terminal or summary.status.is_terminal:
            return False  # a summary does not show how it ended
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
        """Take the reason why the job is no longer followed; `JobVanished` is final."""
        if isinstance(error, JobVanished):
            self.lost = error
            self._records.observers.report(JobLost(job_id=self.id))
            if self.logical is not None:
                self.logical.abandon()
        self._call_back(error)
        self._wake(error)

    def reconsider(self) -> None:
        """Submit a job again, or limit the time until its start, if its policy decides so now.

        The policy may have become known after the job's end, or an error may have kept the job from
        being submitted.
        """
        if not self.is_finished and self.logical is not None and self.description is not None:
            self.logical.note(self, self.description)
        if self.result is None or not self.is_settled:
            return
        error, self.lost = self.lost, None
        if not self._continues() and error is not None:
            self._records.observers.report(JobFinished(job_id=self.id, result=self.result))

    # -- what recovery reports --------------------------------------------------------------------

    def settle(self, note: str = "", result: "JobResult | None" = None) -> None:
        """End: the job is not submitted again after all, or its parts have ended.

        Args:
            note: What to add to the message of its failure.
            result: Its result; None for that of its own submission.
        """
        self._records.recovering.discard(self)
        self.note = note or self.note
        if result is not None:
            self.result, self.description = result, result.description
            for subscription in self._waiting.subscriptions:
                subscription.append(result.description)
        if self.result is not None:
            self._records.observers.report(JobFinished(job_id=self.id, result=self.result))
        self._call_back(None)
        self._wake(None)

    def lose(self, error: AsyncBatchError) -> None:
        """End with an error: the job could not be submitted again, or that is not known."""
        self._records.recovering.discard(self)
        self.lost = error
        if not isinstance(error, ClientClosed):
            self._records.observers.report(JobLost(job_id=self.id, result=self.result))
        self._call_back(error)
        self._wake(None)

    def pass_on_to(self, following: "JobRecord") -> None:
        """Make the record of the next submission take over waiters, callbacks and handle."""
        self.following = following
        # The next submission of a child may be in use before the child itself is described, and may
        # even have ended.
        last = following.latest
        for subscription in self._waiting.subscriptions:
            subscription.extend([] if last.description is None else [last.description])
        self._waiting.add(following._waiting)  # noqa: SLF001 - of the same class
        record: JobRecord | None = following
        while record is not None:
            record.handle = self.handle or record.handle
            record._waiting = self._waiting  # noqa: SLF001 - of the same class
            record = record.following
        if last.is_settled:
            last._call_back(last.lost)  # noqa: SLF001 - as above
        elif self.is_awaited and not last.is_finished:
            self._records.poller.follow(last)
        self._records.poller.note_waiters(last)
        self._wake(None)

    # -- waiting ----------------------------------------------------------------------------------

    async def wait_for_change(self, within: float = math.inf, *, details: bool = False) -> None:
        """Follow the job and wait until something about it changed, at most `within` seconds.

        Args:
            within: Seconds.
            details: Whether more is wanted than the state, which is all that lists have.

        Raises:
            ClientClosed: The client is not open, or was closed meanwhile.
            JobVanished: AWS no longer knows the job.
            APIError: AWS refuses to describe the job.
        """
        if self.lost is not None:
            raise copy_of(self.lost)
        self._records.require_open()
        if ":" in self.id:
            self._records.follow_siblings(self.id)
        change = self._change = self._change or _Change()
        self._details_wanted += details
        self.add_waiter()
        try:
            if math.isinf(within):
                await change.happened.wait()
            else:
                with anyio.move_on_after(within):
                    await change.happened.wait()
        finally:
            self._details_wanted -= details
            self.remove_waiter()
        if change.error is not None:
            raise copy_of(change.error)

    def add_waiter(self) -> None:
        """Count one more waiter; the job is followed, and polled first while it has any."""
        self._waiting.count += 1
        record = self.latest
        if not record.is_finished:
            self._records.poller.follow(record)
            self._records.poller.note_waiters(record)

    def remove_waiter(self) -> None:
        """Count one waiter fewer."""
        self._waiting.count -= 1
        self._records.poller.note_waiters(self.latest)

    def add_done_callback(self, callback: DoneCallback) -> Callable[[], None]:
        """Follow the job and call back once: at its end, or with the error that ended polling.

        Args:
            callback: Called with the record and the error, if any; at once where the end is known.

        Returns:
            A function that removes the callback.
        """
        record = self.latest
        if record.is_settled:
            callback(record, record.lost and copy_of(record.lost))
        else:
            self._records.require_open()
            self._waiting.callbacks.append(callback)
            if not record.is_finished:
                self._records.poller.follow(record)
                self._records.poller.note_waiters(record)

        def remove() -> None:
            if callback in self._waiting.callbacks:
                self._waiting.callbacks.remove(callback)
                self._records.poller.note_waiters(self.latest)

        return remove

    @contextmanager
    def subscribed(self) -> Iterator[deque[JobDescription]]:
        """Collect the job's descriptions in a queue: the current one first, then each change."""
        subscription: deque[JobDescription] = deque()
        description = self.latest.description
        if description is not None:
            subscription.append(description)
        self._waiting.subscriptions += (subscription,)
        try:
            yield subscription
        finally:
            # By identity: two queues with equal content are different subscriptions.
            self._waiting.subscriptions = tuple(
                each for each in self._waiting.subscriptions if each is not subscription
            )

    async def settled(self) -> None:
        """Wait until the job's end is known and it is not submitted again.

        Raises:
            AsyncBatchError: As `wait_for_change`, but for a job whose end will not be known.
        """
        while not self.latest.is_settled:
            await self.latest.wait_for_change()

    async def next_submission(self, *, wait: bool) -> "JobRecord | None":
        """Return the record of the next submission; None if there is none.

        Args:
            wait: Whether to wait until that is known.

        Raises:
            AsyncBatchError: As `wait_for_change`.
        """
        while wait and self.following is None and not self.is_settled:
            await self.wait_for_change()
        return self.following

    def describe_soon(self) -> None:
        """Describe the job as soon as possible: it is about to change, or details are wanted."""
        self._records.poller.poll_soon(self.id)

    # -- parts ------------------------------------------------------------------------------------

    def live_ids(self) -> list[str]:
        """Return the ids of the jobs that are to be terminated to end this one."""
        return [self.id, *(self.logical.live_ids() if self.logical else ())]

    def child(self, index: int) -> "JobRecord":
        """Return the record of a child of an array job, of its last submission."""
        part = self.logical.part_of(index) if self.logical else None
        if part is not None:
            return part
        return self._records.record(f"{self.id}:{index}", self.name)

    def log_parts(self) -> Sequence["JobRecord"]:
        """Return the jobs that write this one's log: children of an array, nodes; else none."""
        if self.array_size is not None:
            # The first submission of each: those that follow are found by `next_submission`.
            return [
                self._records.record(f"{self.id}:{i}", self.name) for i in range(self.array_size)
            ]
        node = self.description.node if self.description else None
        if node is None or node.count is None or node.index is not None:
            return ()
        return [self._records.record(f"{self.id}#{index}") for index in range(node.count)]

    # ---------------------------------------------------------------------------------------------

    def _wake(self, error: AsyncBatchError | None) -> None:
        change, self._change = self._change, None
        if change is not None:
            change.error = error
            change.happened.set()

    def _call_back(self, error: AsyncBatchError | None) -> None:
        callbacks, self._waiting.callbacks = self._waiting.callbacks, []
        for callback in callbacks:
            try:
                callback(self, error and copy_of(error))
            except Exception:  # one waiter's trouble is no other's
                logger.exception("a callback of job %s failed; please report this", self.id)
