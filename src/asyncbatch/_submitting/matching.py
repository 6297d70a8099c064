"""Whether a job that AWS describes can be the one that was asked for: pure."""

import enum

from asyncbatch._submitting.marks import Submission
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.requests import JobRequest


class Likeness(enum.Enum):
    """How much a job is like a request."""

    NONE = enum.auto()
    PARTIAL = enum.auto()
    FULL = enum.auto()


def likeness(sought: Submission, job: JobDescription) -> Likeness:
    """Return whether a job can be what a submission made.

    Only what AWS never rewrites speaks against it: the job definition, and being an array. What
    differs otherwise leaves a doubt, as AWS completes a request from the job definition.
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
    """Whether a revision is what was asked for by a name or an ARN, with a revision or without."""
    full = arn.rpartition("/")[2]
    return asked in (arn, arn.rpartition(":")[0], full, full.partition(":")[0])


def _has_values(request: JobRequest, job: JobDescription) -> bool:
    environment = job.containers[0].environment if job.containers else {}
    return (
        request.environment.items() <= environment.items()
        and request.parameters.items() <= job.parameters.items()
        and request.tags.items() <= job.tags.items()
    )
