"""A SubmitJob request that passed validation."""

from dataclasses import dataclass

from asyncbatch.local._engine.definitions import JobDefinition
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
