"""Jobs that wait for a reason which AWS names: an event for each, one warning for many.

AWS gives the reason of a blocked RUNNABLE job in DescribeJobs and in ListJobs, so it costs no call.
Thousands of jobs may be blocked for the same reason: their warning is held back until no more of
them are found, and counts them.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.events import Event, JobBlocked
from asyncbatch._values.failures import wait_reason_of
from asyncbatch._values.results import Failure
from asyncbatch._values.text import one_line

logger = logging.getLogger("asyncbatch")

_QUIET_SECONDS = 5.0
"""How long no further job must be found before the warning is logged."""

_MOST_SECONDS = 60.0
"""How long the warning is held back at most."""

_REPEAT_SECONDS = 3600.0
"""How long further jobs with the same reason are only counted."""


@dataclass(slots=True, kw_only=True)
class _Group:
    """Jobs of a queue that are blocked for the same reason.

    Times are seconds on the event loop's clock.

    Attributes:
        example: Name and id of the first one.
        reason: Why it waits.
        jobs: How many there are since the last warning.
        checked: How many there were when the timer was started last.
        since: When the first of them was found.
        warned_at: When the last warning was logged; None before the first.
        timer: Logs the warning; None where nothing is to be logged.
    """

    example: str = ""
    reason: Failure | None = None
    jobs: int = 0
    checked: int = 0
    since: float = 0.0
    warned_at: float | None = None
    timer: asyncio.TimerHandle | None = None


class BlockedJobs:
    """Reports jobs that wait for a reason, each reason once per job."""

    def __init__(self, report: Callable[[Event], None]) -> None:
        """Report events with a function."""
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._reported: WeakKeyDictionary[object, set[str]] = WeakKeyDictionary()
        self._groups: dict[tuple[str, str], _Group] = {}

    def note(self, job: object, description: JobDescription) -> None:
        """Report why a job waits, unless that is unknown or was reported for it before.

        Args:
            job: Stands for the job as long as it is followed.
            description: The job now.
        """
        reason = wait_reason_of(description)
        if reason is None:
            return
        # "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource ...": the rest may vary.
        code = (description.status_reason or "").partition(" - ")[0]
        reported = self._reported.setdefault(job, set())
        if code in reported:
            return
        reported.add(code)
        self._report(JobBlocked(job_id=description.job_id, reason=reason, description=description))
        queue = (description.queue or "").rpartition("/")[2]
        self._count(self._groups.setdefault((queue, code), _Group()), queue, description, reason)

    def close(self) -> None:
        """Log the warnings that were held back, and no more of them."""
        for (queue, _), group in self._groups.items():
            if group.timer is not None:
                group.timer.cancel()
                if group.warned_at is None:
                    _warn(group, queue)
        self._groups.clear()

    def _count(
        self, group: _Group, queue: str, description: JobDescription, reason: Failure
    ) -> None:
        group.jobs += 1
        if group.timer is not None:
            return
        now = self._loop.time()
        group.example = f"{description.name or '?'} ({description.job_id})"
        group.reason, group.since, group.checked = reason, now, 1
        quiet_until = now + _QUIET_SECONDS
        if group.warned_at is not None:
            quiet_until = max(quiet_until, group.warned_at + _REPEAT_SECONDS)
        group.timer = self._loop.call_at(quiet_until, self._check, group, queue)

    def _check(self, group: _Group, queue: str) -> None:
        """Log the warning, unless more jobs are still being found."""
        now = self._loop.time()
        is_growing, group.checked = group.jobs > group.checked, group.jobs
        if is_growing and now < group.since + _MOST_SECONDS:
            group.timer = self._loop.call_at(now + _QUIET_SECONDS, self._check, group, queue)
            return
        _warn(group, queue)
        group.warned_at, group.jobs, group.timer = now, 0, None


def _warn(group: _Group, queue: str) -> None:
    """Log which jobs are blocked, why, and what to do."""
    reason = group.reason
    assert reason is not None  # noqa: S101 - set with the first job
    jobs = f"job {group.example} is"
    if group.jobs > 1:
        jobs = f"{group.jobs:,} jobs, such as {group.example}, are"
    outlook = "may start later" if reason.transient else "will not start as things are"
    logger.warning(
        "%s",
        one_line(
            f"{jobs} blocked in queue {queue or '?'} and {outlook}: {reason.message}."
            " To end what has not started: `await batch.cancel(jobs)`."
        ),
    )
