"""A SubmitJob request that was found to be good."""

from dataclasses import dataclass

from asyncbatch.local._engine.definitions import JobDefinition
from asyncbatch.local._engine.queues import JobQueue
from asyncbatch.local._engine.spec import JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a job is made of.

    Attributes:
        name: Its name.
        queue: The job queue that it waits in.
        definition: The revision of the job definition that it refers to.
        spec: What it runs.
        tags: Its tags.
        depends_on: Its dependencies, in AWS's words.
        array_size: The number of children; None for a job that is no array.
    """

    name: str
    queue: JobQueue
    definition: JobDefinition
    spec: JobSpec
    tags: dict[str, str]
    depends_on: list[dict[str, str]]
    array_size: int | None = None
