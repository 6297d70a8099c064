"""Conversion of the values of Luigi tasks to those that a `JobRequest` accepts.

The text of a value is part of the identity of a live job (see `_request`). So the same value must
have the same text in every version of this module, and in every process.
"""

import enum
import json
import operator
import random
import string
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any

from asyncbatch import InvalidRequest


def as_text(field: str, values: Mapping[str, object]) -> dict[str, str]:
    """Return a mapping with its values converted to text.

    A dict, list, tuple or set becomes JSON, also within another one. A member of an enum becomes
    the text of its value, unless its class has a `__str__` of its own. Everything else becomes what
    `str` returns: ``2024-01-15`` for a date, ``True`` for a bool.

    Raises:
        InvalidRequest: It is not a mapping, or a value has no text: None is taken for a mistake,
            and never for the text "None".
    """
    if not isinstance(values, Mapping):
        shown = type(values) if field == "environment" else None  # it may contain a secret
        rule = "must be a mapping, such as a dict"
        raise InvalidRequest(field, values, rule, shown=shown)
    return {name: _text(f"{field}[{name!r}]", value) for name, value in values.items()}


def _text(field: str, value: object) -> str:
    """Return the text of one value."""
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return str(value)
    if value is None:
        rule = "must have a value; leave out what the job definition decides"
        raise InvalidRequest(field, value, rule)
    if _is_container(value):
        jsonable = _jsonable(field, value)
        try:
            return json.dumps(jsonable, allow_nan=False)
        except ValueError:
            # Shown by its type, as it may contain a secret.
            rule = "JSON has no infinite numbers and no NaN"
            raise InvalidRequest(field, value, rule, shown=type(value)) from None
    if isinstance(value, enum.Enum) and type(value).__str__ in _STR_OF_ENUMS:
        return _text(field, value.value)
    _check_own_text(field, value)
    return str(value)


# Of `Enum` and `Flag`, of `IntEnum` and `StrEnum`.
_STR_OF_ENUMS = (enum.Enum.__str__, enum.Flag.__str__, enum.IntEnum.__str__, enum.StrEnum.__str__)


def _jsonable(field: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a value as JSON can write it; what JSON does not know becomes text."""
    if isinstance(value, enum.Enum):
        has_own_text = type(value).__str__ not in _STR_OF_ENUMS
        return str(value) if has_own_text else _jsonable(field, value.value)
    if isinstance(value, Mapping):
        return {_text(field, key): _jsonable(field, member) for key, member in value.items()}
    if _is_container(value):
        members = [_jsonable(field, member) for member in value]
        # The order of a set differs between processes.
        return sorted(members, key=json.dumps) if isinstance(value, AbstractSet) else members
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if hasattr(value, "__index__"):  # an integer of another package
        return operator.index(value)
    return _text(field, value)


def _is_container(value: object) -> bool:
    """Return whether a value becomes JSON."""
    is_text = isinstance(value, str | bytes | bytearray | memoryview)
    return isinstance(value, Mapping | AbstractSet | Sequence) and not is_text


def _check_own_text(field: str, value: object) -> None:
    """Refuse an object whose text is its address: that differs between runs.

    Raises:
        InvalidRequest: It is one.
    """
    kind = type(value)
    if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:
        rule = "has no text of its own; convert it to a string, a number or a date"
        raise InvalidRequest(field, kind, rule)


def as_timeout(value: Any) -> Any:  # noqa: ANN401 - JobRequest checks anything else
    """Return a duration; a number is a number of seconds.

    Raises:
        InvalidRequest: The number is not finite, or too large for a duration.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        return timedelta(seconds=value)
    except (OverflowError, ValueError):
        rule = "must be a finite number of seconds, 60 or more"
        raise InvalidRequest("attempt_timeout", value, rule) from None


def to_plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a value of Luigi's dict and list parameters, which are immutable, as dict and list.

    The SDK's validation accepts no other types.
    """
    if isinstance(value, Mapping):
        return {key: to_plain(member) for key, member in value.items()}
    return [to_plain(member) for member in value] if isinstance(value, list | tuple) else value


def random_id() -> str:
    """Return a job name of the form that ``luigi.contrib.batch`` generates."""
    letters = random.Random().sample(string.ascii_lowercase, 8)
    return "batch-job-" + "".join(letters)
