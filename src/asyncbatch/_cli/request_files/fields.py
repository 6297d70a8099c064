"""The fields of a `JobRequest` from a document, a row of a CSV file, or options of a command.

A document uses one of two spellings: the names of `JobRequest`, such as ``job_definition`` and
``memory_mib``, or those of SubmitJob, such as ``jobDefinition`` and ``containerOverrides``. `key`,
`recovery` and `extra`, which SubmitJob does not have, may be in both. A member that is null counts
as not given.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from asyncbatch._cli.request_files import scalars, submit_job_fields
from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.request_checks import STRUCTURES
from asyncbatch._values.requests import Dependency, JobRequest
from asyncbatch._values.retries import EvaluateOnExit, RetryStrategy
from asyncbatch._values.unknown_fields import require_known

KNOWN = frozenset(each.name for each in dataclasses.fields(JobRequest))
MAPPINGS = ("parameters", "environment", "tags", "consumable_resources")

_SUBMIT_JOB = frozenset(submit_job_fields.MEMBERS) - KNOWN
_OURS = KNOWN - frozenset(submit_job_fields.MEMBERS) - submit_job_fields.IN_BOTH


def fields_of_document(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request that a document has.

    Raises:
        InvalidRequest: A member breaks a rule, or the document mixes the two spellings.
        UnknownField: There is no such member.
    """
    given = {name: value for name, value in members.items() if value is not None}
    ours = next((name for name in given if name in _OURS), None)
    theirs = submit_job_member(given)
    if ours is not None and theirs is not None:
        rule = (
            f"a request uses the names of SubmitJob, as {theirs!r}, or those of JobRequest, as"
            f" {ours!r}, and not both"
        )
        raise InvalidRequest(ours, given[ours], rule, shown=_shown(ours, given[ours]))
    if theirs is not None:
        return converted(submit_job_fields.fields_of(given))
    require_known("a request", given, KNOWN)
    return converted(given)


def submit_job_member(members: Mapping[str, Any]) -> str | None:
    """Return the first member that only SubmitJob has; None in a document with our names."""
    return next((name for name, value in members.items() if _is_theirs(name, value)), None)


def _is_theirs(name: str, value: object) -> bool:
    return value is not None and name in _SUBMIT_JOB


def fields_of_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields that cells of a row set, by the names of their columns.

    A column is a field that holds a text, a number, a duration or a bool; or an entry of a mapping,
    such as ``parameters.date``. An empty cell sets nothing.

    Raises:
        InvalidRequest: A column is neither, or a value breaks a rule.
        UnknownField: There is no such field.
    """
    fields: dict[str, Any] = {}
    for column, text in cells.items():
        field, dot, entry = column.partition(".")
        require_column(column)
        if text == "":
            continue
        if dot:
            fields.setdefault(field, {})[entry] = text
        else:
            fields[field] = text
    return converted(fields)


def require_column(column: str) -> None:
    """Raise unless a column can set a field.

    Raises:
        InvalidRequest: Its field holds no single value.
        UnknownField: There is no such field.
    """
    field, dot, entry = column.partition(".")
    require_known("a request", [field], KNOWN)
    if field in MAPPINGS:
        if not dot or not entry:
            rule = f"a column sets one entry: name it {field}.NAME, or use a template"
            raise InvalidRequest("column", column, rule)
    elif dot or field in _OF_SEVERAL_VALUES:
        raise InvalidRequest("column", column, f"a column cannot set {field}: use a template")


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields with changes; of the mappings, entries are added or replaced."""
    fields = {**base, **changes}
    for name in MAPPINGS:
        if name in base and name in changes:
            before, after = base[name], changes[name]
            if isinstance(before, Mapping) and isinstance(after, Mapping):
                fields[name] = {**before, **after}
    return fields


def field_of(error: InvalidRequest) -> str:
    """Return the field that an error is about, such as ``environment`` of ``environment['A']``."""
    return error.field.partition(".")[0].partition("[")[0]


def request_of(fields: Mapping[str, Any]) -> JobRequest:
    """Return the request with these fields.

    Raises:
        InvalidRequest: A value breaks a rule, or there is no job definition.
    """
    if "job_definition" not in fields:
        raise InvalidRequest("job_definition", None, "a request needs a job definition")
    return JobRequest(**fields)


def converted(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields with values of the types that `JobRequest` has.

    Raises:
        InvalidRequest: A value cannot be converted.
    """
    return {name: _CONVERSIONS.get(name, _same)(name, value) for name, value in fields.items()}


def _same(_field: str, value: Any) -> Any:  # noqa: ANN401 - checked by the request, as below
    return value


def _text(_field: str, value: Any) -> Any:  # noqa: ANN401
    return scalars.as_text(value)


def _number(_field: str, value: Any) -> Any:  # noqa: ANN401
    return scalars.as_number(value)


def _flag(_field: str, value: Any) -> Any:  # noqa: ANN401
    return scalars.as_flag(value)


def _plain(_field: str, value: Any) -> Any:  # noqa: ANN401
    return scalars.plain(value)


def _texts(_field: str, value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Mapping):
        return {name: scalars.as_text(member) for name, member in value.items()}
    return [scalars.as_text(item) for item in value] if isinstance(value, list) else value


def _numbers(_field: str, value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, Mapping):
        return value
    return {name: scalars.as_number(member) for name, member in value.items()}


def _retry(field: str, value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, Mapping):
        return scalars.plain(value)
    known = frozenset(("attempts", "evaluate_on_exit"))
    require_known(field, value, known)
    rules = value.get("evaluate_on_exit", [])
    check.iterable("retry.evaluate_on_exit", rules, rule="must be a list of rules")
    return RetryStrategy(
        attempts=scalars.as_number(value.get("attempts")),
        evaluate_on_exit=tuple(_rule(rule) for rule in rules),
    )


def _rule(value: object) -> EvaluateOnExit:
    fields = check.mapping("retry.evaluate_on_exit", value)
    known = frozenset(("action", "on_status_reason", "on_reason", "on_exit_code"))
    require_known("retry.evaluate_on_exit", fields, known)
    values = {name: scalars.as_text(member) for name, member in fields.items()}
    return EvaluateOnExit(**{"action": None, **values})


def _dependencies(field: str, value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, list):
        return value
    return [_dependency(field, item) if isinstance(item, Mapping) else item for item in value]


def _dependency(field: str, value: Mapping[str, Any]) -> Dependency:
    require_known(field, value, frozenset(("job_id", "type")))
    return Dependency(**value)


def _shown(field: str, value: object) -> object:
    return type(value) if field == "environment" else None


_Conversion = Callable[[str, Any], Any]
_OF_SEVERAL_VALUES = frozenset(("command", "depends_on", "extra", *STRUCTURES))
_CONVERSIONS: Mapping[str, _Conversion] = {
    **dict.fromkeys(("job_definition", "queue", "name", "key", "share_identifier"), _text),
    **dict.fromkeys(("instance_type", "recovery"), _text),
    **dict.fromkeys(("vcpus", "memory_mib", "gpus"), _number),
    **dict.fromkeys(("array_size", "scheduling_priority"), _number),
    **dict.fromkeys(("parameters", "environment", "tags", "command"), _texts),
    "consumable_resources": _numbers,
    "attempt_timeout": scalars.duration,
    "propagate_tags": _flag,
    "retry": _retry,
    "depends_on": _dependencies,
    **dict.fromkeys(("extra", *STRUCTURES), _plain),
}
