"""The states of an AWS Batch job, and their order.

Theory of operation
-------------------
AWS Batch has seven states. A job is *live* until it is SUCCEEDED or FAILED, and those two are
final:

    SUBMITTED ─┬────────────► RUNNABLE ──► STARTING ──► RUNNING ──► SUCCEEDED
               └─► PENDING ──────▲                          │
                                 └── next attempt ──────────┤
                                                            └────────► FAILED

The rest of the package relies on three facts:

* A job that is retried goes *back* to RUNNABLE, so states are not monotonic.
* A poller sees snapshots: any number of states may have passed between two of them.
* The parent of an array job is PENDING while its children run, then SUCCEEDED or FAILED.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
"""

import enum
from typing import Self

from asyncbatch._values.text import one_line


class JobStatus(enum.StrEnum):
    """State of a job, in AWS's spelling; each member equals its name as a string.

    A state that AWS adds after this version does not raise: ``JobStatus("HIBERNATING")`` is a
    member with that name and value. It counts as live, and its `is_known` is False.
    """

    #: Accepted; the scheduler has not evaluated it yet.
    SUBMITTED = "SUBMITTED"
    #: It depends on another job that has not ended, or it is an array with live children.
    PENDING = "PENDING"
    #: Waits for resources of a compute environment, or for its next attempt.
    RUNNABLE = "RUNNABLE"
    #: Its container is being started: host found, image being pulled.
    STARTING = "STARTING"
    #: Its container runs.
    RUNNING = "RUNNING"
    #: Ended with exit code 0; final.
    SUCCEEDED = "SUCCEEDED"
    #: Failed after all its attempts, or was ended; final.
    FAILED = "FAILED"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        """Return a member for a state that this version does not know; it is not registered."""
        if not isinstance(value, str):
            return None  # Enum raises its ValueError
        unknown = str.__new__(cls, value)
        unknown._name_ = value
        unknown._value_ = value
        return unknown

    def __repr__(self) -> str:
        """Show name and value; those of an unknown state are text of the endpoint."""
        return one_line(super().__repr__())

    def __reduce_ex__(self, protocol: object) -> tuple[type[Self], tuple[str]]:
        """Pickle by value: some versions of Enum pickle by name, which unknown states lack."""
        return type(self), (self._value_,)

    @property
    def is_known(self) -> bool:
        """Whether this version of the package knows the state."""
        return self._name_ in type(self).__members__

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended (SUCCEEDED or FAILED)."""
        return self in TERMINAL

    def reaches(self, goal: "JobStatus") -> bool:
        """Whether a job in this state has come at least as far as `goal`.

        A terminal state reaches every live state. Of the two terminal states, each reaches only
        itself: a FAILED job never reaches SUCCEEDED. An unknown state reaches only itself.
        """
        if not (self.is_known and goal.is_known):
            return self == goal
        return self is goal or (not goal.is_terminal and _ORDER[self] > _ORDER[goal])


TERMINAL = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED})
LIVE = tuple(status for status in JobStatus if status not in TERMINAL)

_ORDER = {status: place for place, status in enumerate(JobStatus)}
