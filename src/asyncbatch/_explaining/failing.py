"""Rules for a job that failed: from its classification, and what its request says to it. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator

from asyncbatch._explaining.facts import Facts, needs_of, shown_number, shown_time
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.explanations import Finding, FindingKind
from asyncbatch._values.failures import failure_of
from asyncbatch._values.results import Failure, FailureKind

_CAUSE, _FACT = FindingKind.CAUSE, FindingKind.FACT
_K = FailureKind

NEXT_STEPS: dict[FailureKind, str] = {
    _K.EXIT_CODE: "Read the end of its log: `asyncbatch logs {id}`.",
    _K.OUT_OF_MEMORY: "Submit it with more memory_mib, by hand or with"
    " RecoveryPolicy.more_memory().",
    _K.KILLED: "Read the end of its log; if it ended suddenly, submit it with more memory_mib.",
    _K.TIMEOUT: "Raise attempt_timeout, or make the job shorter.",
    _K.SPOT_INTERRUPTION: "Submit it again; RecoveryPolicy.for_spot() does that by itself.",
    _K.HOST_LOST: "Submit it again; RecoveryPolicy.for_spot() does that by itself.",
    _K.NOT_RUNNABLE: "Correct the command of the job definition or of the request.",
    _K.IMAGE_PULL: "Check the image's name, and whether its registry can be reached and read.",
    _K.CONTAINER_START: "Correct mounts, devices or limits in the job definition.",
    _K.CONTAINER_RUNTIME: "Check its output first, as the work may be done; then submit it again.",
    _K.RESOURCE_INITIALIZATION: "Check roles, secrets, log group and subnets of the job"
    " definition.",
    _K.TASK_START: "Submit it again; if it fails again, read AWS's reason.",
    _K.DEPENDENCY: "See why the job that it depends on failed.",
    _K.ARRAY_CHILD: "Correct what failed, then submit only the failed children again:"
    " rerun_failed().",
    _K.TERMINATED: "Submit it again if that was not meant.",
    _K.CANCELLED: "Submit it again if that was not meant.",
    _K.NOT_STARTED: "Use another queue, or ask for less.",
    _K.QUEUE_POLICY: "Submit it to another queue, or correct what it waited for.",
    _K.DEFINITION: "Correct the job definition or the request.",
    _K.CAPACITY: "Submit it again later, or to a queue with more capacity.",
    _K.MISCONFIGURATION: "Correct the compute environment or the request.",
    _K.BLOCKED: "Check the compute environments of the queue.",
    _K.UNKNOWN: "Read AWS's reasons and the end of its log.",
}
"""What to do about each kind of failure; ``{id}`` is the id of the job."""


def findings(facts: Facts) -> Iterator[Finding]:
    """Yield why a job failed, then what its request has to do with it."""
    job = facts.subject
    failure = failure_of(job)
    if failure is None:
        return
    yield _cause(facts, job, failure)
    if facts.part is not None:
        yield from _parts(facts)
    for detail in _DETAILS.get(failure.kind, ()):
        yield from detail(job)
    yield from environments(facts)
    yield from earlier_attempts(job)


def _cause(facts: Facts, job: JobDescription, failure: Failure) -> Finding:
    source, value = _deciding_field(job)
    of = f"{_part_name(facts)} {job.job_id} failed: " if facts.part is not None else ""
    return Finding(
        text=f"{of}{failure.message}",
        kind=_CAUSE,
        source=source,
        value=value,
        resource=job.job_id,
        fix=NEXT_STEPS[failure.kind].format(id=job.job_id),
    )


def _deciding_field(job: JobDescription) -> tuple[str, str]:
    """Return field and value on which the classification rests."""
    where = "attempts[-1]." if job.attempts else ""
    if job.is_terminated or job.is_cancelled:
        name = "isTerminated" if job.is_terminated else "isCancelled"
        return f"DescribeJobs {name}", f"true; statusReason: {job.status_reason or ''}"
    if job.reason:
        return f"DescribeJobs {where}container.reason", job.reason
    if job.exit_code:
        return f"DescribeJobs {where}container.exitCode", str(job.exit_code)
    return "DescribeJobs statusReason", job.status_reason or "none"


def _part_name(facts: Facts) -> str:
    return "child" if facts.job.is_array_parent else "node"


def _parts(facts: Facts) -> Iterator[Finding]:
    """Yield how many children or nodes failed, by kind."""
    kinds = Counter(str(failure.kind) for part in facts.parts if (failure := failure_of(part)))
    listed = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common())
    names = "children" if facts.job.is_array_parent else "nodes"
    yield Finding(
        text=f"failed {names}, of the first {len(facts.parts)} that are listed: {listed}",
        kind=_FACT,
        source="ListJobs jobSummaryList[].statusReason",
        value=str(len(facts.parts)),
        resource=facts.job.job_id,
    )


def memory(job: JobDescription) -> Iterator[Finding]:
    """Yield how much memory the job asked for; AWS Batch does not say how much it used."""
    asked = needs_of(job).memory_mib
    if asked is not None:
        yield Finding(
            text=f"it asked for {asked:,} MiB; how much it used is only in Container Insights",
            kind=_FACT,
            source="DescribeJobs container.resourceRequirements MEMORY",
            value=f"{asked} MiB",
            resource=job.job_id,
        )


def timeout(job: JobDescription) -> Iterator[Finding]:
    """Yield the time limit, and how long the attempt took."""
    if job.attempt_timeout is None:
        return
    took = f"; the last attempt took {job.duration.total_seconds():.0f} s" if job.duration else ""
    limit = f"{job.attempt_timeout.total_seconds():.0f} s"
    yield Finding(
        text=f"each attempt may take {limit}{took}",
        kind=_FACT,
        source="DescribeJobs timeout.attemptDurationSeconds",
        value=limit,
        resource=job.job_id,
    )


def image(job: JobDescription) -> Iterator[Finding]:
    """Yield the images of the containers."""
    for container in job.containers:
        if container.image:
            yield Finding(
                text=f"the image is {container.image}",
                kind=_FACT,
                source="DescribeJobs container.image",
                value=container.image,
                resource=job.job_id,
            )


def command(job: JobDescription) -> Iterator[Finding]:
    """Yield the commands of the containers."""
    for container in job.containers:
        if container.command:
            yield Finding(
                text="the command is: " + " ".join(container.command),
                kind=_FACT,
                source="DescribeJobs container.command",
                value=" ".join(container.command),
                resource=job.job_id,
            )


_ROLES = {
    "executionRoleArn": "starts the container: pulls the image, reads secrets, writes logs",
    "jobRoleArn": "is what the program itself may do",
}


def roles(job: JobDescription) -> Iterator[Finding]:
    """Yield the roles of the containers."""
    for container in job.containers:
        for member, use in _ROLES.items():
            if role := container.extra.get(member):
                yield Finding(
                    text=f"role {role} {use}",
                    kind=_FACT,
                    source=f"DescribeJobs container.{member}",
                    value=str(role),
                    resource=job.job_id,
                )


def log_group(job: JobDescription) -> Iterator[Finding]:
    """Yield the log group that the job definition names."""
    for container in job.containers:
        if group := container.log_options.get("awslogs-group"):
            creates = container.log_options.get("awslogs-create-group") == "true"
            yield Finding(
                text=f"its log group is {group}, which "
                + ("the container creates" if creates else "must exist before the job starts"),
                kind=_FACT,
                source="DescribeJobs container.logConfiguration.options awslogs-group",
                value=group,
                resource=job.job_id,
                fix="" if creates else f"aws logs create-log-group --log-group-name {group}",
            )


def attempts_allowed(job: JobDescription) -> Iterator[Finding]:
    """Yield how many attempts AWS Batch makes by itself."""
    allowed = job.attempts_allowed or 1
    yield Finding(
        text=f"AWS Batch makes {allowed} attempt{'s' if allowed > 1 else ''} by itself",
        kind=_FACT,
        source="DescribeJobs retryStrategy.attempts",
        value=str(allowed),
        resource=job.job_id,
    )


_DETAILS: dict[FailureKind, tuple[Callable[[JobDescription], Iterator[Finding]], ...]] = {
    _K.OUT_OF_MEMORY: (memory,),
    _K.KILLED: (memory, timeout),
    _K.TIMEOUT: (timeout,),
    _K.IMAGE_PULL: (image, roles),
    _K.CONTAINER_START: (image,),
    _K.NOT_RUNNABLE: (command, image),
    _K.RESOURCE_INITIALIZATION: (log_group, roles),
    _K.DEFINITION: (roles, image),
    _K.TASK_START: (roles,),
    _K.SPOT_INTERRUPTION: (attempts_allowed,),
    _K.HOST_LOST: (attempts_allowed,),
}
"""What the request has to say to each kind of failure."""


def environments(facts: Facts) -> Iterator[Finding]:
    """Yield compute environments whose capacity AWS may reclaim, or that take no jobs."""
    for each in facts.environments:
        if each.is_spot or not each.takes_jobs:
            about = (
                "has Spot capacity, which AWS may reclaim"
                if each.is_spot
                else f"takes no jobs: {each.status_reason or each.status}"
            )
            yield Finding(
                text=f"compute environment {each.name} {about}",
                kind=_FACT,
                source="DescribeComputeEnvironments computeResources.type"
                if each.is_spot
                else "DescribeComputeEnvironments status",
                value=str(each.provider if each.is_spot else each.status),
                resource=each.name,
            )


def earlier_attempts(job: JobDescription) -> Iterator[Finding]:
    """Yield how attempts ended: all but the last of a job that failed, all of any other."""
    ended = job.attempts[:-1] if job.status.is_terminal else job.attempts
    for attempt in ended:
        code = "" if attempt.exit_code is None else f"exit code {attempt.exit_code}"
        parts = [code, attempt.reason, attempt.status_reason]
        how = "; ".join(dict.fromkeys(part for part in parts if part)) or "without a reason"
        when = f" at {shown_time(attempt.stopped_at)}" if attempt.stopped_at else ""
        yield Finding(
            text=f"attempt {attempt.number} ended{when}: {how}",
            kind=_FACT,
            source=f"DescribeJobs attempts[{attempt.number - 1}]",
            value=shown_number(attempt.exit_code) if attempt.exit_code is not None else "none",
            resource=job.job_id,
        )
