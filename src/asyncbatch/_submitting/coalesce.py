"""Requests that differ only in values of their environment, put together as array jobs: pure.

Theory of operation
-------------------
All children of an array have one command, one set of parameters and one environment. They differ in
AWS_BATCH_JOB_ARRAY_INDEX alone. So the values of all requests travel in the array's environment,
and a line of POSIX sh in front of the command picks one's own by the index, then becomes the
command:

* A variable whose value is the same in all requests stays as it is.
* Whole numbers in equal steps are computed from the index, and not sent.
* Any other variable holds a *table* instead of a value: the values, each followed by a separator
  that is in none of them. sh parts the table there, and puts the value in the table's place.

An array is as long as AWS takes. AWS Batch starts a container with ECS's RunTask, whose overrides
are limited far below the 30 KiB of SubmitJob; a job that exceeds this limit is accepted and fails.

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
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.requests import JobRequest

_MAX_ARRAY_SIZE = 10_000
# Of RunTask's 8,192 characters, the rest is for what AWS Batch and the job definition add.
_OVERRIDES_LIMIT = 6 * 1024
# Bytes that an array takes beside its tables: once, and for each variable beside its name.
_WRAPPING = 150
_PICKING = 100
_LONGEST_NAME = "n" * 128

# Characters that mean nothing to a shell between single quotes, and take one byte in JSON.
_SEPARATORS = ",;|:/+@#%^~_=.-"
_INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,8}")  # a step between two of them fits into 32 bits

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A shell sets these itself, so they would not pass through it unchanged.
_SHELLS_OWN = re.compile(
    r"_|IFS|(OLD)?PWD|PPID|E?UID|GROUPS|OPT(ARG|ERR|IND)|LINENO|SH(LVL|ELLOPTS)|S?RANDOM|SECONDS"
    r"|BASH\w*|COMP_\w+|COMPREPLY|DIRSTACK|EPOCH(REALTIME|SECONDS)|EXECIGNORE|FUNC(NAME|NEST)"
    r"|HISTCMD|PIPESTATUS|POSIXLY_CORRECT|PS[0-9]"
)
# These steer the shell or the loader before it has picked a value.
_STEERING = re.compile(r"PATH|ENV|LANG.*|LC_.*|LD_.*|DYLD_.*|MALLOC_.*|GLIBC_.*")
_NOT_PORTABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coalesced:
    """One submission that stands for one request or for several.

    Attributes:
        request: What to submit: an array job, or the only request as it was.
        places: Positions of the requests that it stands for; child by child if there are several.
    """

    request: JobRequest
    places: tuple[int, ...]


def coalesce(requests: Iterable[JobRequest]) -> list[Coalesced]:
    """Put requests together as array jobs where the result is the same; nothing is sent.

    Requests belong together if they differ in nothing but values of their `environment`. Where
    values differ, there must be a `command`, which then runs behind a line of POSIX sh. A request
    stays as it is if it has a name, `array_size`, `key` or `extra` of its own, or nothing to go
    with.

    Args:
        requests: What to submit.

    Returns:
        What to submit instead, in the order of the first request of each.

    Example:
        >>> requests = [
        ...     JobRequest("etl", command=["./load", "all"], environment={"DAY": day})
        ...     for day in ["mon", "tue", "wed"]
        ... ]
        >>> [array] = coalesce(requests)
        >>> array.request.array_size, array.places
        (3, (0, 1, 2))
    """
    asked = list(requests)
    groups: dict[Hashable, list[int]] = {}
    for place, request in enumerate(asked):
        common = _common(request)
        groups.setdefault(place if common is None else common, []).append(place)
    parts = [_part(asked, places) for group in groups.values() for places in _cut(asked, group)]
    return sorted(parts, key=lambda part: part.places[0])


# -- what belongs together -------------------------------------------------------------------------

_COMPARED = [field.name for field in dataclasses.fields(JobRequest) if field.name != "environment"]


def _common(request: JobRequest) -> Hashable:
    """Return what the requests of one array have in common; None for one that stays alone."""
    if request.name or request.array_size or request.key or request.extra:
        return None
    selects = _can_select(request)
    environment = frozenset(
        (name, None if selects and _may_differ(name, str(value)) else value)
        for name, value in request.environment.items()
    )
    return (environment, *(_hashable(getattr(request, name)) for name in _COMPARED))


def _hashable(value: object) -> object:
    return tuple(sorted(value.items())) if isinstance(value, dict) else value


def _can_select(request: JobRequest) -> bool:
    """Whether sh can stand in front of the command and leaves the environment as it is."""
    # What begins with a dash would be an option of exec. Without a command, the definition's own
    # runs, which is not known here.
    if not request.command or request.command[0].startswith("-"):
        return False
    return all(
        _VARIABLE.fullmatch(name) and not _SHELLS_OWN.fullmatch(name)
        for name in request.environment
    )


def _may_differ(name: str, value: str) -> bool:
    return not _STEERING.fullmatch(name) and not _NOT_PORTABLE.search(value)


# -- how long an array may be ----------------------------------------------------------------------


def _cut(asked: Sequence[JobRequest], group: Sequence[int]) -> Iterator[list[int]]:
    """Part a group into arrays, each as long as AWS takes."""
    columns = _columns([asked[place] for place in group])
    tables = [name for name, values in columns.items() if _steps(values) is None]
    room = _room(asked[group[0]], columns)
    places: list[int] = []
    size = 0
    free = dict.fromkeys(tables, _SEPARATORS)
    for row, place in enumerate(group):
        values = {name: columns[name][row] for name in tables}
        # In a table, a value has no quotes, but a separator behind it.
        cost = sum(_json_size(value) - 2 + 1 for value in values.values())
        still_free = {name: _without(free[name], value) for name, value in values.items()}
        full = len(places) == _MAX_ARRAY_SIZE or size + cost > room
        if places and (full or not all(still_free.values())):
            yield places
            places, size = [], 0
            still_free = {name: _without(_SEPARATORS, value) for name, value in values.items()}
        places.append(place)
        size += cost
        free = still_free
    yield places


def _columns(requests: Sequence[JobRequest]) -> dict[str, list[str]]:
    """Return the values of each variable that has more than one."""
    columns = {
        name: [str(request.environment[name]) for request in requests]
        for name in requests[0].environment
    }
    return {name: values for name, values in columns.items() if len(set(values)) > 1}


def _room(request: JobRequest, names: Iterable[str]) -> int:
    """Return how many bytes tables may take beside what a request has already."""
    queue = request.queue or _LONGEST_NAME
    try:
        arguments = wire.submit_job(request, name=_LONGEST_NAME, queue=queue)
    except InvalidRequest:  # too large already: told when it is submitted
        return 0
    payload = wire.SUBMIT_PAYLOAD_LIMIT - _json_size(arguments)
    overrides = _OVERRIDES_LIMIT - _json_size(arguments.get("containerOverrides", {}))
    return min(payload, overrides) - _WRAPPING - sum(_PICKING + 3 * len(name) for name in names)


def _json_size(value: object) -> int:
    return len(json.dumps(value))


def _without(separators: str, value: str) -> str:
    return "".join(separator for separator in separators if separator not in value)


# -- arrays ----------------------------------------------------------------------------------------


def _part(asked: Sequence[JobRequest], places: Sequence[int]) -> Coalesced:
    """Return the submission that stands for some requests of one group."""
    request = asked[places[0]]
    if len(places) > 1:
        columns = _columns([asked[place] for place in places])
        request = _array(request, columns).replace(array_size=len(places))
    return Coalesced(request=request, places=tuple(places))


def _array(request: JobRequest, columns: Mapping[str, Sequence[str]]) -> JobRequest:
    """Return a request whose command picks its values from columns by the index."""
    if not columns:
        return request
    environment = dict(request.environment)
    script = ["set -f"]
    for name, values in columns.items():
        steps = _steps(values)
        if steps is not None:
            del environment[name]
            script.append(f'export {name}="$(({steps[0]} + {steps[1]} * ${_INDEX}))"')
        else:
            separator = _without(_SEPARATORS, "".join(values))[0]
            environment[name] = "".join(value + separator for value in values)
            script.append(_pick(name, separator))
    command = ["sh", "-c", "; ".join([*script, 'exec "$@"']), "sh", *(request.command or ())]
    return request.replace(environment=environment, command=command)


def _pick(name: str, separator: str) -> str:
    """Return the script that puts one's own value in the place of a table."""
    # Splitting makes the values the function's arguments, of which the first ones are dropped.
    return f"IFS='{separator}'; pick() {{ shift \"${_INDEX}\"; {name}=$1; }}; pick ${name}"


def _steps(values: Sequence[str]) -> tuple[int, int] | None:
    """Return first and step of whole numbers in equal steps; None for anything else."""
    if not all(_NUMBER.fullmatch(value) for value in values):
        return None
    numbers = [int(value) for value in values]
    first, step = numbers[0], numbers[1] - numbers[0]
    in_steps = all(number == first + step * n for n, number in enumerate(numbers))
    return (first, step) if in_steps else None
