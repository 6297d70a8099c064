"""Whether a job that AWS describes can be the one that was submitted: pure."""

import enum

from asyncbatch._submitting.marks import Submission
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.requests import JobRequest


class Likeness(enum.Enum):
    """How well a job matches a request."""

    NONE = enum.auto()
    PARTIAL = enum.auto()
    FULL = enum.auto()


def likeness(sought: Submission, job: JobDescription) -> Likeness:
    """Return how well a job matches a submission.

    Only what AWS never rewrites excludes a job: its job definition, and whether it is an array. Any
    other difference leaves a doubt, as AWS completes a request from the job definition.
    """
    request = sought.request
    if not _is_of_definition(sought.job_definition, job.job_definition or ""):
        return Likeness.NONE
    if request is None:
        return Likeness.PARTIAL
    if request.array_size != (job.array.size if job.array else None):
        return Likeness.NONE
    return Likeness.FULL if _has_values(request, job) else Likeness.PARTIAL


def _is_of_definition(asked: str, arn: str) -> bool:
    """Return whether a revision is what a name or an ARN names, with a revision or without."""
    full = arn.rpartition("/")[2]
    return asked in (arn, arn.rpartition(":")[0], full, full.partition(":")[0])


def _has_values(request: JobRequest, job: JobDescription) -> bool:
    environment = job.containers[0].environment if job.containers else {}
    return (
        request.environment.items() <= environment.items()
        and request.parameters.items() <= job.parameters.items()
        and request.tags.items() <= job.tags.items()
    )
