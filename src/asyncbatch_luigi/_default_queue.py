"""The job queue of tasks that name none.

``luigi.contrib.batch`` takes the first job queue that AWS lists. So does this package, unless the
configuration says otherwise: pipelines rely on it. AWS promises no order, so the next run may take
another one, and then the live job of an earlier run is in any of the queues. Therefore the queue
that was chosen here is no part of the task's identity (see `_request`), and all of them are
searched.
"""

import dataclasses
import logging
import weakref
from collections.abc import Iterable
from typing import NamedTuple

import anyio

from asyncbatch import AsyncBatchClient, InvalidRequest, JobQueue
from asyncbatch_luigi._request import RunPlan
from asyncbatch_luigi.config import settings_of

logger = logging.getLogger("luigi-interface")

# Statuses in which a queue has lost its jobs, or is about to.
_DELETED = ("DELETING", "DELETED")


class DefaultQueue(NamedTuple):
    """The job queue for jobs without one, and where earlier such jobs may be.

    Attributes:
        name: The first queue that takes jobs; None if there is none, or if there has to be only
            one: then the client decides, or raises.
        searched: Queues that may contain live jobs.
    """

    name: str | None
    searched: tuple[str, ...] = ()


async def with_default_queue(client: AsyncBatchClient, plan: RunPlan) -> RunPlan:
    """Return the plan with a job queue if it names none.

    Raises:
        InvalidRequest: `when_no_queue` is not valid.
        APIError: AWS returned an error, or could not be reached.
    """
    if plan.request.queue is not None:
        return plan
    found = await default_queue(client)
    if found.name is None:
        return plan
    return dataclasses.replace(
        plan, request=plan.request.replace(queue=found.name), searched_queues=found.searched
    )


async def default_queue(client: AsyncBatchClient) -> DefaultQueue:
    """Return the default queue of a client's tasks; it is determined once for each client.

    Raises:
        InvalidRequest: `when_no_queue` is not valid.
        APIError: AWS returned an error, or could not be reached.
    """
    return await _choices.setdefault(client, _Choice()).get(client)


def active_queues(queues: Iterable[JobQueue]) -> list[str]:
    """Return the names of the queues that take jobs, in AWS's order."""
    return [queue.name for queue in queues if queue.takes_jobs]


class _Choice:
    """The default queue of one client."""

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self._found: DefaultQueue | None = None

    async def get(self, client: AsyncBatchClient) -> DefaultQueue:
        async with self._lock:
            if self._found is None:
                self._found = await _choose(client)
        return self._found


# Locks belong to one event loop; so does a client.
_choices: "weakref.WeakKeyDictionary[AsyncBatchClient, _Choice]" = weakref.WeakKeyDictionary()


async def _choose(client: AsyncBatchClient) -> DefaultQueue:
    rule = settings_of(client).when_no_queue
    if rule not in ("first", "only"):
        raise InvalidRequest("when_no_queue", rule, "must be 'first' or 'only'")
    if rule == "only":
        return DefaultQueue(None)
    queues = await client.job_queues()
    active = active_queues(queues)
    if not active:
        return DefaultQueue(None)
    if len(active) > 1:
        _warn(tuple(active))
    return DefaultQueue(active[0], tuple(queue.name for queue in queues if _may_have_jobs(queue)))


def _may_have_jobs(queue: JobQueue) -> bool:
    """Return whether live jobs may be in a queue; those in a disabled one continue to run."""
    enabled = dataclasses.replace(queue, state="ENABLED", status="VALID")
    return enabled.takes_jobs and queue.status not in _DELETED


_warned_of: set[tuple[str, ...]] = set()


def _warn(active: tuple[str, ...]) -> None:
    """Warn once in this process that a queue was chosen among several."""
    if active in _warned_of:
        return
    _warned_of.add(active)
    logger.warning(
        "No job queue is set: jobs go to %s, the first that AWS lists. Others that take jobs: %s."
        " AWS promises no order. Name a queue: job_queue in the task, or in section [asyncbatch] of"
        " Luigi's configuration. To make this an error: when_no_queue = only",
        active[0],
        ", ".join(active[1:]),
    )
