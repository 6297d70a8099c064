"""What an attempt's end means for its job: pure rules, in AWS Batch's words."""

from typing import NamedTuple

from asyncbatch._values.status import JobStatus
from asyncbatch.local._engine.jobs import Attempt, CurrentAttempt, Job, Stop
from asyncbatch.local._executors.base import Exit

TIMED_OUT = "Job attempt duration exceeded timeout"


class Verdict(NamedTuple):
    """The status that a job gets, and the reason for it; RUNNABLE means that it is tried again."""

    status: JobStatus
    reason: str | None = None


def record(job: Job, attempt: CurrentAttempt, exit: Exit, now: int) -> Attempt:  # noqa: A002 (the word for it)
    """Return what is kept of an attempt that has ended."""
    return Attempt(
        task_id=attempt.task_id,
        log_stream=attempt.log_stream.name if attempt.log_stream else None,
        started_at=job.started_at if job.status is JobStatus.RUNNING else None,
        stopped_at=now,
        exit_code=exit.exit_code,
        reason=exit.reason,
        status_reason=TIMED_OUT if job.stop is Stop.TIMED_OUT else exit.status_reason,
    )


def judge(job: Job, attempt: Attempt) -> Verdict:
    """Return what becomes of a job after its last attempt; what was stopped is not tried again."""
    if job.stop is Stop.TIMED_OUT:
        return Verdict(JobStatus.FAILED, TIMED_OUT)
    if job.stop is not None:
        return Verdict(JobStatus.FAILED, job.stop_reason)
    if attempt.exit_code == 0:
        return Verdict(JobStatus.SUCCEEDED, attempt.status_reason)
    again = job.spec.retry.again(
        len(job.attempts),
        exit_code=attempt.exit_code,
        reason=attempt.reason,
        status_reason=attempt.status_reason,
    )
    return (
        Verdict(JobStatus.RUNNABLE) if again else Verdict(JobStatus.FAILED, attempt.status_reason)
    )
