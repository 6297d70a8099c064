"""Combining requests that differ only in their environment's values into array jobs. Pure.

Theory of operation
-------------------
All children of an array job have the same command, parameters and environment. They differ only in
the variable AWS_BATCH_JOB_ARRAY_INDEX. So the array's environment contains the values of all
requests, and a line of POSIX sh before the command selects the child's own values by the index,
then executes the command:

* A variable with the same value in all requests is left unchanged.
* Integers in equal steps are computed from the index, and not sent.
* Any other variable contains a *table*: the values, each followed by a separator that occurs in
  none of them. sh splits the table and replaces it with the child's value.

An array is as large as AWS allows. AWS Batch starts a container with ECS's RunTask, whose overrides
have a far lower limit than the 30 KiB of SubmitJob. A job above that limit is accepted and fails.

The result is part of the identity of a submission (`tests/test_identities.py`).

Sources: https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html (8,192 characters),
https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html#tag_18_06_05 (splitting)
"""

import dataclasses
import json
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from asyncbatch._aws.wire import requests as wire
from asyncbatch._submitting.posix_sh import ARRAY_INDEX, after_line, why_not_in_sh
from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.requests import JobRequest

_MAX_ARRAY_SIZE = 10_000
# Bytes of the 8,192 characters of RunTask; the rest is for what AWS Batch and the job definition
# add.
_OVERRIDES_LIMIT = 6 * 1024
# Bytes of the script, at most: in total, and for each variable in addition to its name.
_SCRIPT_SIZE = 150
_SELECTION_SIZE = 100
_LONGEST_NAME = "n" * 128

# Characters without a meaning between single quotes in a shell, which take one byte in JSON.
_SEPARATORS = ",;|:/+@#%^~_=.-"
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,8}")  # a step between two of them fits into 32 bits

# Variables that affect the shell or the loader before it has selected a value.
_AFFECTS_SHELL = re.compile(r"PATH|ENV|LANG.*|LC_.*|LD_.*|DYLD_.*|MALLOC_.*|GLIBC_.*")
_NOT_PORTABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coalesced:
    """One request that replaces one or several requests.

    Attributes:
        request: The request to submit: an array job, or the only request unchanged.
        places: Positions of the replaced requests, from 0; for an array job, in the order of its
            children.
    """

    request: JobRequest
    places: tuple[int, ...]


def coalesce(requests: Iterable[JobRequest]) -> list[Coalesced]:
    """Combine requests into array jobs where the result is the same; nothing is sent.

    Requests are combined if they differ only in values of their `environment`. If values differ,
    the requests need a `command`, which then runs after a line of POSIX sh, so the image needs a
    shell. A request with `name`, `array_size`, `key`, `extra` or a structure such as
    `node_overrides` is left unchanged, and so is one that no other request can be combined with.

    Args:
        requests: The requests.

    Returns:
        What to submit instead, in the order of the first request of each. An array job has at most
        10,000 children and about 6,000 characters of values.

    Raises:
        InvalidRequest: `requests` is not a list of `JobRequest`.

    Example:
        >>> requests = [
        ...     JobRequest("etl", command=["./load", "all"], environment={"DAY": day})
        ...     for day in ["mon", "tue", "wed"]
        ... ]
        >>> [array] = coalesce(requests)
        >>> array.request.array_size, array.places
        (3, (0, 1, 2))
    """
    given = _checked(requests)
    groups: dict[Hashable, list[int]] = {}
    for place, request in enumerate(given):
        common = _common(request)
        groups.setdefault(place if common is None else common, []).append(place)
    combined = [
        _combine(given, places) for group in groups.values() for places in _split(given, group)
    ]
    return sorted(combined, key=lambda each: each.places[0])


def _checked(requests: Iterable[JobRequest]) -> list[JobRequest]:
    check.iterable("requests", requests, rule="give a list of JobRequests, even for one")
    given = list(requests)
    for request in given:
        if not isinstance(request, JobRequest):
            raise InvalidRequest("requests", request, "every item must be a JobRequest")
    return given


# -- which requests can be combined ----------------------------------------------------------------

_COMPARED = [field.name for field in dataclasses.fields(JobRequest) if field.name != "environment"]


def _common(request: JobRequest) -> Hashable:
    """Return what the requests of one array have in common; None for one that is left alone."""
    if request.name or request.array_size or request.key or wire.needs_model(request):
        return None
    can_select = why_not_in_sh(request) is None
    environment = frozenset(
        (name, None if can_select and _may_differ(name, str(value)) else value)
        for name, value in request.environment.items()
    )
    return (environment, *(_hashable(getattr(request, name)) for name in _COMPARED))


def _hashable(value: object) -> object:
    return tuple(sorted(value.items())) if isinstance(value, dict) else value


def _may_differ(name: str, value: str) -> bool:
    """Whether a variable with this value can be selected by the script."""
    return not _AFFECTS_SHELL.fullmatch(name) and not _NOT_PORTABLE.search(value)


# -- how large an array can be ---------------------------------------------------------------------


def _split(given: Sequence[JobRequest], group: Sequence[int]) -> Iterator[list[int]]:
    """Split a group into arrays, each as large as AWS allows and with a separator left."""
    columns = _columns([given[place] for place in group])
    tables = [name for name, values in columns.items() if _steps(values) is None]
    limit = _table_limit(given[group[0]], columns)
    places: list[int] = []
    size = 0
    free = dict.fromkeys(tables, _SEPARATORS)
    for row, place in enumerate(group):
        values = {name: columns[name][row] for name in tables}
        # In a table, a value has no quotes but is followed by a separator.
        cost = sum(_json_size(value) - 2 + 1 for value in values.values())
        still_free = {name: _without(free[name], value) for name, value in values.items()}
        full = len(places) == _MAX_ARRAY_SIZE or size + cost > limit
        if places and (full or not all(still_free.values())):
            yield places
            places, size = [], 0
            still_free = {name: _without(_SEPARATORS, value) for name, value in values.items()}
        places.append(place)
        size += cost
        free = still_free
    yield places


def _columns(requests: Sequence[JobRequest]) -> dict[str, list[str]]:
    """Return the values of each variable whose values differ."""
    columns = {
        name: [str(request.environment[name]) for request in requests]
        for name in requests[0].environment
    }
    return {name: values for name, values in columns.items() if len(set(values)) > 1}


def _table_limit(request: JobRequest, names: Iterable[str]) -> int:
    """Return the maximum size of all tables in bytes, in addition to the request itself."""
    queue = request.queue or _LONGEST_NAME
    try:
        arguments = wire.submit_job(request, name=_LONGEST_NAME, queue=queue)
    except InvalidRequest:  # too large already, which is raised when it is submitted
        return 0
    payload = wire.SUBMIT_PAYLOAD_LIMIT - _json_size(arguments)
    overrides = _OVERRIDES_LIMIT - _json_size(arguments.get("containerOverrides", {}))
    return (
        min(payload, overrides)
        - _SCRIPT_SIZE
        - sum(_SELECTION_SIZE + 3 * len(name) for name in names)
    )


def _json_size(value: object) -> int:
    return len(json.dumps(value))


def _without(separators: str, value: str) -> str:
    """Return the separators that do not occur in a value."""
    return "".join(separator for separator in separators if separator not in value)


# -- arrays ----------------------------------------------------------------------------------------


def _combine(given: Sequence[JobRequest], places: Sequence[int]) -> Coalesced:
    """Return the request that replaces some requests of one group."""
    request = given[places[0]]
    if len(places) > 1:
        columns = _columns([given[place] for place in places])
        request = _array(request, columns).replace(array_size=len(places))
    return Coalesced(request=request, places=tuple(places))


def _array(request: JobRequest, columns: Mapping[str, Sequence[str]]) -> JobRequest:
    """Return a request whose script selects its values from columns by the index."""
    if not columns:
        return request
    environment = dict(request.environment)
    script = ["set -f"]
    for name, values in columns.items():
        steps = _steps(values)
        if steps is not None:
            del environment[name]
            script.append(f'export {name}="$(({steps[0]} + {steps[1]} * ${ARRAY_INDEX}))"')
        else:
            separator = _without(_SEPARATORS, "".join(values))[0]
            environment[name] = "".join(value + separator for value in values)
            script.append(_selection(name, separator))
    command = after_line("; ".join(script), request.command or ())
    return request.replace(environment=environment, command=command)


def _selection(name: str, separator: str) -> str:
    """Return the script that replaces a table with the child's value."""
    # Splitting makes the values the function's arguments; shift drops those before the index.
    return f"IFS='{separator}'; pick() {{ shift \"${ARRAY_INDEX}\"; {name}=$1; }}; pick ${name}"


def _steps(values: Sequence[str]) -> tuple[int, int] | None:
    """Return first value and step of integers in equal steps; None for other values."""
    if not all(_NUMBER.fullmatch(value) for value in values):
        return None
    numbers = [int(value) for value in values]
    first, step = numbers[0], numbers[1] - numbers[0]
    in_steps = all(number == first + step * n for n, number in enumerate(numbers))
    return (first, step) if in_steps else None
