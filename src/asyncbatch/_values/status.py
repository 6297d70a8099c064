"""The states of an AWS Batch job, and what may follow what.

Theory of operation
-------------------
AWS Batch knows seven states. A job is *live* until it is SUCCEEDED or FAILED, and those two are
final:

    SUBMITTED ─┬────────────► RUNNABLE ──► STARTING ──► RUNNING ──► SUCCEEDED
               └─► PENDING ──────▲                          │
                                 └── next attempt ──────────┤
                                                            └────────► FAILED

Three things surprise people, and the rest of the package relies on them:

* A job that is retried goes *back* to RUNNABLE, so states are not monotonic.
* A poller sees snapshots: any number of states may have passed between two of them.
* The parent of an array job is PENDING while its children run, then SUCCEEDED or FAILED.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
"""

import enum
from typing import Self


class JobStatus(enum.StrEnum):
    """State of a job, in AWS's own words; each member equals its name as a string."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @classmethod
    def from_aws(cls, value: str) -> Self:
        """Return the member for what AWS said, or a live stand-in for a state that is new to us.

        A state that AWS adds one day must not crash a program that follows jobs: it is kept by its
        own name, counts as live, and `is_known` is False.
        """
        try:
            return cls(value)
        except ValueError:
            stranger = str.__new__(cls, value)
            stranger._name_ = value
            stranger._value_ = value
            return stranger

    def __reduce_ex__(self, protocol: object) -> tuple[object, tuple[str]]:
        """Pickle by value, so that a state unknown to us survives as well."""
        return JobStatus.from_aws, (str(self),)

    @property
    def is_known(self) -> bool:
        """Whether this package knows the state."""
        return self._name_ in type(self).__members__

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended: SUCCEEDED or FAILED."""
        return self in TERMINAL

    def may_become(self, later: "JobStatus") -> bool:
        """Whether a later snapshot may say `later`; a state new to us may become anything."""
        if not (self.is_known and later.is_known):
            return not self.is_terminal
        return later in _LATER[self]

    def reaches(self, goal: "JobStatus") -> bool:
        """Whether a job in this state has come at least as far as `goal`.

        Terminal states have come as far as every live one, and each only reaches itself among the
        two: a job that FAILED never reaches SUCCEEDED.
        """
        if not (self.is_known and goal.is_known):
            return self == goal
        return self is goal or (not goal.is_terminal and _ORDER[self] > _ORDER[goal])


TERMINAL = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED})
LIVE = tuple(status for status in JobStatus if status not in TERMINAL)

_ORDER = {status: place for place, status in enumerate(JobStatus)}

# A retry makes the path from RUNNABLE a circle, so from there on every later state is possible.
_IN_ATTEMPTS = frozenset(JobStatus) - {JobStatus.SUBMITTED, JobStatus.PENDING}
_LATER: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.SUBMITTED: frozenset(JobStatus),
    JobStatus.PENDING: frozenset(JobStatus) - {JobStatus.SUBMITTED},
    JobStatus.RUNNABLE: _IN_ATTEMPTS,
    JobStatus.STARTING: _IN_ATTEMPTS,
    JobStatus.RUNNING: _IN_ATTEMPTS,
    JobStatus.SUCCEEDED: frozenset({JobStatus.SUCCEEDED}),
    JobStatus.FAILED: frozenset({JobStatus.FAILED}),
}
