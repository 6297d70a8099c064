"""Which states of a queue are listed, and which jobs are described by their ids: pure.

A list returns 1,000 jobs a call, but of one state only, and the jobs of all programs. So a state is
listed where enough followed jobs are in it to make that clearly cheaper than describing them. What
a list costs is learnt from the last one; a state that turned out too expensive is tried again after
some minutes, or as soon as there are enough jobs in it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from asyncbatch._polling.followed import FollowedJob
from asyncbatch._polling.schedule import BATCH_SIZE
from asyncbatch._values.status import LIVE, JobStatus

_ENOUGH_JOBS = 200
"""Jobs in one state from which on listing it is considered."""

_TOO_FEW_JOBS = 120
"""Jobs below which a listed state is not listed any longer: lower, so that it does not flap."""

_PAGE_SIZE = 1_000

_WORTH = 0.75
"""Maximum calls of a list, as a share of the DescribeJobs calls that it saves."""

_RETRY_SECONDS = 600.0
"""After how long a state that was too expensive to list is tried again."""


@dataclass(slots=True)
class Queue:
    """Followed jobs of one queue; times are seconds on the event loop's clock.

    Attributes:
        jobs: The followed jobs that are listed with it, by their ids.
        states: States that are listed at present; jobs in others are described by their ids.
        due: When it is swept next.
    """

    jobs: dict[str, FollowedJob] = field(default_factory=dict)
    states: frozenset[JobStatus] = frozenset()
    due: float = -math.inf
    _costs: dict[JobStatus, tuple[int, float]] = field(default_factory=dict)

    @property
    def has_enough(self) -> bool:
        """Whether listing it may be worth it."""
        return len(self.jobs) >= _ENOUGH_JOBS

    @property
    def next_sweep_at(self) -> float:
        """When to sweep it next; infinity while it has too few jobs to begin with."""
        return self.due if self.states or self.has_enough else math.inf

    @property
    def max_calls(self) -> int:
        """After how many calls a list is too expensive to be read to its end."""
        return math.ceil(2 * _WORTH * len(self.jobs) / BATCH_SIZE)

    def may_list(self, state: JobStatus, *, before: float) -> bool:
        """Return whether a job in a state may get into a list of a later state before a time."""
        return self.due < before and any(listed.reaches(state) for listed in self.states)

    def choose(self, counts: Mapping[JobStatus, int], now: float) -> frozenset[JobStatus]:
        """Choose which states are listed from now on; return those that no longer are.

        Args:
            counts: How many of the jobs were in each state when last seen.
            now: The time.
        """
        before = self.states
        # A job that was just submitted may be in any state by the time of the list.
        if self._is_worth(LIVE, counts.get(JobStatus.SUBMITTED, 0), now):
            self.states = frozenset(LIVE)
        else:
            self.states = frozenset(
                state
                for state in LIVE
                if state is not JobStatus.SUBMITTED
                and self._is_worth([state], counts.get(state, 0), now)
            )
        return before - self.states

    def note_cost(self, state: JobStatus, calls: int, now: float) -> None:
        """Remember how many calls the list of a state took."""
        self._costs[state] = (calls, now)

    def _is_worth(self, states: Sequence[JobStatus], jobs: int, now: float) -> bool:
        """Return whether listing some states is worth it for a number of jobs."""
        if jobs < (_TOO_FEW_JOBS if self.states.issuperset(states) else _ENOUGH_JOBS):
            return False
        calls = sum(self._expected_calls(state, jobs, now) for state in states)
        return calls <= _WORTH * jobs / BATCH_SIZE

    def _expected_calls(self, state: JobStatus, jobs: int, now: float) -> int:
        """Return how many calls a list takes, as far as is known."""
        calls, at = self._costs.get(state, (0, -math.inf))
        is_known = now - at <= _RETRY_SECONDS
        return calls if is_known else math.ceil(jobs / _PAGE_SIZE)
