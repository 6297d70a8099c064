"""What the end of an attempt means for its job. Pure rules, with AWS Batch's status reasons.

In order of precedence:

1. The attempt timed out: FAILED with AWS's timeout reason, never retried
   (https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html).
2. The job was cancelled or terminated: FAILED with the caller's reason, never retried. The exit
   code does not matter, not even 0
   (https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html).
3. Exit code 0: SUCCEEDED.
4. Everything else is a failure, also an attempt without an exit code (it did not start, or its host
   was lost). The retry strategy decides between RUNNABLE and FAILED with the attempt's reason.
"""

from typing import NamedTuple

from asyncbatch._values.status import JobStatus
from asyncbatch.local._engine.jobs import Attempt, CurrentAttempt, Job, Stop
from asyncbatch.local._executors.base import Exit

TIMED_OUT = "Job attempt duration exceeded timeout"


class Verdict(NamedTuple):
    """The job's next status and status reason; RUNNABLE means a retry."""

    status: JobStatus
    reason: str | None = None


def finished_attempt(job: Job, attempt: CurrentAttempt, exit: Exit, now: int) -> Attempt:  # noqa: A002 (AWS's and POSIX's term)
    """Return the record of an attempt that has ended."""
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
    """Return the job's next status after an attempt, which `job.attempts` includes already."""
    if job.stop is Stop.TIMED_OUT:
        return Verdict(JobStatus.FAILED, TIMED_OUT)
    if job.stop is not None:
        return Verdict(JobStatus.FAILED, job.stop_reason)
    if attempt.exit_code == 0:
        return Verdict(JobStatus.SUCCEEDED, attempt.status_reason)
    retry = job.spec.retry.should_retry(
        len(job.attempts),
        exit_code=attempt.exit_code,
        reason=attempt.reason,
        status_reason=attempt.status_reason,
    )
    return (
        Verdict(JobStatus.RUNNABLE) if retry else Verdict(JobStatus.FAILED, attempt.status_reason)
    )
