"""The requests that run failed jobs and failed children of arrays again: pure.

They are made from descriptions, so it does not matter which program submitted the jobs. Children
keep their original indexes (`_submitting.smaller_array`).

A job that has started had dependencies that succeeded. AWS forgets them some days later and would
refuse a new job that depends on them, so a rerun depends on nothing, unless the caller says so.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from asyncbatch._submitting.smaller_array import smaller_array
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.failures import failure_of
from asyncbatch._values.requests import Dependency, DependencyType, JobFields, JobRequest
from asyncbatch._values.results import FailureKind
from asyncbatch._values.unknown_fields import require_known


def require_fields(changes: JobFields) -> None:
    """Raise before anything else if a change names no field of a request.

    Raises:
        UnknownField: There is no such field.
    """
    known = {each.name for each in dataclasses.fields(JobRequest)}
    require_known(JobRequest.__name__, changes, known)


def request_of_job(job: JobDescription, changes: JobFields) -> JobRequest:
    """Return the request that runs a failed job again.

    Raises:
        InvalidRequest: It cannot run again, or a change breaks a rule.
    """
    return _changed(JobRequest.from_description(job), [job], changes)


def request_of_children(
    array: JobDescription,
    failed: Sequence[JobDescription],
    indexes: Iterable[int],
    changes: JobFields,
) -> JobRequest:
    """Return the request that runs some children of an array again.

    Args:
        array: The parent.
        failed: What is known of the children.
        indexes: Their original indexes.
        changes: Fields that replace those of the array.

    Raises:
        InvalidRequest: They cannot run again with their indexes, or a change breaks a rule.
    """
    if "array_size" in changes:
        rule = "the number of failed children decides the size"
        raise InvalidRequest("array_size", changes["array_size"], rule)
    request = _changed(JobRequest.from_description(array), failed, changes)
    smaller = smaller_array(request, indexes)
    if smaller is not request:
        _require_sh(array, failed)
    key = changes.get("key")
    return smaller if key is None else smaller.replace(key=key)


def _changed(
    request: JobRequest, failed: Sequence[JobDescription], changes: JobFields
) -> JobRequest:
    """Return a request with changes, and without the dependencies that were met already.

    Raises:
        InvalidRequest: A dependency failed, so it is not met; or a change breaks a rule.
    """
    if "depends_on" not in changes:
        for job in failed:
            failure = failure_of(job)
            if failure is not None and failure.kind is FailureKind.DEPENDENCY:
                rule = (
                    "a job that it depends on failed. Run that job again first, and pass"
                    " depends_on=[new_job]."
                )
                raise InvalidRequest("depends_on", job.job_id, rule)
        own_order = Dependency(type=DependencyType.SEQUENTIAL)
        kept = [own_order] if own_order in request.depends_on else []
        request = request.replace(depends_on=kept)
    return request.replace(**changes)


def _require_sh(array: JobDescription, failed: Iterable[JobDescription]) -> None:
    """Raise where the containers of an array are known to have no sh.

    Raises:
        InvalidRequest: They have none, so that their children cannot keep their indexes.
    """
    platform = array.containers[0].extra.get("runtimePlatform")
    family = platform.get("operatingSystemFamily") if isinstance(platform, Mapping) else None
    if str(family).startswith("WINDOWS"):
        reason = f"its containers run {family}, which has no sh"
    elif any('exec: "sh"' in (job.reason or "") for job in failed):
        reason = "its image has no sh"
    else:
        return
    rule = f"the children cannot keep their indexes: {reason}. Submit the whole array again."
    raise InvalidRequest("command", array.containers[0].command, rule)
