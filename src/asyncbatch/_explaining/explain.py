"""Puts findings in order, and makes the verdict of the first one. Pure, but for `explain`."""

from collections.abc import Iterator

from asyncbatch._aws.api import API
from asyncbatch._explaining import dependencies, failing, waiting
from asyncbatch._explaining.facts import Facts, short_name, shown_time
from asyncbatch._explaining.gathering import Gathering
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.explanations import Explanation, Finding, FindingKind
from asyncbatch._values.failures import failure_of, wait_reason_of
from asyncbatch._values.status import JobStatus

_ORDER = (FindingKind.CAUSE, FindingKind.LIKELY_CAUSE, FindingKind.FACT)


async def explain(api: API, job_id: str, *, ever_seen: bool = False) -> Explanation:
    """Read the facts about a job and explain its state.

    Raises:
        JobVanished: AWS does not know the job.
        APIError: AWS refuses to describe jobs.
    """
    return explanation_of(await Gathering(api).facts(job_id, ever_seen=ever_seen))


def explanation_of(facts: Facts) -> Explanation:
    """Explain the state of a job from the facts about it."""
    job = facts.job
    findings = tuple(sorted(_findings(facts), key=lambda finding: _ORDER.index(finding.kind)))
    first = findings[0] if findings and findings[0].kind is not FindingKind.FACT else None
    verdict, next_step = _without_cause(facts)
    if first is not None:
        verdict, next_step = _verdict(job, first), first.fix
    return Explanation(
        job_id=job.job_id,
        name=job.name,
        status=job.status,
        verdict=verdict,
        next_step=next_step,
        findings=findings,
        failure=failure_of(facts.subject) or failure_of(job) or wait_reason_of(facts.subject),
        missing_permissions=facts.missing_permissions,
        not_read=facts.not_read,
    )


def _findings(facts: Facts) -> Iterator[Finding]:
    status = facts.subject.status
    yield from dependencies.findings(facts)
    if status is JobStatus.FAILED:
        yield from failing.findings(facts)
    elif status in {JobStatus.RUNNABLE, JobStatus.SUBMITTED}:
        yield from waiting.findings(facts)
        yield from failing.earlier_attempts(facts.subject)
    else:
        yield from waiting.reason(facts)
        yield from _progress(facts.subject)
        yield from failing.earlier_attempts(facts.subject)


def _verdict(job: JobDescription, first: Finding) -> str:
    """Return the verdict that rests on a finding."""
    begin = {
        JobStatus.FAILED: "The job failed",
        JobStatus.PENDING: "The job waits",
        JobStatus.SUBMITTED: "The job waits",
        JobStatus.RUNNABLE: "The job does not start",
    }.get(job.status, f"The job is {job.status}")
    maybe = "" if first.kind is FindingKind.CAUSE else ", probably because"
    return f"{begin}{maybe}: {first.text}." if not maybe else f"{begin}{maybe} {first.text}."


_AGAIN = "Explain it again in some minutes: AWS names a blocking reason after a while."


def _without_cause(facts: Facts) -> tuple[str, str]:
    """Return verdict and next step of a job in whose way nothing was found."""
    job = facts.job
    next_step = _AGAIN if job.status in _WAITING and not job.is_array_parent else ""
    return f"{_state(job, facts.subject)}.", next_step


_WAITING = frozenset({JobStatus.SUBMITTED, JobStatus.PENDING, JobStatus.RUNNABLE})
_STATES = {
    JobStatus.SUBMITTED: "The job was submitted; AWS Batch has not put it into its queue yet",
    JobStatus.PENDING: "The job waits for others, and nothing in their way was found",
    JobStatus.STARTING: "The job starts: its host pulls the image and starts the container",
    JobStatus.SUCCEEDED: "The job succeeded",
}


def _state(job: JobDescription, subject: JobDescription) -> str:
    if job.is_array_parent and not job.status.is_terminal:
        return f"The array is {job.status}: {_counts(job)}"
    if job.status is JobStatus.RUNNABLE:
        queue = short_name(subject.queue)
        return f"The job waits for room in queue {queue}, and AWS gives no reason"
    if job.status is JobStatus.RUNNING:
        return "The job runs" + (f" since {shown_time(job.started_at)}" if job.started_at else "")
    unknown = f"The job is {job.status}, a state that this version does not know"
    return _STATES.get(job.status, unknown)


def _counts(job: JobDescription) -> str:
    counts = job.array.status_summary if job.array else {}
    shown = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return shown or "its children are not counted yet"


def _progress(job: JobDescription) -> Iterator[Finding]:
    """Yield what is known about a job on its way."""
    if job.status is JobStatus.STARTING:
        yield from failing.image(job)
    if job.status is JobStatus.RUNNING:
        if job.started_at and job.attempt_timeout:
            yield Finding(
                text=f"its time limit ends at {shown_time(job.started_at + job.attempt_timeout)}",
                kind=FindingKind.FACT,
                source="DescribeJobs timeout.attemptDurationSeconds",
                value=f"{job.attempt_timeout.total_seconds():.0f} s",
                resource=job.job_id,
            )
        for container in job.containers:
            if container.log_stream_name:
                yield Finding(
                    text=f"its log stream is {container.log_stream_name}",
                    kind=FindingKind.FACT,
                    source="DescribeJobs container.logStreamName",
                    value=container.log_stream_name,
                    resource=job.job_id,
                )
