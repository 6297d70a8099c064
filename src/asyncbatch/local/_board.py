"""All jobs: made, found by id, and moved from status to status in the index they belong to."""

from itertools import count

from asyncbatch._values.status import JobStatus
from asyncbatch.local._clock import Clock
from asyncbatch.local._ids import IdMaker
from asyncbatch.local._jobs import Array, Job
from asyncbatch.local._submission import Submission


class JobBoard:
    """Remembers every job.

    Args:
        clock: What time it is.
        ids: Where job ids come from.
    """

    def __init__(self, clock: Clock, ids: IdMaker) -> None:
        self._clock = clock
        self._ids = ids
        self._jobs: dict[str, Job] = {}
        self._sequence = count(1)

    def now(self) -> int:
        """Return the time in milliseconds since the epoch."""
        return int(self._clock.time() * 1000)

    def add(self, submission: Submission) -> Job:
        """Make the job, and an array's children; all of them are SUBMITTED."""
        job = self._make(submission, self._ids.uuid(), None, None)
        if submission.array_size is not None:
            job.array = Array(updated_at=job.created_at)
            for index in range(submission.array_size):
                child = self._make(submission, f"{job.id}:{index}", job, index)
                job.array.children.append(child)
                job.array.index.enter(child, child.status)
        self._jobs[job.id] = job
        queue = job.queue
        queue.index.enter(job, job.status)
        queue.jobs.append(job)
        queue.named.setdefault(job.name.lower(), []).append(job)
        return job

    def find(self, job_id: str) -> Job | None:
        """Return the job with this id; a child's is `parent:index`."""
        parent_id, _, index = job_id.partition(":")
        job = self._jobs.get(parent_id)
        if job is None or not index:
            return job
        children = job.array.children if job.array else []
        return children[int(index)] if index.isdecimal() and int(index) < len(children) else None

    def move(self, job: Job, status: JobStatus) -> None:
        """Give a job another status."""
        parent = job.parent
        if parent is None or parent.array is None:
            job.queue.index.move(job, job.status, status)
        else:
            parent.array.index.move(job, job.status, status)
            parent.array.updated_at = self.now()
        job.status = status

    def _make(
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
            created_at=self.now(),
            parent=parent,
            position=position,
        )
