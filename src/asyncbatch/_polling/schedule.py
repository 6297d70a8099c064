"""Which jobs to poll next: pure bookkeeping, no clock and no I/O.

Theory of operation
-------------------
Every followed job has a *due time*. The jobs stand in a heap, soonest first; awaited jobs also
stand in a second one. When the soonest is due, `take` returns up to 100 ids: first jobs that are
due and awaited, then jobs that are due, then also jobs that are not due yet: a call for one id
costs the same as a call for a hundred, so polling early is free.

An id that was taken is *out* until `note_seen` or `note_missing` returns it with its next due time,
or it is removed. So no id is ever in two calls at once.

A job that changed is polled again soon, an unchanged one at growing intervals
(`PollPolicy.interval`). An id that the response lacks is *missing*: its intervals start over, and
once it has been missing for its whole grace time, `note_missing` reports that it has vanished.

Heap entries are never removed from the middle, which would cost a search: an entry whose due time
is no longer the job's own is stale, and skipped when it comes up.
"""

import heapq
import math
import random
from dataclasses import dataclass

from asyncbatch._values.policies import PollPolicy

BATCH_SIZE = 100
"""Ids that one DescribeJobs takes; see `api.DESCRIBE_LIMIT`."""

_PLACES_FOR_OTHERS = 10
"""Ids of a full call that are left to jobs that are not awaited."""


@dataclass(slots=True)
class _Entry:
    """Due time and history of one followed job; times are seconds on one monotonic clock."""

    due: float
    changed_at: float
    grace: float
    seen_at: float
    ever_seen: bool = False
    missing_since: float | None = None
    is_out: bool = False
    is_awaited: bool = False


_Heap = list[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class Vanished:
    """A job that was missing for its whole grace time.

    Attributes:
        ever_seen: Whether it was seen before.
        grace: Its grace time in seconds.
    """

    ever_seen: bool
    grace: float


class Schedule:
    """The due times of all followed jobs."""

    def __init__(self, policy: PollPolicy, rng: random.Random) -> None:
        """Start with no jobs; `policy` gives the intervals, `rng` their jitter."""
        self._policy = policy
        self._rng = rng
        self._entries: dict[str, _Entry] = {}
        self._all: _Heap = []
        self._awaited: _Heap = []

    def __len__(self) -> int:
        """Return how many jobs are followed."""
        return len(self._entries)

    def __contains__(self, job_id: str) -> bool:
        """Return whether a job is followed."""
        return job_id in self._entries

    def add(self, job_id: str, now: float, *, delay: float = 0.0, grace: float) -> None:
        """Follow a job from now on; one that is followed already stays as it is.

        Args:
            job_id: The job.
            now: The time.
            delay: Seconds until it is first due.
            grace: Seconds for which it may be missing until it counts as vanished.
        """
        if job_id not in self._entries:
            self._entries[job_id] = _Entry(
                due=now + delay, changed_at=now, grace=grace, seen_at=now
            )
            heapq.heappush(self._all, (now + delay, job_id))

    def remove(self, job_id: str) -> None:
        """Stop following a job, known or not."""
        self._entries.pop(job_id, None)

    def set_awaited(self, job_id: str, *, awaited: bool) -> None:
        """Note whether a job is awaited: awaited jobs that are due come first."""
        entry = self._entries.get(job_id)
        if entry is not None and entry.is_awaited != awaited:
            entry.is_awaited = awaited
            if awaited and not entry.is_out:
                heapq.heappush(self._awaited, (entry.due, job_id))

    def make_due(self, job_id: str, now: float, *, changed: bool = True) -> None:
        """Make a job due now.

        Args:
            job_id: The job.
            now: The time.
            changed: Whether it is about to change or may have ended, which starts its intervals
                over.
        """
        entry = self._entries.get(job_id)
        if entry is not None and not entry.is_out and entry.due > now:
            if changed:
                entry.changed_at = now
            self._push(job_id, entry, now)

    def postpone(self, job_id: str, due: float) -> None:
        """Make a job due later, because its changes are learnt in another way until then."""
        entry = self._entries.get(job_id)
        if entry is not None and not entry.is_out and entry.due < due:
            self._push(job_id, entry, due)

    def postpone_after_poll(self, job_id: str, seconds: float) -> None:
        """Make a job due a number of seconds after it was last polled, if that is later."""
        entry = self._entries.get(job_id)
        if entry is not None:
            self.postpone(job_id, entry.seen_at + seconds)

    def note_change(self, job_id: str, now: float) -> None:
        """Note that a job changed, as learnt in another way than by polling it."""
        entry = self._entries.get(job_id)
        if entry is not None:
            entry.changed_at = now

    def age(self, job_id: str, now: float) -> float:
        """Return the seconds since a job last changed; 0 for one that is not followed."""
        entry = self._entries.get(job_id)
        return 0.0 if entry is None else now - entry.changed_at

    def next_due(self) -> float | None:
        """Return when the soonest job is due; None without any."""
        return self._soonest(self._all)

    def take(self, now: float) -> list[str]:
        """Return up to 100 ids; empty unless at least one is due.

        Due jobs come first, of these the awaited ones, of these the soonest. A tenth of the places
        is not reserved for awaited jobs, so that the others do not starve.
        """
        due = self.next_due()
        if due is None or due > now:
            return []
        batch: list[str] = []
        self._take(self._awaited, batch, now, BATCH_SIZE - _PLACES_FOR_OTHERS)
        self._take(self._all, batch, now, BATCH_SIZE)
        self._take(self._all, batch, math.inf, BATCH_SIZE)
        return batch

    def _take(self, heap: _Heap, batch: list[str], until: float, size: int) -> None:
        """Fill a batch up to a size with ids that are due until a time."""
        while len(batch) < size and (due := self._soonest(heap)) is not None and due <= until:
            _, job_id = heapq.heappop(heap)
            self._entries[job_id].is_out = True
            batch.append(job_id)

    def note_seen(
        self, job_id: str, now: float, *, changed: bool, not_before: float = -math.inf
    ) -> None:
        """Note that a response had the job.

        Args:
            job_id: The job.
            now: The time.
            changed: Whether it changed, which starts its intervals over.
            not_before: Earliest time at which it is due.
        """
        entry = self._entries.get(job_id)
        if entry is None:
            return
        entry.ever_seen = True
        entry.seen_at = now
        entry.missing_since = None
        entry.grace = max(entry.grace, self._policy.missing_grace)
        if changed:
            entry.changed_at = now
        due = now + self._policy.interval(now - entry.changed_at, self._rng)
        self._push(job_id, entry, max(due, not_before))

    def note_unread(self, job_id: str, now: float) -> None:
        """Note that a response does not show whether the job is there; it is polled again."""
        entry = self._entries.get(job_id)
        if entry is not None:
            self._push(
                job_id, entry, now + self._policy.interval(now - entry.changed_at, self._rng)
            )

    def note_missing(self, job_id: str, now: float) -> Vanished | None:
        """Note that a response lacked the job; return a `Vanished` if its grace time is over.

        A job that has vanished is no longer followed.
        """
        entry = self._entries.get(job_id)
        if entry is None:
            return None
        if entry.missing_since is None:
            entry.missing_since = now
        age = now - entry.missing_since
        if age >= entry.grace:
            self.remove(job_id)
            return Vanished(entry.ever_seen, entry.grace)
        self._push(job_id, entry, now + self._policy.interval(age, self._rng))
        return None

    def _push(self, job_id: str, entry: _Entry, due: float) -> None:
        entry.due = due
        entry.is_out = False
        heapq.heappush(self._all, (due, job_id))
        if entry.is_awaited:
            heapq.heappush(self._awaited, (due, job_id))

    def _soonest(self, heap: _Heap) -> float | None:
        """Return the first due time, after popping entries that are removed, out, or stale."""
        while heap:
            due, job_id = heap[0]
            entry = self._entries.get(job_id)
            is_listed = heap is self._all or (entry is not None and entry.is_awaited)
            if entry is not None and is_listed and not entry.is_out and entry.due == due:
                return due
            heapq.heappop(heap)
        return None
