"""All jobs: created from submissions, found by id or ARN, and moved from status to status."""

from collections.abc import Iterable
from itertools import count

from asyncbatch._values.status import JobStatus
from asyncbatch.local._engine.ids import IdMaker, number_of, resource_name
from asyncbatch.local._engine.jobs import Array, Job
from asyncbatch.local._engine.queues import JobQueue
from asyncbatch.local._engine.status_index import StatusIndex
from asyncbatch.local._engine.submission import Submission
from asyncbatch.local._time.clock import Clock, epoch_milliseconds


class QueueJobs:
    """The jobs of one queue. Array children are not listed here but in their parent's index.

    Attributes:
        by_status: The jobs by status.
        in_order: The jobs in the order of submission.
    """

    __slots__ = ("_by_name", "by_status", "in_order")

    def __init__(self) -> None:
        self.by_status: StatusIndex[Job] = StatusIndex()
        self.in_order: list[Job] = []
        self._by_name: dict[str, list[Job]] = {}

    def add(self, job: Job) -> None:
        """Add a new job."""
        self.by_status.enter(job, job.status)
        self.in_order.append(job)
        self._by_name.setdefault(job.name.lower(), []).append(job)

    def newest_first(self) -> Iterable[Job]:
        """Return all jobs, the last submitted first."""
        return reversed(self.in_order)

    def named(self, name: str) -> Iterable[Job]:
        """Return the jobs of this name, in any case, the last submitted first."""
        return reversed(self._by_name.get(name.lower(), []))


class JobStore:
    """Keeps all jobs until the engine is closed.

    Args:
        clock: The engine's clock.
        ids: Source of job ids.
    """

    def __init__(self, clock: Clock, ids: IdMaker) -> None:
        self._clock = clock
        self._ids = ids
        self._jobs: dict[str, Job] = {}
        self._by_queue: dict[JobQueue, QueueJobs] = {}
        self._sequence = count(1)

    def add(self, submission: Submission) -> Job:
        """Create the job, and an array's children; all of them are SUBMITTED."""
        job = self._create(submission, self._ids.uuid(), None, None)
        if submission.array_size is not None:
            job.array = Array(updated_at=job.created_at)
            for index in range(submission.array_size):
                child = self._create(submission, f"{job.id}:{index}", job, index)
                job.array.children.append(child)
                job.array.index.enter(child, child.status)
        self._jobs[job.id] = job
        self.of_queue(job.queue).add(job)
        return job

    def find(self, reference: str) -> Job | None:
        """Return the job with this id or ARN; a child's id is `parent:index`."""
        parent_id, _, index = resource_name(reference, "job").partition(":")
        job = self._jobs.get(parent_id)
        if job is None or not index:
            return job
        children = job.array.children if job.array else []
        place = number_of(index)
        return children[place] if place is not None and place < len(children) else None

    def of_queue(self, queue: JobQueue) -> QueueJobs:
        """Return the jobs of a queue."""
        jobs = self._by_queue.get(queue)
        if jobs is None:
            jobs = self._by_queue[queue] = QueueJobs()
        return jobs

    def move(self, job: Job, status: JobStatus) -> None:
        """Change a job's status."""
        parent = job.parent
        if parent is None or parent.array is None:
            self._by_queue[job.queue].by_status.move(job, job.status, status)
        else:
            parent.array.index.move(job, job.status, status)
            parent.array.updated_at = epoch_milliseconds(self._clock)
        job.status = status

    def _create(
        self, submission: Submission, job_id: str, parent: Job | None, position: int | None
    ) -> Job:
        return Job(
            id=job_id,
            name=submission.name,
            queue=submission.queue,
            definition=submission.definition,
            spec=submission.spec,
            tags=dict(submission.tags),
            depends_on=submission.depends_on,
            sequence=next(self._sequence),
            created_at=epoch_milliseconds(self._clock),
            parent=parent,
            position=position,
        )
