"""What an open session knows about jobs: one `JobRecord` for each job in use.

A record exists while a handle, a waiter, a log reader or the poller uses it: `JobRecords` holds it
weakly, the poller holds it until the job's end is known. Handles are made from records, in a layer
above; a record has only a weak reference to its handle, so that there is one handle per job.
"""

import asyncio
import dataclasses
import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakValueDictionary

import anyio

from asyncbatch._polling.changes import differs, is_status_change
from asyncbatch._polling.poller import Poller
from asyncbatch._session.background import require_loop
from asyncbatch._session.blocked_jobs import BlockedJobs
from asyncbatch._session.observers import Observers
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError, ClientClosed, JobVanished
from asyncbatch._values.events import JobFinished, JobLost, StatusChanged
from asyncbatch._values.failures import result_of

if TYPE_CHECKING:
    from asyncbatch._values.results import JobResult

logger = logging.getLogger("asyncbatch")

_SIBLINGS = 100
"""Children that are followed together: one DescribeJobs takes as many ids."""

DoneCallback = Callable[["JobRecord", AsyncBatchError | None], None]
"""Called once: when the job's end is known, or with the error that ended polling before."""


class JobRecords:
    """The records of the jobs in use, and what they share."""

    def __init__(self, poller: Poller, observers: Observers) -> None:
        """Start with no jobs; they are followed by `poller`, their events go to `observers`."""
        self.poller = poller
        self.observers = observers
        self.blocked = BlockedJobs(observers.report)
        self.closed: ClientClosed | None = None
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

    def follow_siblings(self, child_id: str) -> None:
        """Follow a child of an array and the next ones in use: one call describes them all."""
        parent, _, index = child_id.partition(":")
        if not index.isdecimal():  # a node of a child
            return
        for place in range(int(index), int(index) + _SIBLINGS):
            sibling = self._records.get(f"{parent}:{place}")
            if sibling is not None and not sibling.is_finished:
                self.poller.follow(sibling)


class _Change:
    """The next change of a job: an event to wait for, and the error if polling ended with one."""

    __slots__ = ("error", "happened")

    def __init__(self) -> None:
        self.happened = anyio.Event()
        self.error: AsyncBatchError | None = None


class JobRecord:
    """One job: its latest description, its end, and its waiters.

    Attributes:
        id: Job id.
        array_size: Number of children; None where it is no array, or that is not known.
        description: The job as AWS last described it; None until it has been seen.
        result: How it ended; None before, and where it vanished.
        vanished: The error for a job that AWS no longer knows.
        handle: Weak reference to its handle, if it has one; kept by `_jobs`.
    """

    __slots__ = (
        "__weakref__",
        "_change",
        "_details_wanted",
        "_done_callbacks",
        "_name",
        "_records",
        "_subscriptions",
        "_waiters",
        "array_size",
        "description",
        "handle",
        "id",
        "result",
        "vanished",
    )

    def __init__(self, records: JobRecords, job_id: str, name: str, array_size: int | None) -> None:
        """Made by `JobRecords`."""
        self.id = job_id
        self.array_size = array_size
        self.description: JobDescription | None = None
        self.result: JobResult | None = None
        self.vanished: JobVanished | None = None
        self.handle: ReferenceType[Any] | None = None
        self._records = records
        self._name = name
        self._change: _Change | None = None
        self._done_callbacks: list[DoneCallback] = []
        self._subscriptions: tuple[deque[JobDescription], ...] = ()
        self._waiters = 0
        self._details_wanted = 0

    @property
    def name(self) -> str:
        """Job name; empty for a job that was not seen yet."""
        return self.description.name if self.description else self._name

    @property
    def is_finished(self) -> bool:
        """Whether the job's end is known: it SUCCEEDED, FAILED, or vanished."""
        return self.result is not None or self.vanished is not None

    @property
    def is_awaited(self) -> bool:
        """Whether the job has waiters right now."""
        return self._waiters > 0 or bool(self._done_callbacks)

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
                )
            )
            self._records.blocked.note(self, description)
        # A summary has no attempts, and so no exit code: the description will follow.
        if description.status.is_terminal and not description.is_summary:
            self.result = result_of(description)
            report(JobFinished(job_id=self.id, result=self.result))
            self._call_back(None)
        # After `result` is set: a subscriber that takes the last description finds the end known.
        for subscription in self._subscriptions:
            subscription.append(description)
        self._wake(None)
        return True

    def update_from_list(self, summary: JobDescription) -> bool:
        """Take what ListJobs returned while the job is live: its state, but no containers."""
        known = self.description
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
        """Take the reason why the job is no longer followed; `JobVanished` is final."""
        if isinstance(error, JobVanished):
            self.vanished = error
            self._records.observers.report(JobLost(job_id=self.id))
        self._call_back(error)
        self._wake(error)

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
        if self.vanished is not None:
            raise self.vanished
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
            raise change.error

    def add_waiter(self) -> None:
        """Count one more waiter; the job is followed, and polled first while it has any."""
        self._waiters += 1
        if not self.is_finished:
            self._records.poller.follow(self)
            self._records.poller.note_waiters(self)

    def remove_waiter(self) -> None:
        """Count one waiter fewer."""
        self._waiters -= 1
        self._records.poller.note_waiters(self)

    def add_done_callback(self, callback: DoneCallback) -> Callable[[], None]:
        """Follow the job and call back once: at its end, or with the error that ended polling.

        Args:
            callback: Called with the record and the error, if any; at once where the end is known.

        Returns:
            A function that removes the callback.
        """
        if self.is_finished:
            callback(self, self.vanished)
        else:
            self._records.require_open()
            self._done_callbacks.append(callback)
            self._records.poller.follow(self)
            self._records.poller.note_waiters(self)

        def remove() -> None:
            if callback in self._done_callbacks:
                self._done_callbacks.remove(callback)
                self._records.poller.note_waiters(self)

        return remove

    @contextmanager
    def subscribed(self) -> Iterator[deque[JobDescription]]:
        """Collect the job's descriptions in a queue: the current one first, then each change."""
        subscription: deque[JobDescription] = deque()
        if self.description is not None:
            subscription.append(self.description)
        self._subscriptions += (subscription,)
        try:
            yield subscription
        finally:
            # By identity: two queues with equal content are different subscriptions.
            self._subscriptions = tuple(
                each for each in self._subscriptions if each is not subscription
            )

    def describe_soon(self) -> None:
        """Describe the job as soon as possible: it is about to change, or details are wanted."""
        self._records.poller.poll_soon(self.id)

    # -- parts ------------------------------------------------------------------------------------

    def child(self, index: int) -> "JobRecord":
        """Return the record of a child of an array job."""
        return self._records.record(f"{self.id}:{index}", self.name)

    def log_parts(self) -> Sequence["JobRecord"]:
        """Return the jobs that write this one's log: children of an array, nodes; else none."""
        if self.array_size is not None:
            return [self.child(index) for index in range(self.array_size)]
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
        callbacks, self._done_callbacks = self._done_callbacks, []
        for callback in callbacks:
            try:
                callback(self, error)
            except Exception:  # one waiter's trouble is no other's
                logger.exception("a callback of job %s failed; please report this", self.id)
