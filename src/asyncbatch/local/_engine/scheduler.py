"""Which RUNNABLE jobs start: in the order of their queue, while vCPUs and GPUs are free.

Queues with a higher priority are served first. The first job that does not fit stops the admission,
in all queues: the jobs behind it wait too, so that a steady stream of small jobs cannot starve a
large one. A job that needs more vCPUs or GPUs than the engine has is not queued at all: as on AWS
it stays RUNNABLE with a status reason that says so, and blocks no other job. One that waits for
consumable resources at the head of its queue stops that queue only.
"""

from collections import deque
from collections.abc import Iterator
from itertools import chain

from asyncbatch._values.status import JobStatus
from asyncbatch.local._engine.consumables import Consumables
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
        consumables: What jobs need besides these.
    """

    def __init__(self, vcpus: int, gpus: int = 0, consumables: Consumables | None = None) -> None:
        self._consumables = Consumables() if consumables is None else consumables
        # Thousandths: fractions such as 0.25 vCPU add up exactly.
        self._total = self._free = Resources(millicpus=vcpus * 1000, gpus=gpus)
        self._queues: dict[JobQueue, Waiting] = {}
        # Between two attempts. Behind others that wait for what they hold, they would never start.
        self._holders: deque[Job] = deque()

    def enqueue(self, job: Job) -> None:
        """Add a job that has just become RUNNABLE."""
        if not _needs(job).fit_into(self._total):
            job.status_reason = NEVER_FITS
        elif job.consumed:
            self._holders.append(job)
        else:
            self._waiting(job.queue).push(job)

    def admit(self) -> Iterator[Job]:
        """Yield the jobs that may start now; each holds its resources until `release`."""
        while self._holders:
            job = self._holders[0]
            if job.status is JobStatus.RUNNABLE:
                if not _needs(job).fit_into(self._free):
                    return
                self._take(job)
                yield job
            self._holders.popleft()
        for queue in sorted(self._queues, key=lambda queue: -queue.priority):
            waiting = self._queues[queue]
            while (first := waiting.first()) is not None:
                if first.status is not JobStatus.RUNNABLE:  # cancelled while it waited
                    waiting.pop()
                elif not _needs(first).fit_into(self._free):
                    return
                elif not self._consumables.take(first):
                    break
                else:
                    waiting.pop()
                    self._take(first)
                    yield first

    def _take(self, job: Job) -> None:
        """Give a job its vCPUs and GPUs."""
        job.held = _needs(job)
        self._free = self._free.minus(job.held)
        self._waiting(job.queue).note_usage(job, job.held.millicpus)

    def release(self, job: Job) -> None:
        """Free what a job holds."""
        self._free = self._free.plus(job.held)
        self._waiting(job.queue).note_usage(job, -job.held.millicpus)
        job.held = NOTHING

    def finish(self, job: Job) -> None:
        """Free what an ended job holds between its attempts as well."""
        self._consumables.give_back(job)

    def front(self, queue: JobQueue, limit: int) -> list[Job]:
        """Return the first waiting jobs of a queue, in order."""
        front: list[Job] = []
        holders = (job for job in self._holders if job.queue is queue)
        for job in chain(holders, self._waiting(queue).in_order()):
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
