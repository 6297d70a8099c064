"""Search for the live job that an earlier run of a task left behind.

Theory of operation
-------------------
A single run searches by the job's name, with one ListJobs for each queue. If thousands of tasks
start on one client, a call for each would take minutes at the rate that AWS allows. So tasks that
wait for a search share the next one, which lists all live jobs of their queues. A task that arrives
while a list is being read waits for the next list: the current one may have been read before the
task's job was submitted.

ListJobs may lag some seconds behind SubmitJob, so a job submitted just before can be missed.
"""

import logging
import weakref
from collections import defaultdict
from collections.abc import Sequence

import anyio

from asyncbatch import AccessDenied, AsyncBatchClient, Job, JobQueueNotFound, JobStatus
from asyncbatch_luigi._request import RunPlan

logger = logging.getLogger("luigi-interface")

Queues = tuple[str | None, ...]

_LIVE = tuple(status for status in JobStatus if not status.is_terminal)


async def find_live_jobs(client: AsyncBatchClient, plan: RunPlan) -> list[Job]:
    """Return the live jobs that were submitted for the same plan, the latest one first.

    A job of another size than the plan's is a part of an array, whose failed children run again.

    Raises:
        JobQueueNotFound: The job queue does not exist.
        InvalidRequest: There is no unique default job queue.
        APIError: AWS returned an error, or could not be reached.
    """
    name = plan.request.name or ""
    if plan.has_own_name and not plan.identity:
        return []  # without tags, jobs of other tasks with that name look the same
    queues = (*(plan.searched_queues or (plan.request.queue,)), *plan.fallback_queues)
    queues = tuple(dict.fromkeys(queues))
    searches = _searches.setdefault(client, {}).setdefault(queues, _Search(queues))
    jobs = await searches.jobs_named(client, name)
    if plan.has_own_name and jobs:
        described = await client.describe(jobs)
        jobs = [
            job
            for job in jobs
            if job.id in described and plan.identity.items() <= described[job.id].tags.items()
        ]
    return sorted(jobs, key=_created_at, reverse=True)


def is_part(job: Job, plan: RunPlan) -> bool:
    """Return whether a live job is a part of the plan's array."""
    array = job.description.array if job.description else None
    return plan.request.array_size != (array.size if array else None)


class _Search:
    """Searches in the same queues, each of which serves all tasks that wait for it."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._lock = anyio.Lock()
        self._request_count = 0
        self._served_count = 0  # requests up to this number are served by the last search
        self._by_name: dict[str, list[Job]] = {}
        self._is_allowed = True

    async def jobs_named(self, client: AsyncBatchClient, name: str) -> Sequence[Job]:
        """Return the live jobs with a name, as they are at the time of the call or later."""
        self._request_count += 1
        request_number = self._request_count
        async with self._lock:
            if not self._is_allowed:
                return ()
            if self._served_count < request_number:
                is_alone = self._request_count == request_number
                await self._search(client, name if is_alone else None)
            found = self._by_name.get(name, ())
            if request_number == self._served_count:  # the last task that this search serves
                self._by_name = {}
            return found

    async def _search(self, client: AsyncBatchClient, name: str | None) -> None:
        serves = self._request_count  # requests that arrive during the search need the next one
        jobs: list[Job] = []
        try:
            for queue in self._queues:
                jobs += await self._find(client, name, queue)
        except AccessDenied as error:
            logger.warning(
                "Search for live jobs of earlier runs denied; submitting without it: %s", error
            )
            self._is_allowed = False
            return
        self._by_name = defaultdict(list)
        for job in jobs:
            self._by_name[job.name].append(job)
        self._served_count = serves

    async def _find(
        self, client: AsyncBatchClient, name: str | None, queue: str | None
    ) -> Sequence[Job]:
        try:
            return await client.find(name=name, queue=queue, status=_LIVE)
        except JobQueueNotFound:
            if len(self._queues) == 1:  # the queue that the task names
                raise
            return ()  # it was deleted since it was listed, and its jobs with it


_searches: "weakref.WeakKeyDictionary[AsyncBatchClient, dict[Queues, _Search]]" = (
    weakref.WeakKeyDictionary()
)


def _created_at(job: Job) -> float:
    created_at = job.description.created_at if job.description else None
    return created_at.timestamp() if created_at else 0.0
