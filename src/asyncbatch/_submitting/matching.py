"""Which described jobs can be the ones that unmarked submissions made: pure.

Equal submissions make equal jobs, and any of these may serve any of them. So they are settled
together: the oldest submission gets the oldest job. Submissions that differ are distinguished by
what AWS never rewrites.
"""

import enum
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from asyncbatch._aws.wire import requests
from asyncbatch._submitting.marks import MAX_SKEW, TAG, Submission
from asyncbatch._values.descriptions import Container, JobDescription
from asyncbatch._values.requests import JobRequest

_USUAL_SKEW = 2.0  # seconds between our clock and AWS's, where both are synchronised


class Likeness(enum.Enum):
    """How well a job matches a request."""

    NONE = enum.auto()
    PARTIAL = enum.auto()
    FULL = enum.auto()


@dataclass(frozen=True, slots=True)
class Match:
    """What jobs show about unmarked submissions.

    Attributes:
        jobs: Ids of jobs, by the positions of their submissions.
        doubts: Why others cannot be decided, by their positions.
    """

    jobs: dict[int, str] = field(default_factory=dict)
    doubts: dict[int, str] = field(default_factory=dict)


def match(
    submissions: Sequence[Submission], jobs: Iterable[JobDescription], *, now: float
) -> Match:
    """Give jobs to unmarked submissions of one name and queue.

    Args:
        submissions: Those that are looked up at present.
        jobs: Described jobs of the name that belong to no other submission.
        now: Seconds since the epoch.
    """
    equal: defaultdict[object, list[int]] = defaultdict(list)
    for position, submission in enumerate(submissions):
        equal[_content(submission)].append(position)
    groups = [sorted(group, key=lambda place: submissions[place].since) for group in equal.values()]
    certain, possible = _candidates([submissions[group[0]] for group in groups], jobs, now)
    found = Match()
    for number, group in enumerate(groups):
        doubt = _give(
            [(place, submissions[place]) for place in group],
            certain.get(number, []),
            possible.get(number, []),
            now,
            found.jobs,
        )
        if doubt is not None:
            found.doubts.update((place, doubt) for place in group if place not in found.jobs)
    return found


def likeness(sought: Submission, job: JobDescription) -> Likeness:
    """Return how well a job matches a submission.

    AWS completes a request from the job definition, but never changes a value that the request
    sets: another value excludes a job. A missing value leaves a doubt, as it may be unreadable.
    """
    request = sought.request
    if not _is_of_definition(sought.job_definition, job.job_definition or ""):
        return Likeness.NONE
    if request is None:
        return Likeness.PARTIAL
    if request.array_size != (job.array.size if job.array else None):
        return Likeness.NONE
    compared = [_compared(request.parameters, job.parameters), _compared(request.tags, job.tags)]
    # Which container of several has the values of the request is not known.
    container = job.containers[0] if len(job.containers) == 1 else Container()
    compared.append(_compared(request.environment, container.environment))
    compared.append(_compared_command(request.command or (), container.command))
    compared.append(_compared_number(request.memory_mib, container.memory_mib))
    compared.append(_compared_number(request.vcpus, container.vcpus))
    return min(compared, key=lambda each: each.value)


def _content(submission: Submission) -> object:
    """Return a value that is equal for submissions with the same content."""
    if submission.request is None:
        return submission.job_definition
    return repr(requests.submit_job(submission.request, name="", queue=""))


def _candidates(
    kinds: Sequence[Submission], jobs: Iterable[JobDescription], now: float
) -> tuple[dict[int, list[JobDescription]], dict[int, list[JobDescription]]]:
    """Return the jobs that certainly and possibly have the content of each kind, oldest first."""
    certain: defaultdict[int, list[JobDescription]] = defaultdict(list)
    possible: defaultdict[int, list[JobDescription]] = defaultdict(list)
    for job in sorted(jobs, key=lambda job: created_at(job, now)):
        found = [likeness(kind, job) for kind in kinds]
        full = [number for number, each in enumerate(found) if each is Likeness.FULL]
        # A request may ask for a part of what another one asks for: the larger part decides.
        most = max((_size(kinds[number].request) for number in full), default=0)
        best = [number for number in full if _size(kinds[number].request) == most]
        if len(best) == 1:
            certain[best[0]].append(job)
            continue
        for number, each in enumerate(found):
            if number in best or (each is Likeness.PARTIAL and not best):
                possible[number].append(job)
    return certain, possible


def _give(
    group: Sequence[tuple[int, Submission]],
    certain: Sequence[JobDescription],
    possible: Sequence[JobDescription],
    now: float,
    found: dict[int, str],
) -> str | None:
    """Give jobs to equal submissions, oldest first; return the doubt about the others, if any."""
    twins = max(submission.twins() for _, submission in group)
    if len(certain) > len(group) + twins:
        return _doubt(certain, "and several such jobs exist")
    for (place, submission), job in zip(group, certain, strict=False):
        if not submission.since - _USUAL_SKEW <= created_at(job, now) <= now + _USUAL_SKEW:
            return _doubt([job], "or shortly before")
        found[place] = job.job_id
    if possible and len(certain) < len(group):
        return _doubt(possible, "but may be another submission's")
    return None


def _doubt(jobs: Sequence[JobDescription], why: str) -> str:
    ids = ", ".join(job.job_id for job in jobs[:3])
    return f"job {ids} has this name and was submitted at that time, {why}"


def difference(submission: Submission, array_size: int | None, job: JobDescription) -> str | None:
    """Return why a job cannot be the one that a submission made; None if it can.

    Args:
        submission: What the journal knows of it.
        array_size: Number of children; None for a job that is no array.
        job: The described job.
    """
    if ":" in job.job_id or "#" in job.job_id:
        return "it is a child of an array job or a node of a multi-node job"
    definition = job.job_definition or ""
    if _is_of_definition(submission.job_definition, definition):
        definition = submission.job_definition
    tag = job.tags.get(TAG)
    compared = (
        ("name", job.name, submission.name),
        ("queue", _last_part(job.queue or ""), _last_part(submission.queue)),
        ("array size", job.array.size if job.array else None, array_size),
        (f"tag {TAG}", tag, tag if submission.tag is None else submission.tag),
        ("job definition", definition, submission.job_definition),
    )
    for what, has, wanted in compared:
        if has != wanted:
            return f"its {what} is {has!r}, not {wanted!r}"
    if created_at(job, submission.since) < submission.since - MAX_SKEW:
        since = datetime.fromtimestamp(submission.since, UTC)
        return f"it was created at {job.created_at}, before the submission began at {since}"
    return None


def _last_part(arn: str) -> str:
    return arn.rpartition("/")[2]


def created_at(job: JobDescription, now: float) -> float:
    """Return when a job was created, in seconds since the epoch; `now` where that is not known."""
    return job.created_at.timestamp() if job.created_at else now


def _is_of_definition(asked: str, arn: str) -> bool:
    """Return whether a revision is what a name or an ARN names, with a revision or without."""
    full = arn.rpartition("/")[2]
    return asked in (arn, arn.rpartition(":")[0], full, full.partition(":")[0])


def _compared(wanted: Mapping[str, object], given: Mapping[str, object]) -> Likeness:
    if any(name in given and str(given[name]) != str(wanted[name]) for name in wanted):
        return Likeness.NONE
    return Likeness.FULL if wanted.keys() <= given.keys() else Likeness.PARTIAL


def _compared_command(wanted: Sequence[str], given: Sequence[str]) -> Likeness:
    # AWS replaces placeholders, so a command with some is not compared.
    if not wanted or any("Ref::" in word for word in wanted):
        return Likeness.FULL
    if not given:
        return Likeness.PARTIAL
    return Likeness.FULL if tuple(wanted) == tuple(given) else Likeness.NONE


def _compared_number(wanted: float | None, given: float | None) -> Likeness:
    if wanted is None:
        return Likeness.FULL
    if given is None:
        return Likeness.PARTIAL
    return Likeness.FULL if wanted == given else Likeness.NONE


def _size(request: JobRequest | None) -> int:
    if request is None:
        return 0
    values = (request.parameters, request.environment, request.tags, request.command or ())
    resources = (request.memory_mib, request.vcpus)
    return sum(map(len, values)) + sum(each is not None for each in resources)
