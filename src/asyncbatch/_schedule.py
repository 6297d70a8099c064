"""Which jobs to ask about next: pure bookkeeping, no clock and no I/O.

Theory of operation
-------------------
Every followed job has a *due time*. They stand in one heap, soonest first. When the soonest is due,
`take` hands out up to 100 ids, the soonest due first and also ones that are not due yet: a call for
one id costs the same as a call for a hundred, so an early look is free news.

An id that was taken is *out* until `seen` or `missing` returns it with its next due time, or it is
removed. So no id is ever in two calls at once.

A changed job is looked at again soon, an unchanged one ever later (`PollPolicy.interval`). An id
that the answer lacks is *missing*: its intervals start anew, and once it has been missing for its
whole grace time, `missing` says that it has vanished.

Heap entries are never removed from the middle: an entry whose due time is no longer the job's own
is stale and skipped when it comes up.
"""

import heapq
import random
from dataclasses import dataclass

from asyncbatch._policy import PollPolicy

BATCH_SIZE = 100
"""Ids that one DescribeJobs takes."""


@dataclass(slots=True)
class _Entry:
    """What is remembered of one followed job; times are seconds on one monotonic clock."""

    due: float
    changed_at: float
    grace: float
    ever_seen: bool = False
    missing_since: float | None = None
    is_out: bool = False


@dataclass(frozen=True, slots=True)
class Vanished:
    """A job that was missing for its whole grace time.

    Attributes:
        ever_seen: Whether it was seen before.
        grace: Seconds that were granted.
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
        self._heap: list[tuple[float, str]] = []

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
            grace: Seconds for which it may be missing before it counts as vanished.
        """
        if job_id not in self._entries:
            self._entries[job_id] = _Entry(due=now + delay, changed_at=now, grace=grace)
            heapq.heappush(self._heap, (now + delay, job_id))

    def remove(self, job_id: str) -> None:
        """Stop following a job, known or not."""
        self._entries.pop(job_id, None)

    def hurry(self, job_id: str, now: float) -> None:
        """Make a job due now: somebody knows that it is about to change."""
        entry = self._entries.get(job_id)
        if entry is not None and not entry.is_out and entry.due > now:
            entry.changed_at = now
            self._push(job_id, entry, now)

    def next_due(self) -> float | None:
        """Return when the soonest job is due; None when there is nothing to wait for."""
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> list[str]:
        """Return up to 100 ids, soonest due first; empty unless at least one is due."""
        due = self.next_due()
        if due is None or due > now:
            return []
        batch: list[str] = []
        while len(batch) < BATCH_SIZE and self.next_due() is not None:
            _, job_id = heapq.heappop(self._heap)
            self._entries[job_id].is_out = True
            batch.append(job_id)
        return batch

    def seen(self, job_id: str, now: float, *, changed: bool) -> None:
        """Note that the answer had the job; `changed` starts its intervals anew."""
        entry = self._entries.get(job_id)
        if entry is None:
            return
        entry.ever_seen = True
        entry.missing_since = None
        entry.grace = max(entry.grace, self._policy.missing_grace)
        if changed:
            entry.changed_at = now
        age = now - entry.changed_at
        self._push(job_id, entry, now + self._policy.interval(age, self._rng))

    def missing(self, job_id: str, now: float) -> Vanished | None:
        """Note that the answer lacked the job; say so if it counts as vanished now.

        A job that has vanished is followed no longer.
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
        heapq.heappush(self._heap, (due, job_id))

    def _drop_stale(self) -> None:
        """Pop entries of jobs that are gone, out, or due at another time."""
        while self._heap:
            due, job_id = self._heap[0]
            entry = self._entries.get(job_id)
            if entry is not None and not entry.is_out and entry.due == due:
                return
            heapq.heappop(self._heap)
