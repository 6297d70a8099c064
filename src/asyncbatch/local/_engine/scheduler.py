"""Which RUNNABLE job starts next: first come, first served, as far as the vCPUs reach.

Queues with a higher priority are served first. A job that has to wait for vCPUs makes those behind
it wait too, so that a large job is not starved by small ones. A job that asks for more than there
will ever be is set aside: it stays RUNNABLE, says why, and blocks nobody.
"""

from collections import deque
from collections.abc import Iterator

from asyncbatch._values.status import JobStatus
from asyncbatch.local._engine.jobs import Job
from asyncbatch.local._engine.queues import JobQueue

NEVER_FITS = (
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is"
    " higher than that can be met by the CE(s) attached to the job queue."
)


class Scheduler:
    """Hands out a fixed number of vCPUs.

    Args:
        vcpus: How many there are.
    """

    def __init__(self, vcpus: int) -> None:
        self._total = vcpus * 1000
        self._free = self._total
        self._lines: dict[JobQueue, deque[Job]] = {}

    def enqueue(self, job: Job) -> None:
        """Let a job that has just become RUNNABLE wait for its turn."""
        if job.spec.millicpus > self._total:
            job.status_reason = NEVER_FITS
        else:
            self._lines.setdefault(job.queue, deque()).append(job)

    def admit(self) -> Iterator[Job]:
        """Yield the jobs that may start now; each holds its vCPUs until `release`."""
        for queue in sorted(self._lines, key=lambda queue: -queue.priority):
            line = self._lines[queue]
            while line:
                job = line[0]
                if job.status is not JobStatus.RUNNABLE:  # cancelled meanwhile
                    line.popleft()
                elif job.spec.millicpus > self._free:
                    return
                else:
                    line.popleft()
                    self._free -= job.spec.millicpus
                    job.vcpus_held = job.spec.millicpus
                    yield job

    def release(self, job: Job) -> None:
        """Take back what a job holds."""
        self._free += job.vcpus_held
        job.vcpus_held = 0

    def front(self, queue: JobQueue, limit: int) -> list[Job]:
        """Return the jobs at the front of a queue's line."""
        front: list[Job] = []
        for job in self._lines.get(queue, ()):
            if len(front) == limit:
                break
            if job.status is JobStatus.RUNNABLE:
                front.append(job)
        return front

    def forget(self, queue: JobQueue) -> None:
        """Drop a queue's line."""
        self._lines.pop(queue, None)
