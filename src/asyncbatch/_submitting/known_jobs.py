"""Which jobs belong to submissions already, and how AWS's clock relates to ours.

Such a job is never the result of another submission. A job is known from the response of its own
SubmitJob, from a look-up, or from the journal; that a program found or attached it proves nothing.
"""

import contextlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

import anyio

from asyncbatch._submitting.marks import MAX_SKEW, Submission

_REMEMBERED = 20_000
"""Accepted jobs that are remembered so that look-ups need not describe them."""

_KNOWN_SKEW = 2.0
"""`MAX_SKEW` where a job of our own has shown how AWS's clock relates to ours."""


_CLOCK_SECONDS = 600.0
"""How long that holds: clocks drift."""


class _ClockSample(NamedTuple):
    answered_at: float  # monotonic
    ahead: float  # of AWS's clock, in seconds


class KnownJobs:
    """The jobs of one client's submissions, and its unmarked submissions in progress.

    Attributes:
        is_journalled: Whether the journal has a job of an id.
    """

    def __init__(self) -> None:
        self.is_journalled: Callable[[str], bool] = lambda _job_id: False
        self._accepted: dict[str, float | None] = {}
        # Only these could be taken for the job of another submission, so they are kept.
        self._unmarked: set[str] = set()
        self._in_progress: defaultdict[str, set[float]] = defaultdict(set)
        self._clock = _ClockSample(answered_at=-math.inf, ahead=0.0)

    def __contains__(self, job_id: str) -> bool:
        """Return whether a job belongs to a submission."""
        return job_id in self._accepted or job_id in self._unmarked or self.is_journalled(job_id)

    def accept(
        self, submission: Submission, job_id: str, *, answered_at: float | None = None
    ) -> None:
        """Remember the job of a submission; `answered_at` is when SubmitJob was answered, if so."""
        self._accepted[job_id] = answered_at
        if len(self._accepted) > _REMEMBERED:
            del self._accepted[next(iter(self._accepted))]
        if submission.mark is None:
            self._unmarked.add(job_id)

    # -- AWS's clock ------------------------------------------------------------------------------

    def note_creation(self, job_id: str, created_at: float) -> None:
        """Learn from a listed job how far AWS's clock is ahead of the monotonic one.

        The job was created before its SubmitJob was answered, so this is the least that it can be.
        The monotonic clock, unlike the wall clock, is never set; it may stand still while a machine
        sleeps, after which the result is too small and a listing reaches back further than needed.
        """
        answered_at = self._accepted.get(job_id)
        if answered_at is None:
            return
        sample = _ClockSample(answered_at=answered_at, ahead=created_at - answered_at)
        # A time of creation that is wrong must hide no job, so the lowest sample counts.
        if sample.ahead < self._clock.ahead or not self._is_recent(self._clock):
            self._clock = sample

    def earliest_creation(self, submission: Submission) -> float:
        """Return the earliest time at which AWS can have created a job, by AWS's clock."""
        if not self._is_recent(self._clock) or submission.began_at is None:
            return submission.since - MAX_SKEW
        return min(submission.began_at + self._clock.ahead, submission.since) - _KNOWN_SKEW

    @staticmethod
    def _is_recent(sample: _ClockSample) -> bool:
        return anyio.current_time() - sample.answered_at < _CLOCK_SECONDS

    # -- unmarked submissions in progress ---------------------------------------------------------

    @contextlib.contextmanager
    def sending(self, submission: Submission) -> Iterator[None]:
        """Note that the SubmitJob of an unmarked submission is in progress.

        Its job may be listed before its id is known, so it must not be taken for the job of a
        submission that is alike.
        """
        if submission.mark is not None:
            yield
            return
        group = self._in_progress[submission.name]
        began_at = anyio.current_time()
        while began_at in group:  # several at one moment
            began_at += 1e-6
        group.add(began_at)
        try:
            yield
        finally:
            group.discard(began_at)
            if not group:
                self._in_progress.pop(submission.name, None)

    def in_progress_since(self, name: str) -> float:
        """Return when the oldest unmarked SubmitJob in progress with a name began; inf if none."""
        return min(self._in_progress.get(name, ()), default=math.inf)
