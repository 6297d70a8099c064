"""`Facts`: what was read about a job, as one value, and small questions about it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from asyncbatch._values.descriptions import Container, JobDescription, JobQueue
from asyncbatch._values.part_ids import child_index
from asyncbatch._values.resources import ComputeEnvironment, QueueSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was read about a job.

    Attributes:
        job: The job.
        part: The child or node of the job that is in the way of it; None without parts.
        parts: Listed children or nodes in the state of `part`; at most one page of ListJobs.
        dependencies: Jobs that the job depends on, directly or through others, that have not
            SUCCEEDED, by id.
        depends_on: For each job of `dependencies`, and the job itself, the ids that it depends on.
        unknown: Ids that a job depends on and AWS does not know any more.
        queue: Its job queue; None where it was not read.
        environments: Compute environments of the queue, in their order.
        snapshot: Front of the queue; None where it was not read.
        head: The first job of the queue, if that is another one.
        missing_permissions: Permissions that are missing, each with what it would show.
        not_read: Operations that failed otherwise, each with the error.
    """

    job: JobDescription
    part: JobDescription | None = None
    parts: Sequence[JobDescription] = ()
    dependencies: Mapping[str, JobDescription] = field(default_factory=dict)
    depends_on: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unknown: Sequence[str] = ()
    queue: JobQueue | None = None
    environments: Sequence[ComputeEnvironment] = ()
    snapshot: QueueSnapshot | None = None
    head: JobDescription | None = None
    missing_permissions: Mapping[str, str] = field(default_factory=dict)
    not_read: Mapping[str, str] = field(default_factory=dict)

    @property
    def subject(self) -> JobDescription:
        """The job, child or node that is in the way."""
        return self.part or self.job


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What one task of a job asks for; None where the description does not say."""

    vcpus: float | None
    memory_mib: int | None
    gpus: int | None


def needs_of(job: JobDescription) -> Needs:
    """Return what a job asks for: of a multi-node job, what its largest node does."""
    groups = [job.containers] if job.containers else []
    if job.node is not None:
        groups += [each.containers for each in job.node.ranges]
    sums = [_sum(containers) for containers in groups]
    return Needs(
        vcpus=max((each.vcpus for each in sums if each.vcpus is not None), default=None),
        memory_mib=max((s.memory_mib for s in sums if s.memory_mib is not None), default=None),
        gpus=max((each.gpus for each in sums if each.gpus is not None), default=None),
    )


def _sum(containers: Sequence[Container]) -> Needs:
    vcpus = [c.vcpus for c in containers if c.vcpus is not None]
    memory = [c.memory_mib for c in containers if c.memory_mib is not None]
    gpus = [c.gpus for c in containers if c.gpus is not None]
    return Needs(
        vcpus=sum(vcpus) if vcpus else None,
        memory_mib=sum(memory) if memory else None,
        gpus=sum(gpus) if gpus else None,
    )


def parent_id(job_id: str) -> str | None:
    """Return the id of the array or multi-node job that a part belongs to; None for a whole job."""
    parent = job_id.partition("#")[0].partition(":")[0]
    return None if parent == job_id else parent


def dependency_ids(job: JobDescription, parent: JobDescription | None) -> list[str]:
    """Return the ids that a job depends on; a child also waits for what its array depends on.

    https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html#array-job-dependencies
    """
    index = child_index(job.job_id)
    ids: dict[str, None] = {}
    for source in (job, parent):
        if source is None:
            continue
        kinds = _typed(source)
        for job_id in source.depends_on:
            is_pairwise = index is not None and kinds.get(job_id) == "N_TO_N" and ":" not in job_id
            ids[f"{job_id}:{index}" if is_pairwise else job_id] = None
        if index and kinds.get("") == "SEQUENTIAL":
            ids[f"{parent_id(job.job_id)}:{index - 1}"] = None
    return list(ids)


def _typed(job: JobDescription) -> dict[str, str]:
    """Return the types of dependencies by job id; that of an array's own children has none."""
    entries = job.extra.get("dependsOn")
    given = entries if isinstance(entries, list) else []
    return {
        str(entry.get("jobId") or ""): str(entry.get("type") or "")
        for entry in given
        if isinstance(entry, Mapping)
    }


def shown_time(moment: datetime) -> str:
    """Return a time as text, to the second."""
    return moment.isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")


def shown_number(value: float) -> str:
    """Return a number without a decimal point where it has none."""
    return f"{value:g}"


def short_name(arn: str | None) -> str:
    """Return the name in an ARN such as ``…:job-queue/default``; any other text as it is."""
    return (arn or "").rpartition("/")[2] or "?"
