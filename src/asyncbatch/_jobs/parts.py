"""Why a job failed that has parts: children of an array, nodes of a multi-node job, submissions.

AWS gives the parent no exit code and no log, so its failed parts are listed, and the first of them
is described: two calls and its log, for any number of parts.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import JobFailed
from asyncbatch._values.failures import failure_of
from asyncbatch._values.results import Failure, FailureKind, JobResult, JobSubmission

LISTED_FOR_MESSAGE = 1000
"""One page of ListJobs: a failure's message needs no more of the failed parts."""

_NAMED_RANGES = 10


def index_of(part: JobDescription) -> int:
    """Return the index of a child (``parent:index``) or of a node (``parent#node``)."""
    return int(part.job_id.replace("#", ":").rpartition(":")[2])


def main_node_first(node: JobDescription) -> tuple[bool, int]:
    """Return the sort key of nodes: the end of the main node ends the others."""
    return (not (node.node and node.node.is_main), index_of(node))


def summary_of(
    listed: Sequence[JobDescription],
    first: JobFailed | None,
    *,
    known: int,
    size: int,
    names: tuple[str, str],
) -> str:
    """Return which parts failed, and why the first of them did.

    Args:
        listed: Summaries of failed parts; the first one is explained.
        first: The error of the first one; None explains it by its summary.
        known: Number of parts that failed.
        size: Number of parts.
        names: Singular and plural, such as ``("child", "children")``.
    """
    one, many = names
    message = f"{known or 'some'} of {size} {many} failed"
    if listed:
        indexes = sorted(map(index_of, listed))
        message += f" ({_ranges(indexes, more=len(listed) < known)})"
        why = failure_of_first(listed, first)
        reason = why.message if why else "no reason was given"
        message += f"; {one} {index_of(listed[0])}: {reason}"
    return message


def failure_of_first(listed: Sequence[JobDescription], first: JobFailed | None) -> Failure | None:
    """Return why the first of the listed parts failed."""
    if first is not None:
        return first.failure
    return failure_of(listed[0]) if listed else None


def with_children(result: JobResult, message: str) -> JobResult:
    """Return the result of an array with its failed children in the message of its failure."""
    own = result.failure
    if own is None:
        own = Failure(kind=FailureKind.ARRAY_CHILD, transient=False, message="")
    elif own.kind is not FailureKind.ARRAY_CHILD:
        message = f"{own.message}; {message}"
    return dataclasses.replace(result, failure=dataclasses.replace(own, message=message))


def with_nodes(result: JobResult, message: str, why: Failure | None) -> JobResult:
    """Return the result of a multi-node job that failed as its first failed node did.

    What AWS says of the whole job decides before: a timeout, a termination.
    """
    own = result.failure
    if own is None or why is None:
        return result
    if own.kind is FailureKind.UNKNOWN:
        if result.description.status_reason:
            message = f"{result.description.status_reason.rstrip('.')}; {message}"
        failure = Failure(kind=why.kind, transient=why.transient, message=message)
    else:
        failure = dataclasses.replace(own, message=f"{own.message}; {message}")
    return dataclasses.replace(result, failure=failure)


def notes_on_submissions(submissions: Sequence[JobSubmission], note: str) -> Iterator[str]:
    """Yield what to add to the error of a job that was submitted several times.

    Args:
        submissions: All submissions, the first one first.
        note: Why it was not submitted again; empty where its policy decided so.
    """
    if len(submissions) > 1:
        lines = [
            f"  {number}. {each.job_id} in {_queue_name(each)}"
            + (f", {each.memory_mib:,} MiB" if each.memory_mib else "")
            + (f": {each.failure.kind}" if each.failure else "")
            for number, each in enumerate(submissions, 1)
        ]
        yield "\n".join([f"The job was submitted {len(submissions)} times:", *lines])
    if note:
        yield note


def _queue_name(submission: JobSubmission) -> str:
    """Return the name of a submission's queue, without the rest of its ARN."""
    return (submission.queue or "the default queue").rpartition("/")[2]


def _ranges(indexes: Iterable[int], *, more: bool) -> str:
    """Return indexes in short form, such as ``3, 7-9``; with an ellipsis where there are more."""
    ranges: list[list[int]] = []
    for index in indexes:
        if ranges and index == ranges[-1][-1] + 1:
            ranges[-1][1:] = [index]
        else:
            ranges.append([index])
    shown = ["-".join(map(str, ends)) for ends in ranges[:_NAMED_RANGES]]
    if more or len(ranges) > _NAMED_RANGES:
        shown.append("…")
    return ", ".join(shown)
