"""What a progress display shows: counts of jobs by state, throughput, remaining time, reasons.

A `Progress` counts the events of clients; a `Snapshot` is what it has counted at one moment. Both
are pure: they draw nothing and import no library.

Theory of operation
-------------------
An array job counts as its children. A job that a `RecoveryPolicy` submits several times counts as
one: its failed submissions leave the counts when the next one is reported. A job has *ended* when
nothing can change its end any more, so the number of ended jobs never goes down. A job that is
FAILED and may be submitted again has not ended. Of an array, AWS updates the counts of its children
with a delay, and a list may be older than a description: a child that was counted as ended stays
so.
"""

import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.events import (
    Event,
    JobBlocked,
    JobFinished,
    JobLost,
    JobResubmitted,
    JobSubmitted,
    StatusChanged,
)
from asyncbatch._values.failures import wait_reason_of
from asyncbatch._values.results import Failure, JobResult
from asyncbatch._values.showing import LOST
from asyncbatch._values.status import JobStatus
from asyncbatch.progress._throughput import Throughput

_KEPT_FAILURES = 10
_SHOWN_ARRAYS = 3
_SHOWN_REASONS = 3

_PART = re.compile("[:#]")
_ONE: Mapping[str, Mapping[str, int]] = {state: {state: 1} for state in JobStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedJob:
    """A job that ended FAILED.

    Attributes:
        name: Job name.
        job_id: Job id.
        message: Why it failed.
    """

    name: str
    job_id: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingJobs:
    """Jobs that wait for the same reason, which AWS names.

    Attributes:
        jobs: Number of jobs.
        example: Name of one of them.
        reason: Why they wait.
    """

    jobs: int
    example: str
    reason: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayProgress:
    """How far an array job is.

    Attributes:
        name: Job name.
        job_id: Job id.
        size: Number of children.
        ended: Number of children that have ended.
        failed: Number of children that FAILED.
    """

    name: str
    job_id: str
    size: int
    ended: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a `Progress` has counted at one moment.

    Attributes:
        elapsed: Seconds since the display was opened.
        counts: Number of jobs by state, without empty states, in the order of the states; ``LOST``
            counts jobs that AWS no longer knows.
        ended: Number of jobs that have ended; it never goes down.
        total: Number of jobs, or the number that is expected if that is larger.
        per_second: Jobs that end per second, over the last quarter of the time; None before the
            first.
        remaining: Estimated seconds until all jobs have ended; None while that is not known.
        resubmitted: How often a `RecoveryPolicy` submitted a job again.
        last_resubmission: The last of these, in words; empty before.
        failed: Number of jobs that were reported as FAILED.
        failures: The newest of these, the last one first.
        waiting: Jobs that wait for a reason, the most frequent reasons first.
        arrays: Array jobs that have not ended; the first few.
    """

    elapsed: float
    counts: Mapping[str, int]
    ended: int
    total: int
    per_second: float | None = None
    remaining: float | None = None
    resubmitted: int = 0
    last_resubmission: str = ""
    failed: int = 0
    failures: tuple[FailedJob, ...] = ()
    waiting: tuple[WaitingJobs, ...] = ()
    arrays: tuple[ArrayProgress, ...] = ()


@dataclass(slots=True)
class _Job:
    """One job, or all children of an array.

    Attributes:
        name: Job name.
        size: Number of jobs that it counts for; changes when children are submitted again.
        is_array: Whether it is an array.
        shares: Number of jobs by state.
        is_open: Whether the end of a job that is FAILED may still change: it may be submitted
            again, or it was only listed and not described yet.
        ended: Number of jobs that have ended.
    """

    name: str = ""
    size: int = 1
    is_array: bool = False
    shares: Mapping[str, int] = field(default_factory=dict)
    is_open: bool = False
    ended: int = 0


class Progress:
    """Counts the jobs of one or several clients; it is an observer of them.

    Made by `display`. It may be called from one thread and read from another.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        expected: int | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        """Start with no jobs.

        Args:
            clock: Returns the time in seconds.
            expected: Number of jobs that are expected; None for as many as are reported.
            only: Ids of the jobs to count; None counts all.
        """
        self._clock = clock
        self._started_at = clock()
        self._expected = expected or 0
        self._only = None if only is None else set(only)
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}
        self._counts: Counter[str] = Counter(dict.fromkeys([*JobStatus, LOST], 0))
        self._ended = 0
        self._throughput = Throughput(self._started_at)
        self._arrays: dict[str, _Job] = {}
        self._waiting: dict[str, str] = {}
        self._reasons: dict[str, WaitingJobs] = {}
        self._failed = 0
        self._failures: deque[FailedJob] = deque(maxlen=_KEPT_FAILURES)
        self._resubmitted = 0
        self._last_resubmission = ""
        self._on_change: Callable[[], None] = lambda: None

    def __call__(self, event: Event, /) -> None:
        """Count an event of a client."""
        take = self._take.get(type(event))
        if take is None:
            return
        with self._lock:
            has_changed = take(self, event)
        if has_changed:
            self._on_change()

    def on_change(self, function: Callable[[], None]) -> None:
        """Call a function whenever a count has changed."""
        self._on_change = function

    def add(
        self,
        description: JobDescription,
        *,
        array_size: int | None = None,
        may_be_resubmitted: bool = False,
        previous_id: str | None = None,
    ) -> None:
        """Count a job that was submitted before the display was opened.

        Args:
            description: The job now; a job that was not described yet is SUBMITTED.
            array_size: Number of children of an array; None for a plain job.
            may_be_resubmitted: Whether it may be submitted again if it fails.
            previous_id: Id of the submission that failed before it, such as that of the array whose
                children it runs again; those are counted in this job only. Add that one first.
        """
        with self._lock:
            job_id = description.job_id
            if self._only is not None:
                self._only.add(job_id)
            if self._is_part_of_known(job_id) or job_id in self._jobs:
                return
            self._put_new(job_id, description.name, array_size)
            self._take_status(job_id, description, may_be_resubmitted=may_be_resubmitted)
            if (reason := wait_reason_of(description)) is not None:
                self._put_waiting(description, reason)
            if previous_id is not None:
                self._take_over(previous_id, self._jobs[job_id])
            # What ended before says nothing about the throughput.
            self._throughput = Throughput(self._started_at, self._ended)

    def snapshot(self) -> Snapshot:
        """Return what has been counted so far."""
        with self._lock:
            now = self._clock()
            total = max(self._counts.total(), self._expected)
            left = total - self._ended
            # When all have ended, it stays what it was then.
            measured_at = now if left else self._throughput.last_at
            per_second = self._throughput.per_second(measured_at, self._ended)
            return Snapshot(
                elapsed=now - self._started_at,
                counts={state: count for state, count in self._counts.items() if count},
                ended=self._ended,
                total=total,
                per_second=per_second,
                remaining=left / per_second if per_second and left else None,
                resubmitted=self._resubmitted,
                last_resubmission=self._last_resubmission,
                failed=self._failed,
                failures=tuple(reversed(self._failures)),
                waiting=self._most_frequent_reasons(),
                arrays=self._first_arrays(),
            )

    # -- events -----------------------------------------------------------------------------------

    def _submitted(self, event: JobSubmitted) -> bool:
        known = self._jobs.get(event.job_id)
        if known is not None:
            return False
        self._put_new(event.job_id, event.name, event.array_size)
        return self._is_counted(event.job_id)

    def _status_changed(self, event: StatusChanged) -> bool:
        job_id = event.job_id
        # Of an earlier program: else it was reported as submitted before.
        previous_id = None if job_id in self._jobs else event.previous_id
        if self._only is not None and previous_id is not None and self._is_wanted(previous_id):
            self._only.add(job_id)
        has_changed = self._take_status(
            job_id, event.description, may_be_resubmitted=event.may_be_resubmitted
        )
        if previous_id is not None and job_id in self._jobs:
            self._take_over(previous_id, self._jobs[job_id])
        return has_changed

    def _blocked(self, event: JobBlocked) -> bool:
        if not self._is_wanted(event.job_id):
            return False
        self._put_waiting(event.description, event.reason)
        return True

    def _resubmitted_as(self, event: JobResubmitted) -> bool:
        """Count jobs that failed only as those that were submitted for them."""
        if not self._is_wanted(event.previous_id):
            return False
        if self._only is not None and event.job_id not in self._only:
            self._count_from_now_on(event.job_id)
        following = self._jobs.get(event.job_id)
        if following is not None:
            self._take_over(event.previous_id, following)
        self._resubmitted += 1
        name = following.name if following else event.job_id
        self._last_resubmission = (
            f"{name}: submission {event.submission} after {event.failure.kind}"
        )
        return True

    def _take_over(self, previous_id: str, following: _Job) -> None:
        """Count failed jobs of a submission no more: they are counted in the following one."""
        previous = self._jobs.get(previous_id)
        if previous is not None:
            shares = dict(previous.shares)
            failed = shares.get(JobStatus.FAILED, 0)
            shares[JobStatus.FAILED] = max(failed - following.size, 0)
            previous.size -= failed - shares[JobStatus.FAILED]
            self._put(previous_id, previous, shares)

    def _count_from_now_on(self, job_id: str) -> None:
        """Count a job that was submitted for one that is counted."""
        assert self._only is not None  # noqa: S101 - else all jobs are counted
        self._only.add(job_id)
        job = self._jobs.pop(job_id, None)
        if job is not None:
            self._put_new(job_id, job.name, job.size if job.is_array else None)
            self._put(job_id, self._jobs[job_id], job.shares)

    def _finished(self, event: JobFinished) -> bool:
        return self._has_ended(event.job_id, event.result)

    def _has_ended(self, job_id: str, result: JobResult) -> bool:
        self._no_longer_waits(job_id)
        job = self._jobs.get(job_id)
        if job is None or not self._is_wanted(job_id):
            return False
        self._put(job_id, job, job.shares, is_open=False)
        if job.is_array:
            self._arrays.pop(job_id, None)
        # A job that was lost may be continued, and end a second time.
        is_known = any(each.job_id == job_id for each in self._failures)
        if not result.succeeded and not is_known:
            self._failed += 1
            message = result.failure.message if result.failure else "AWS gave no reason"
            failed = FailedJob(name=result.name or job.name, job_id=job_id, message=message)
            self._failures.append(failed)
        return True

    def _lost(self, event: JobLost) -> bool:
        if event.result is not None:  # FAILED, and not submitted again
            return self._has_ended(event.job_id, event.result)
        self._no_longer_waits(event.job_id)
        if self._is_part_of_known(event.job_id):
            return False
        job = self._jobs.get(event.job_id) or self._put_new(event.job_id, "", None)
        self._arrays.pop(event.job_id, None)
        return self._put(event.job_id, job, {LOST: job.size})

    _take: ClassVar[Mapping[type, Callable[..., bool]]] = {
        JobSubmitted: _submitted,
        StatusChanged: _status_changed,
        JobBlocked: _blocked,
        JobResubmitted: _resubmitted_as,
        JobFinished: _finished,
        JobLost: _lost,
    }

    # -- counting ---------------------------------------------------------------------------------

    def _take_status(
        self, job_id: str, description: JobDescription, *, may_be_resubmitted: bool
    ) -> bool:
        if description.status is not JobStatus.RUNNABLE:
            self._no_longer_waits(job_id)
        if self._is_part_of_known(job_id):
            return False
        job = self._jobs.get(job_id)
        if job is None:
            array = description.array
            job = self._put_new(job_id, description.name, array.size if array else None)
        job.name = description.name or job.name
        # A description may contradict the list that had the job as ended.
        is_open = may_be_resubmitted or (description.is_summary and not job.is_array)
        shares = _children(description, job) if job.is_array else _one(description.status)
        return self._put(job_id, job, shares, is_open=is_open)

    def _put_new(self, job_id: str, name: str, array_size: int | None) -> _Job:
        job = self._jobs[job_id] = _Job(name, array_size or 1, array_size is not None)
        if job.is_array and self._is_wanted(job_id):
            self._arrays[job_id] = job
        self._put(job_id, job, {JobStatus.SUBMITTED: job.size})
        return job

    def _put(
        self, job_id: str, job: _Job, shares: Mapping[str, int], *, is_open: bool | None = None
    ) -> bool:
        """Change the counts of a job; return whether that changes what is shown."""
        before = job.shares
        is_open = job.is_open if is_open is None else is_open
        if shares == before and is_open == job.is_open:
            return False
        job.shares, job.is_open = shares, is_open
        ended, job.ended = job.ended, _ended(job)
        if self._only is not None and not self._is_wanted(job_id):
            return False
        if shares is not before:
            counts = self._counts
            for state, count in before.items():
                counts[state] -= count
            for state, count in shares.items():
                counts[state] += count
        if job.ended != ended:
            self._ended += job.ended - ended
            self._throughput.note(self._clock(), self._ended)
        return True

    def _is_counted(self, job_id: str) -> bool:
        return self._is_wanted(job_id) and not self._is_part_of_known(job_id)

    def _is_wanted(self, job_id: str) -> bool:
        return self._only is None or job_id in self._only or _parent(job_id) in self._only

    def _is_part_of_known(self, job_id: str) -> bool:
        """Return whether this is an array child or a node whose parent is counted already."""
        parent = _parent(job_id)
        return parent != job_id and parent in self._jobs

    # -- what waits, and arrays -------------------------------------------------------------------

    def _put_waiting(self, description: JobDescription, reason: Failure) -> None:
        self._no_longer_waits(description.job_id)
        known = self._reasons.get(reason.message)
        self._reasons[reason.message] = WaitingJobs(
            jobs=1 if known is None else known.jobs + 1,
            example=known.example if known else description.name or description.job_id,
            reason=reason,
        )
        self._waiting[description.job_id] = reason.message

    def _no_longer_waits(self, job_id: str) -> None:
        message = self._waiting.pop(job_id, None) if self._waiting else None
        if message is None:
            return
        known = self._reasons.pop(message)
        if known.jobs > 1:
            self._reasons[message] = WaitingJobs(
                jobs=known.jobs - 1, example=known.example, reason=known.reason
            )

    def _most_frequent_reasons(self) -> tuple[WaitingJobs, ...]:
        reasons = sorted(self._reasons.values(), key=lambda each: -each.jobs)
        return tuple(reasons[:_SHOWN_REASONS])

    def _first_arrays(self) -> tuple[ArrayProgress, ...]:
        shown: list[ArrayProgress] = []
        for job_id, job in self._arrays.items():
            if len(shown) == _SHOWN_ARRAYS:
                break
            shown.append(
                ArrayProgress(
                    name=job.name or job_id,
                    job_id=job_id,
                    size=job.size,
                    ended=job.ended,
                    failed=job.shares.get(JobStatus.FAILED, 0),
                )
            )
        return tuple(shown)


def _parent(job_id: str) -> str:
    """Return the id of the job that a child or a node belongs to; its own id for other jobs."""
    if ":" not in job_id and "#" not in job_id:  # nearly all
        return job_id
    return _PART.split(job_id, maxsplit=1)[0]


def _ended(job: _Job) -> int:
    """Return how many of the jobs have ended."""
    shares = job.shares
    ended = shares.get(LOST, 0)
    if job.is_array or not job.is_open:
        ended += shares.get(JobStatus.SUCCEEDED, 0)
    if not job.is_open:
        ended += shares.get(JobStatus.FAILED, 0)
    return ended


def _one(status: JobStatus) -> Mapping[str, int]:
    """Return the counts of one job."""
    return _ONE.get(status) or {status: 1}


def _children(description: JobDescription, job: _Job) -> Mapping[str, int]:
    """Return the number of children of an array by state.

    AWS updates statusSummary with a delay. Children that it does not count yet have not started. If
    the parent is FAILED, all children have ended: those that did not succeed have failed.
    """
    size = job.size
    if description.status is JobStatus.SUCCEEDED:
        return {JobStatus.SUCCEEDED: size}
    known = description.array.status_summary if description.array else {}
    succeeded = _at_most(size, JobStatus.SUCCEEDED, known, job.shares)
    if description.status is JobStatus.FAILED:
        ended = {JobStatus.SUCCEEDED: succeeded, JobStatus.FAILED: size - succeeded}
        return {state: count for state, count in ended.items() if count}
    failed = _at_most(size - succeeded, JobStatus.FAILED, known, job.shares)
    shares: dict[str, int] = {JobStatus.SUCCEEDED: succeeded, JobStatus.FAILED: failed}
    left = size - succeeded - failed
    for state, count in known.items():
        if not state.is_terminal:
            shares[state] = min(count, left)
            left -= shares[state]
    shares[JobStatus.SUBMITTED] = shares.get(JobStatus.SUBMITTED, 0) + left
    return {state: count for state, count in shares.items() if count}


def _at_most(
    limit: int, state: JobStatus, known: Mapping[JobStatus, int], before: Mapping[str, int]
) -> int:
    """Return how many children are in a state in which they stay."""
    return min(max(known.get(state, 0), before.get(state, 0)), limit)
