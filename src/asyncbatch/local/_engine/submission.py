"""A SubmitJob request that passed validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asyncbatch.local._engine.definitions import JobDefinition
from asyncbatch.local._engine.errors import client_error
from asyncbatch.local._engine.queues import JobQueue
from asyncbatch.local._engine.spec import JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """All that a new job is created from.

    Attributes:
        name: Name of the job.
        queue: Job queue that the job waits in.
        definition: Revision of the job definition.
        spec: What the job runs.
        tags: Tags of the job.
        depends_on: `dependsOn` of the request, as given.
        array_size: Number of children; None for a job that is not an array.
    """

    name: str
    queue: JobQueue
    definition: JobDefinition
    spec: JobSpec
    tags: dict[str, str]
    depends_on: list[dict[str, str]]
    array_size: int | None = None


def check_share(request: Mapping[str, Any], queue: JobQueue) -> None:
    """Raise an error unless a job names a share exactly if its queue has a fair-share policy."""
    if queue.policy is not None:
        if not request.get("shareIdentifier"):
            raise client_error("A job queue with a scheduling policy needs a shareIdentifier.")
        return
    for member in ("shareIdentifier", "schedulingPriorityOverride"):
        if request.get(member) is not None:
            raise client_error(
                f"A job queue without a scheduling policy does not accept a {member}."
            )
