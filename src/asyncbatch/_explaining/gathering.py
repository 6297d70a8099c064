"""Reads the facts about a job, with as few calls as its state allows."""

from collections.abc import Awaitable, Sequence
from typing import TypeVar

import anyio

from asyncbatch._aws.api import API
from asyncbatch._aws.retrying import EXPLAINING
from asyncbatch._explaining.facts import Facts, dependency_ids, parent_id
from asyncbatch._values.descriptions import JobDescription, JobQueue
from asyncbatch._values.errors import AccessDenied, APIError, JobVanished
from asyncbatch._values.failures import failure_of
from asyncbatch._values.part_ids import is_part
from asyncbatch._values.resources import ComputeEnvironment, QueueSnapshot
from asyncbatch._values.results import FailureKind
from asyncbatch._values.status import JobStatus
from asyncbatch._values.text import one_line, shortened

T = TypeVar("T")

_MAX_STEPS = 20
"""Steps from a job to the root of its dependencies, each of which costs a call."""

_MAX_DEPENDENCIES = 100
"""Dependencies that are described in one step: those that one DescribeJobs describes."""

_MAX_PARTS = 100
"""Children or nodes that are listed."""

_ABOUT_THE_QUEUE = frozenset(
    [
        FailureKind.CAPACITY,
        FailureKind.HOST_LOST,
        FailureKind.NOT_STARTED,
        FailureKind.QUEUE_POLICY,
        FailureKind.SPOT_INTERRUPTION,
        FailureKind.TASK_START,
    ]
)
"""Failures to which the compute environments of the queue have something to add."""

_MAX_ERROR = 200
"""Characters of an error that an explanation repeats: another endpoint may respond with a page."""

_MAX_WAIT = 20.0
"""Seconds for a call that the explanation can do without: throttling may last."""

_USES = {
    "DescribeJobs": "what children, dependencies and the head of the queue wait for or failed with",
    "DescribeJobQueues": "state of the queue, and its compute environments",
    "DescribeComputeEnvironments": "state and limits of the compute environments",
    "GetJobQueueSnapshot": "position in the queue, and what each share uses",
    "ListJobs": "which children or nodes failed or wait",
}


class Gathering:
    """Reads the facts about one job; made for each explanation."""

    def __init__(self, api: API) -> None:
        """Read through `api`."""
        self._api = api
        self._missing: dict[str, str] = {}
        self._not_read: dict[str, str] = {}

    async def facts(self, job_id: str, *, ever_seen: bool) -> Facts:
        """Read the facts about a job.

        Args:
            job_id: Id of a job, a child or a node.
            ever_seen: Whether AWS has described the job before.

        Raises:
            JobVanished: AWS does not know the job.
            APIError: AWS refuses to describe jobs.
        """
        parent = parent_id(job_id)
        found = await self._described([job_id, *([parent] if parent else [])])
        if job_id not in found:
            raise JobVanished(job_id, ever_seen=ever_seen, grace=0.0)
        job = found[job_id]
        part, parts = await self._parts(job)
        depends_on = {job_id: dependency_ids(job, found.get(parent or ""))}
        dependencies, unknown = await self._dependencies(job, depends_on)
        queue, environments = await self._queue(part or job)
        snapshot, head = await self._snapshot(part or job)
        return Facts(
            job=job,
            part=part,
            parts=parts,
            dependencies=dependencies,
            depends_on=depends_on,
            unknown=unknown,
            queue=queue,
            environments=environments,
            snapshot=snapshot,
            head=head,
            missing_permissions=self._missing,
            not_read=self._not_read,
        )

    async def _described(self, ids: Sequence[str]) -> dict[str, JobDescription]:
        return {job.job_id: job for job in await self._api.describe_jobs(ids)}

    async def _others(self, ids: Sequence[str]) -> dict[str, JobDescription] | None:
        """Describe further jobs; None where that failed."""
        return await self._optional("DescribeJobs", self._described(ids))

    async def _optional(self, operation: str, call: Awaitable[T]) -> T | None:
        """Return the result of a call; None, and a note, where AWS refuses or delays it."""
        try:
            with anyio.fail_after(_MAX_WAIT):
                return await call
        except TimeoutError:
            self._not_read[operation] = f"no response within {_MAX_WAIT:.0f} s"
        except AccessDenied:
            self._missing[f"batch:{operation}"] = _USES[operation]
        except APIError as error:
            self._not_read[operation] = shortened(one_line(str(error)), _MAX_ERROR)
        return None

    # -- children and nodes -----------------------------------------------------------------------

    async def _parts(
        self, job: JobDescription
    ) -> tuple[JobDescription | None, Sequence[JobDescription]]:
        """Return the part that is in the way of a job, and all listed ones in its state."""
        if job.is_array_parent:
            listing = _children_in_the_way(job)
        elif job.node is not None and job.node.count and job.status is JobStatus.FAILED:
            listing = JobStatus.FAILED
        else:
            listing = None
        if listing is None:
            return None, ()
        parts = await self._optional("ListJobs", self._list(job, listing)) or []
        if not parts:
            return None, ()
        main = f"{job.job_id}#{job.node.main_index}" if job.node else ""
        first = next((part for part in parts if part.job_id == main), parts[0])
        described = await self._others([first.job_id]) or {}
        return described.get(first.job_id, first), parts

    async def _list(self, job: JobDescription, status: JobStatus) -> list[JobDescription]:
        listing = self._api.list_jobs(
            array_job_id=job.job_id if job.is_array_parent else None,
            multi_node_job_id=None if job.is_array_parent else job.job_id,
            status=status,
        )
        found: list[JobDescription] = []
        async for summary in listing:
            if is_part(summary.job_id, job.job_id):
                found.append(summary)
            if len(found) >= _MAX_PARTS:
                break
        return found

    # -- dependencies -----------------------------------------------------------------------------

    async def _dependencies(
        self, job: JobDescription, depends_on: dict[str, list[str]]
    ) -> tuple[dict[str, JobDescription], list[str]]:
        """Return dependencies that have not SUCCEEDED, and ids that AWS does not know.

        Args:
            job: The job.
            depends_on: Has the ids that the job depends on; those of its dependencies are added.
        """
        found: dict[str, JobDescription] = {}
        unknown: list[str] = []
        seen = {job.job_id}
        frontier = depends_on[job.job_id] if _waits_for_others(job) else []
        for _ in range(_MAX_STEPS):
            ids = [each for each in dict.fromkeys(frontier) if each not in seen]
            ids = ids[:_MAX_DEPENDENCIES]
            if not ids:
                break
            seen.update(ids)
            described = await self._others(ids)
            if described is None:
                break
            unknown += [each for each in ids if each not in described]
            open_ones = {
                each: job
                for each, job in described.items()
                if job.status is not JobStatus.SUCCEEDED
            }
            found |= open_ones
            frontier = []
            for each, dependency in open_ones.items():
                depends_on[each] = dependency_ids(dependency, None)
                if _waits_for_others(dependency):
                    frontier += depends_on[each]
        return found, unknown

    # -- the queue --------------------------------------------------------------------------------

    async def _queue(
        self, job: JobDescription
    ) -> tuple[JobQueue | None, Sequence[ComputeEnvironment]]:
        failure = failure_of(job)
        is_about_queue = failure is not None and failure.kind in _ABOUT_THE_QUEUE
        waits = job.status in {JobStatus.SUBMITTED, JobStatus.RUNNABLE}
        if job.queue is None or not (waits or is_about_queue):
            return None, ()
        queues = await self._optional(
            "DescribeJobQueues", self._api.job_queues([job.queue], patience=EXPLAINING)
        )
        queue = queues[0] if queues else None
        if queue is None or not queue.compute_environments:
            return queue, ()
        environments = await self._optional(
            "DescribeComputeEnvironments",
            self._api.compute_environments(queue.compute_environments, patience=EXPLAINING),
        )
        order = {arn: place for place, arn in enumerate(queue.compute_environments)}
        return queue, sorted(environments or (), key=lambda each: order.get(each.arn, len(order)))

    async def _snapshot(
        self, job: JobDescription
    ) -> tuple[QueueSnapshot | None, JobDescription | None]:
        if job.queue is None or job.status is not JobStatus.RUNNABLE:
            return None, None
        snapshot = await self._optional(
            "GetJobQueueSnapshot", self._api.queue_snapshot(job.queue, patience=EXPLAINING)
        )
        if snapshot is None or not snapshot.front or snapshot.front[0].job_id == job.job_id:
            return snapshot, None
        head_id = snapshot.front[0].job_id
        return snapshot, (await self._others([head_id]) or {}).get(head_id)


def _children_in_the_way(array: JobDescription) -> JobStatus | None:
    """Return the state whose children are in the way of an array; None where there is none."""
    if array.status is JobStatus.FAILED:
        failure = failure_of(array)
        by_children = failure is not None and failure.kind is FailureKind.ARRAY_CHILD
        return JobStatus.FAILED if by_children else None
    counts = array.array.status_summary if array.array else {}
    under_way = counts.get(JobStatus.STARTING, 0) + counts.get(JobStatus.RUNNING, 0)
    return JobStatus.RUNNABLE if counts.get(JobStatus.RUNNABLE) and not under_way else None


def _waits_for_others(job: JobDescription) -> bool:
    """Return whether a job waits for others, or failed with another one."""
    if job.status in {JobStatus.SUBMITTED, JobStatus.PENDING}:
        return True
    failure = failure_of(job)
    return failure is not None and failure.kind is FailureKind.DEPENDENCY
