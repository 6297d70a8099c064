"""Finding the live job that an earlier run of a task left behind.

A run that is alone looks by the job's name, with one ListJobs. Where thousands of tasks start on
one client, the live jobs of the queue are listed once for all that wait: who comes while a list is
being made waits for the next one, so that nobody is told less than there was when they asked.

ListJobs may lag some seconds behind SubmitJob.
"""

import logging
import weakref
from collections import defaultdict
from collections.abc import Sequence

import anyio

from asyncbatch import AccessDenied, AsyncBatchClient, Job, JobStatus
from asyncbatch_luigi._request import RunPlan

logger = logging.getLogger("luigi-interface")

_LIVE = tuple(status for status in JobStatus if not status.is_terminal)


async def find_live_job(client: AsyncBatchClient, plan: RunPlan) -> Job | None:
    """Return the live job that is just what a task asks for; None if there is none.

    Raises:
        JobQueueNotFound: There is no such job queue.
        InvalidRequest: No single job queue can be the default.
        APIError: AWS refused, or could not be asked.
    """
    name = plan.request.name or ""
    if plan.has_own_name and not plan.identity:
        return None  # nothing would tell it from other tasks' jobs of the same name
    looks = _looks.setdefault(client, {}).setdefault(plan.request.queue, _Looks())
    jobs = await looks.jobs_named(client, plan.request.queue, name)
    if plan.has_own_name and jobs:
        described = await client.describe(jobs)
        jobs = [
            job
            for job in jobs
            if job.id in described and plan.identity.items() <= described[job.id].tags.items()
        ]
    # The latest, should there be several.
    return max(jobs, key=_created, default=None)


class _Looks:
    """Looks at one queue, each of which serves all who wait for it."""

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self._asked = 0
        self._answered = 0
        self._by_name: dict[str, list[Job]] = {}
        self._may_look = True

    async def jobs_named(
        self, client: AsyncBatchClient, queue: str | None, name: str
    ) -> Sequence[Job]:
        """Return the live jobs of a name, as they were when this was called or later."""
        self._asked += 1
        mine = self._asked
        async with self._lock:
            if not self._may_look:
                return ()
            if self._answered < mine:
                await self._look(client, queue, name if self._asked == mine else None)
            found = self._by_name.get(name, ())
            if mine == self._answered:  # all who waited for this look have been told
                self._by_name = {}
            return found

    async def _look(self, client: AsyncBatchClient, queue: str | None, name: str | None) -> None:
        serves = self._asked
        try:
            jobs = await client.find(name=name, queue=queue, status=_LIVE)
        except AccessDenied as error:
            logger.warning("Live jobs of earlier runs are not looked for: %s", error)
            self._may_look = False
            return
        self._by_name = defaultdict(list)
        for job in jobs:
            self._by_name[job.name].append(job)
        self._answered = serves


_looks: "weakref.WeakKeyDictionary[AsyncBatchClient, dict[str | None, _Looks]]" = (
    weakref.WeakKeyDictionary()
)


def _created(job: Job) -> float:
    created = job.description.created_at if job.description else None
    return created.timestamp() if created else 0.0
