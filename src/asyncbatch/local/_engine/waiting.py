"""The RUNNABLE jobs of one queue, in the order in which they start.

Without a scheduling policy: first in, first out. With a fair-share policy, the next job is one of
the share that uses the fewest vCPUs now, multiplied with its weight factor; within a share, the job
with the highest scheduling priority, then the one that waits longest.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_scheduling.html
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from itertools import count
from typing import Protocol

from asyncbatch.local._engine.jobs import Job
from asyncbatch.local._engine.scheduling_policies import SchedulingPolicy


class Waiting(Protocol):
    """The jobs of one queue that wait for resources."""

    def push(self, job: Job) -> None:
        """Add a job."""

    def first(self) -> Job | None:
        """Return the job that starts next; None if no job waits."""
        ...

    def pop(self) -> None:
        """Remove that job."""

    def in_order(self) -> Iterator[Job]:
        """Return the jobs in the order in which they would start now."""
        ...

    def note_usage(self, job: Job, millicpus: int) -> None:
        """Add the thousandths of a vCPU that a job occupies."""


class FirstInFirstOut:
    """The jobs of a queue without a scheduling policy."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()

    def push(self, job: Job) -> None:
        """Add a job at the end."""
        self._jobs.append(job)

    def first(self) -> Job | None:
        """Return the job that waits longest."""
        return self._jobs[0] if self._jobs else None

    def pop(self) -> None:
        """Remove that job."""
        self._jobs.popleft()

    def in_order(self) -> Iterator[Job]:
        """Return the jobs in their order."""
        return iter(self._jobs)

    def note_usage(self, job: Job, millicpus: int) -> None:
        """Nothing depends on the usage."""


class FairShares:
    """The jobs of a queue with a fair-share policy."""

    def __init__(self, policy: SchedulingPolicy) -> None:
        self._policy = policy
        self._numbers = count()
        self._shares: dict[str, list[tuple[int, int, Job]]] = {}
        self._used: Counter[str] = Counter()

    def push(self, job: Job) -> None:
        """Add a job to its share."""
        entry = (-(job.spec.scheduling_priority or 0), next(self._numbers), job)
        heapq.heappush(self._shares.setdefault(_share(job), []), entry)

    def first(self) -> Job | None:
        """Return the first job of the share that comes next."""
        share = self._next_share()
        return None if share is None else self._shares[share][0][-1]

    def pop(self) -> None:
        """Remove that job."""
        share = self._next_share()
        if share is not None:
            heapq.heappop(self._shares[share])
            if not self._shares[share]:
                del self._shares[share]

    def in_order(self) -> Iterator[Job]:
        """Return the jobs share by share, as if none would start meanwhile."""
        for share in sorted(self._shares, key=self._weighted_use):
            yield from (job for *_, job in sorted(self._shares[share], key=lambda each: each[:2]))

    def note_usage(self, job: Job, millicpus: int) -> None:
        """Note what the job's share uses."""
        self._used[_share(job)] += millicpus

    def _next_share(self) -> str | None:
        return min(self._shares, key=self._weighted_use, default=None)

    def _weighted_use(self, share: str) -> tuple[float, int]:
        weighted = self._used[share] * self._policy.weight(share)
        return weighted, self._shares[share][0][1]


def _share(job: Job) -> str:
    return job.spec.share_identifier or ""
