"""Results of made-up jobs for the tests of this folder."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncbatch import (
    Attempt,
    Container,
    Failure,
    FailureKind,
    JobDescription,
    JobResult,
    JobStatus,
)

START = datetime(2026, 12, 1, tzinfo=UTC)
HOSTILE = (
    '</script></title><script>alert(1)</script><img src=x onerror="alert(2)">{{ 7 * 7 }}'
    "\x1b]0;title\x07\x1b[31m\u202e\u2028\ud800'&amp;"
)
QUEUE = "arn:aws:batch:eu-west-1:123456789012:job-queue/"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def result(
    job_id: str = "job-1",
    *,
    runs: Sequence[tuple[float, float]] = ((60, 3660),),
    error: str = "",
    kind: FailureKind = FailureKind.EXIT_CODE,
    vcpus: float | None = 2,
    queue: str = "default",
    **fields: Any,  # noqa: ANN401 - of a description
) -> JobResult:
    """Return the result of a job.

    Args:
        job_id: Job id.
        runs: Begin and end of each attempt, in seconds after the submission.
        error: Why it FAILED; empty for a job that SUCCEEDED.
        kind: Kind of the failure.
        vcpus: vCPUs of its container; it has 4 GiB of memory.
        queue: Name of its job queue.
        fields: Further fields of its description.
    """
    container = Container(vcpus=vcpus, memory_mib=4096, exit_code=1 if error else 0)
    attempts = [
        Attempt(number=number, containers=(container,), started_at=at(a), stopped_at=at(b))
        for number, (a, b) in enumerate(runs, 1)
    ]
    description = JobDescription(
        **{
            "job_id": job_id,
            "name": "etl",
            "status": JobStatus.FAILED if error else JobStatus.SUCCEEDED,
            "queue": f"{QUEUE}{queue}",
            "created_at": START,
            "started_at": at(runs[-1][0]) if runs else None,
            "stopped_at": at(runs[-1][1]) if runs else at(10),
            "containers": (container,),
            "attempts": tuple(attempts),
            **fields,
        }
    )
    failure = Failure(kind=kind, transient=False, message=error) if error else None
    return JobResult(description=description, failure=failure)
