"""Rules for a job that waits in its queue: from its reason, its queue and its request. Pure.

Sources: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html,
https://docs.aws.amazon.com/batch/latest/userguide/troubleshooting.html,
https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeResource.html
"""

from collections.abc import Iterator, Sequence

from asyncbatch._explaining.facts import Facts, Needs, needs_of, shown_number, shown_time
from asyncbatch._values.explanations import Finding, FindingKind
from asyncbatch._values.failures import wait_reason_of
from asyncbatch._values.fargate import fargate_size
from asyncbatch._values.instance_types import InstanceSize, largest_size
from asyncbatch._values.resources import ComputeEnvironment

_CAUSE, _LIKELY, _FACT = FindingKind.CAUSE, FindingKind.LIKELY_CAUSE, FindingKind.FACT

_FRONT = 100
"""Jobs in a snapshot of a queue, at most."""


def findings(facts: Facts) -> Iterator[Finding]:
    """Yield what a RUNNABLE or SUBMITTED job waits for, the most certain first."""
    yield from reason(facts)
    yield from queue(facts)
    yield from environments(facts)
    yield from request(facts)
    yield from head(facts)
    yield from position(facts)
    yield from scaling(facts)
    yield from share(facts)
    yield from further_needs(facts)


def reason(facts: Facts) -> Iterator[Finding]:
    """Yield the reason that AWS gives, which comes with every list and description."""
    job = facts.subject
    waits_for = wait_reason_of(job)
    if job.status_reason is None:
        return
    known = waits_for is not None
    yield Finding(
        text=waits_for.message if waits_for else f"AWS says: {job.status_reason}",
        kind=_CAUSE if known else _FACT,
        source="DescribeJobs statusReason",
        value=job.status_reason,
        resource=job.job_id,
        fix=_REASON_FIXES.get(job.status_reason.partition(" ")[0].partition(":")[0], "")
        if known
        else "",
    )


_REASON_FIXES = {
    "CAPACITY": "Wait, or allow more instance types and Availability Zones, or submit it to a queue"
    " with on-demand capacity.",
    "MISCONFIGURATION": "Correct the compute environment or the request, then submit the job again"
    " or let it start.",
    "ACTION_REQUIRED": "Read the status reasons of the compute environments, and correct them.",
    "UNDETERMINED": "Check the compute environments, their service role and their subnets.",
}


def queue(facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with the job queue itself."""
    found = facts.queue
    if found is None:
        return
    if found.status not in {None, "VALID", "UPDATING"}:
        why = f": {found.status_reason}" if found.status_reason else ""
        yield Finding(
            text=f"job queue {found.name} is {found.status}{why}",
            kind=_CAUSE,
            source="DescribeJobQueues status",
            value=str(found.status),
            resource=found.name,
            fix="Correct the queue or its compute environments, or submit to another queue.",
        )
    if found.state != "ENABLED":
        yield Finding(
            text=f"job queue {found.name} is {found.state}: it accepts no new jobs, and those in it"
            " may still run",
            kind=_FACT,
            source="DescribeJobQueues state",
            value=found.state,
            resource=found.name,
            fix=f"Enable it: aws batch update-job-queue --job-queue {found.name} --state ENABLED",
        )
    for action in _time_limits(found.extra.get("jobStateTimeLimitActions")):
        yield Finding(
            text=f"job queue {found.name} ends jobs that are RUNNABLE for"
            f" {action.get('maxTimeSeconds')} s for the reason {action.get('reason')!r}",
            kind=_FACT,
            source="DescribeJobQueues jobStateTimeLimitActions",
            value=f"{action.get('action')} after {action.get('maxTimeSeconds')} s",
            resource=found.name,
        )


def _time_limits(actions: object) -> list[dict[str, object]]:
    return [each for each in actions if isinstance(each, dict)] if isinstance(actions, list) else []


_CHANGING = frozenset({"CREATING", "UPDATING"})
"""Statuses of a compute environment that pass by themselves; it may place jobs meanwhile."""


def environments(facts: Facts) -> Iterator[Finding]:
    """Yield which compute environments do not take jobs."""
    found = facts.environments
    usable = [each for each in found if each.takes_jobs]
    for each in found:
        if each.takes_jobs:
            continue
        why = f": {each.status_reason}" if each.status_reason else ""
        is_disabled = each.state != "ENABLED"
        changes = not is_disabled and each.status in _CHANGING
        if is_disabled:
            fix = (
                "Enable it: aws batch update-compute-environment --compute-environment"
                f" {each.name} --state ENABLED"
            )
        elif changes:
            fix = f"Wait until compute environment {each.name} is VALID."
        else:
            fix = f"Correct compute environment {each.name}: see its status reason."
        yield Finding(
            text=f"compute environment {each.name} takes no jobs: it is {each.state} and"
            f" {each.status}{why}",
            kind=_FACT if usable else _LIKELY if changes else _CAUSE,
            source="DescribeComputeEnvironments " + ("state" if is_disabled else "status"),
            value=each.state if is_disabled else str(each.status),
            resource=each.name,
            fix=fix,
        )


def request(facts: Facts) -> Iterator[Finding]:
    """Yield what the job asks for and no compute environment of its queue can give."""
    usable = [each for each in facts.environments if each.takes_jobs]
    if not usable:
        return
    needs = needs_of(facts.subject)
    yield from _platform(facts, usable)
    yield from _most_vcpus(facts, needs, usable)
    yield from _instance_types(needs, usable)
    if all(each.is_fargate for each in usable):
        yield from _fargate(needs, usable[0])


def _platform(facts: Facts, usable: Sequence[ComputeEnvironment]) -> Iterator[Finding]:
    wanted = facts.subject.extra.get("platformCapabilities")
    providers = {each.provider for each in usable}
    if not isinstance(wanted, list) or len(wanted) != 1 or None in providers:
        return
    is_for_fargate = "FARGATE" in wanted
    if any(each.is_fargate == is_for_fargate for each in usable):
        return
    yield Finding(
        text=f"the job definition is for {wanted[0]}, and the compute environments of the queue are"
        f" {', '.join(sorted(str(each) for each in providers))}",
        kind=_CAUSE,
        source="DescribeComputeEnvironments computeResources.type",
        value=str(usable[0].provider),
        resource=usable[0].name,
        fix="Submit it to a queue whose compute environments have that platform, or register the"
        " job definition for the platform of this queue.",
    )


def _most_vcpus(
    facts: Facts, needs: Needs, usable: Sequence[ComputeEnvironment]
) -> Iterator[Finding]:
    """Yield that a job asks for more vCPUs than any compute environment can have.

    The nodes of a multi-node job start together.
    https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html
    """
    limits = [each.max_vcpus for each in usable]
    known = [limit for limit in limits if limit is not None]
    node = facts.subject.node
    nodes = node.count or 1 if node is not None and len(node.ranges) == 1 else 1
    total = (needs.vcpus or 0) * nodes
    if len(known) < len(limits) or total <= max(known):
        return
    largest = max(usable, key=lambda each: each.max_vcpus or 0)
    who, fewer = "it asks", "vCPUs"
    if nodes > 1:
        who, fewer = f"its {nodes} nodes start together and ask", "nodes or vCPUs"
    yield Finding(
        text=f"{who} for {shown_number(total)} vCPUs, and compute environment {largest.name} can"
        f" have {largest.max_vcpus} at most",
        kind=_CAUSE,
        source="DescribeComputeEnvironments computeResources.maxvCpus",
        value=str(largest.max_vcpus),
        resource=largest.name,
        fix=f"Raise maxvCpus of {largest.name}, or submit the job with fewer {fewer}.",
    )


def _instance_types(needs: Needs, usable: Sequence[ComputeEnvironment]) -> Iterator[Finding]:
    """Yield that no instance type of the compute environments is large enough."""
    sizes: list[tuple[InstanceSize, ComputeEnvironment]] = []
    for each in usable:
        known = [largest_size(name) for name in each.instance_types]
        if not known or None in known:
            return
        sizes += [(size, each) for size in known if size is not None]
    lacks = [_lacking(needs, size) for size, _ in sizes]
    if not all(lacks):
        return
    wanted, most, environment = _shortage(needs, sizes)
    yield Finding(
        text=f"it asks for {wanted}, and the largest instance type of compute environment"
        f" {environment.name} has {most}",
        kind=_LIKELY,
        source="DescribeComputeEnvironments computeResources.instanceTypes",
        value=", ".join(environment.instance_types),
        resource=environment.name,
        fix=f"Allow larger instance types in {environment.name}, or submit the job with less.",
    )


_FOR_JOBS = 0.97
"""Part of the memory of an instance that jobs can use, at most: 7,953 of the 8,192 MiB of m4.large.

https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html
"""


def _lacking(needs: Needs, size: InstanceSize) -> set[str]:
    """Return what an instance has less of than a job asks for."""
    asked = {
        "gpus": (needs.gpus, size.gpus),
        "vcpus": (needs.vcpus, size.vcpus),
        "memory": (needs.memory_mib, size.memory_mib * _FOR_JOBS),
    }
    return {name for name, (need, has) in asked.items() if need is not None and need > has}


def _shortage(
    needs: Needs, sizes: Sequence[tuple[InstanceSize, ComputeEnvironment]]
) -> tuple[str, str, ComputeEnvironment]:
    """Return what a job asks for, what the nearest instance has of it, and where."""
    most = max(sizes, key=lambda each: (each[0].gpus, each[0].vcpus))
    if needs.gpus and most[0].gpus < needs.gpus:
        return f"{needs.gpus} GPUs", str(most[0].gpus or "none"), most[1]
    most = max(sizes, key=lambda each: each[0].vcpus)
    if needs.vcpus is not None and most[0].vcpus < needs.vcpus:
        return f"{shown_number(needs.vcpus)} vCPUs", str(most[0].vcpus), most[1]
    size, environment = max(sizes, key=lambda each: each[0].memory_mib)
    memory = f"{needs.memory_mib:,} MiB"
    if "memory" in _lacking(needs, size):
        return memory, f"{size.memory_mib:,} MiB, of which the system keeps a part", environment
    size, environment = min(sizes, key=lambda each: len(_lacking(needs, each[0])))
    return (
        f"{shown_number(needs.vcpus or 0)} vCPUs with {memory} and {needs.gpus or 0} GPUs",
        "not all of them together",
        environment,
    )


def _fargate(needs: Needs, environment: ComputeEnvironment) -> Iterator[Finding]:
    if needs.gpus:
        yield Finding(
            text="it asks for GPUs, and Fargate has none",
            kind=_CAUSE,
            source="DescribeComputeEnvironments computeResources.type",
            value=str(environment.provider),
            resource=environment.name,
            fix="Submit it to a queue with EC2 instances that have GPUs.",
        )
    if needs.vcpus is None or needs.memory_mib is None:
        return
    wanted = (needs.vcpus, needs.memory_mib)
    if fargate_size(*wanted, at_most=needs.memory_mib) != wanted:
        yield Finding(
            text=f"Fargate may not offer {shown_number(needs.vcpus)} vCPUs with"
            f" {needs.memory_mib} MiB",
            kind=_LIKELY,
            source="DescribeComputeEnvironments computeResources.type",
            value=str(environment.provider),
            resource=environment.name,
            fix="Choose a pair from Fargate's table of vCPU and memory values.",
        )


def head(facts: Facts) -> Iterator[Finding]:
    """Yield that the job at the head of the queue is blocked, so that those behind it wait."""
    if facts.head is None:
        return
    blocked = wait_reason_of(facts.head)
    if blocked is not None:
        yield Finding(
            text=f"job {facts.head.job_id} at the head of the queue is blocked: {blocked.message}",
            kind=_LIKELY,
            source="DescribeJobs statusReason",
            value=facts.head.status_reason or "",
            resource=facts.head.job_id,
            fix=f"Correct what blocks job {facts.head.job_id}, or cancel it.",
        )


def position(facts: Facts) -> Iterator[Finding]:
    """Yield where in the queue the job is."""
    if facts.snapshot is None:
        return
    job_id, front = facts.subject.job_id, facts.snapshot.front
    place = facts.snapshot.position_of(job_id)
    kind = _FACT
    if place == 1:
        since = front[0].since
        text = "it is the next job of its queue" + (f", since {shown_time(since)}" if since else "")
    elif place is not None:
        jobs = "1 RUNNABLE job is" if place == 2 else f"{place - 1} RUNNABLE jobs are"  # noqa: PLR2004 - one before it
        text, kind = f"{jobs} before it in the queue", _LIKELY
    elif len(front) >= _FRONT:
        text, kind = f"at least {len(front)} RUNNABLE jobs are before it in the queue", _LIKELY
    else:
        text = "it is not in the queue's snapshot yet, which AWS updates with a delay"
    yield Finding(
        text=text,
        kind=kind,
        source="GetJobQueueSnapshot frontOfQueue.jobs",
        value="not at the front" if place is None else f"position {place} of {len(front)}",
        resource=facts.queue.name if facts.queue else str(facts.subject.queue),
        fix="Wait, or submit urgent jobs to a queue with a higher priority."
        if kind is _LIKELY
        else "",
    )


def scaling(facts: Facts) -> Iterator[Finding]:
    """Yield whether compute environments are as large as they may be, or their owner's matter."""
    for each in facts.environments:
        if not each.takes_jobs:
            continue
        if each.type == "UNMANAGED":
            yield Finding(
                text=f"compute environment {each.name} is UNMANAGED: the job starts when one of the"
                " instances that you registered has room for it",
                kind=_FACT,
                source="DescribeComputeEnvironments type",
                value="UNMANAGED",
                resource=each.name,
            )
        elif each.max_vcpus and (each.desired_vcpus or 0) >= each.max_vcpus:
            yield Finding(
                text=f"compute environment {each.name} is at its limit of {each.max_vcpus} vCPUs:"
                " the job waits until others end",
                kind=_LIKELY,
                source="DescribeComputeEnvironments computeResources.desiredvCpus",
                value=f"{each.desired_vcpus} of {each.max_vcpus}",
                resource=each.name,
                fix=f"Wait, or raise maxvCpus of {each.name}.",
            )


def share(facts: Facts) -> Iterator[Finding]:
    """Yield what the share of the job uses, in a queue with a fair-share policy."""
    identifier = facts.subject.share_identifier
    if facts.snapshot is None or identifier is None:
        return
    used = facts.snapshot.capacity_by_share
    if not used:
        return
    own, total = used.get(identifier, 0.0), sum(used.values())
    yield Finding(
        text=f"its share {identifier} uses {shown_number(own)} of the {shown_number(total)} vCPUs"
        " that the largest shares of the queue use",
        kind=_FACT,
        source="GetJobQueueSnapshot queueUtilization.fairshareUtilization",
        value=", ".join(f"{name}={shown_number(value)}" for name, value in used.items()),
        resource=facts.queue.name if facts.queue else str(facts.subject.queue),
    )


def further_needs(facts: Facts) -> Iterator[Finding]:
    """Yield that the job needs consumable resources, which it may wait for."""
    needed = facts.subject.extra.get("consumableResourceProperties")
    if needed:
        yield Finding(
            text="it needs consumable resources, and waits until enough of them are free",
            kind=_FACT,
            source="DescribeJobs consumableResourceProperties",
            value=str(needed),
            resource=facts.subject.job_id,
            fix="Compare with `aws batch describe-consumable-resource`.",
        )
