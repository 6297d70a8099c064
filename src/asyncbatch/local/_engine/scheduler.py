"""Which RUNNABLE jobs start: in the order of their queue, while vCPUs and GPUs are free.

Queues with a higher priority are served first. The first job that does not fit stops the admission,
in all queues: the jobs behind it wait too, so that a steady stream of small jobs cannot starve a
large one. A job that needs more vCPUs or GPUs than the engine has is not queued at all: as on AWS
it stays RUNNABLE with a status reason that says so, and blocks no other job.
"""

from collections.abc import Iterator

from asyncbatch._values.status import JobStatus
from asyncbatch.local._engine.jobs import NOTHING, Job, Resources
from asyncbatch.local._engine.queues import JobQueue
from asyncbatch.local._engine.waiting import FairShares, FirstInFirstOut, Waiting

NEVER_FITS = (
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is"
    " higher than that can be met by the CE(s) attached to the job queue."
)


class Scheduler:
    """Assigns a fixed number of vCPUs and GPUs to jobs.

    Args:
        vcpus: Total number of vCPUs.
        gpus: Total number of GPUs.
    """

    def __init__(self, vcpus: int, gpus: int = 0) -> None:
        # Thousandths: fractions such as 0.25 vCPU add up exactly.
        self._total = self._free = Resources(millicpus=vcpus * 1000, gpus=gpus)
        self._queues: dict[JobQueue, Waiting] = {}

    def enqueue(self, job: Job) -> None:
        """Add a job that has just become RUNNABLE."""
        if not _needs(job).fit_into(self._total):
            job.status_reason = NEVER_FITS
        else:
            self._waiting(job.queue).push(job)

    def admit(self) -> Iterator[Job]:
        """Yield the jobs that may start now; each holds its resources until `release`."""
        for queue in sorted(self._queues, key=lambda queue: -queue.priority):
            waiting = self._queues[queue]
            while (job := waiting.first()) is not None:
                if job.status is not JobStatus.RUNNABLE:  # cancelled while it waited
                    waiting.pop()
                elif not _needs(job).fit_into(self._free):
                    return
                else:
                    waiting.pop()
                    job.held = _needs(job)
                    self._free = self._free.minus(job.held)
                    waiting.note_usage(job, job.held.millicpus)
                    yield job

    def release(self, job: Job) -> None:
        """Free what a job holds."""
        self._free = self._free.plus(job.held)
        self._waiting(job.queue).note_usage(job, -job.held.millicpus)
        job.held = NOTHING

    def front(self, queue: JobQueue, limit: int) -> list[Job]:
        """Return the first waiting jobs of a queue, in order."""
        front: list[Job] = []
        for job in self._waiting(queue).in_order():
            if len(front) == limit:
                break
            if job.status is JobStatus.RUNNABLE:
                front.append(job)
        return front

    def forget(self, queue: JobQueue) -> None:
        """Drop the waiting jobs of a queue."""
        self._queues.pop(queue, None)

    def _waiting(self, queue: JobQueue) -> Waiting:
        waiting = self._queues.get(queue)
        if waiting is None:
            waiting = FirstInFirstOut() if queue.policy is None else FairShares(queue.policy)
            self._queues[queue] = waiting
        return waiting


def _needs(job: Job) -> Resources:
    return Resources(millicpus=job.spec.millicpus, gpus=job.spec.gpus)
