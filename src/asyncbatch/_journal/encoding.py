"""A job's last description as text, and back.

Fields that have their default are left out, and fields that are not known are passed over, so that
a description can be read by an older or a newer version of this package.
"""

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from asyncbatch._aws.wire import parts
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.status import JobStatus

_Read = Callable[[Any], Any]
_PLAIN = frozenset([str, int, float, bool, type(None)])
_MICROSECOND = timedelta(microseconds=1)


def to_text(description: JobDescription) -> str:
    """Return a description as JSON."""
    return json.dumps(_plain(description), separators=(",", ":"), default=str)


def from_text(text: str) -> JobDescription:
    """Return the description that a text tells.

    Raises:
        ValueError: The text tells none.
    """
    try:
        description: JobDescription = _reader(JobDescription)(json.loads(text))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a job description: {error!r}") from error
    return description


def _plain(value: object) -> object:
    """Return a value in words of JSON."""
    if type(value) in _PLAIN:  # first of all: most are
        return value
    if isinstance(value, datetime | timedelta):
        return value.isoformat() if isinstance(value, datetime) else value // _MICROSECOND
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if dataclasses.is_dataclass(value):
        kind: type = type(value)
        told = ((name, getattr(value, name), default) for name, default in _defaults(kind))
        return {name: _plain(each) for name, each, default in told if each != default}
    return value


@functools.cache
def _defaults(kind: type) -> tuple[tuple[str, object], ...]:
    """Return the fields of a dataclass with their defaults."""
    return tuple(
        (
            field.name,
            field.default
            if field.default_factory is dataclasses.MISSING
            else field.default_factory(),
        )
        for field in dataclasses.fields(kind)
    )


@functools.cache
def _reader(hint: object) -> _Read:
    """Return the function that makes a value of a type from words of JSON."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType or origin is typing.Union:
        return _reader(next(each for each in arguments if each is not types.NoneType))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _dataclass_reader(hint)
    if origin is tuple:
        each = _reader(arguments[0])
        return tuple if each is _as_it_is else lambda value: tuple(map(each, value))
    if origin is Mapping and (name := _reader(arguments[0])) is not _as_it_is:
        return lambda value: {name(key): said for key, said in value.items()}
    return _SCALARS.get(hint, _as_it_is)


def _dataclass_reader(kind: type) -> _Read:
    """Return what makes a dataclass: it looks only at the fields that JSON has no word for.

    A hundred thousand jobs of one definition have much in common; that is kept once.
    """
    hints = typing.get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in dataclasses.fields(kind)}
    changing = [(name, read) for name, read in readers.items() if read is not _as_it_is]
    common = [(name, f"{kind.__name__}.{name}") for name in readers if name in _COMMON]

    def read(value: dict[str, Any]) -> Any:  # noqa: ANN401 - of the kind that was asked for
        for name, reader in changing:
            if value.get(name) is not None:
                value[name] = reader(value[name])
        for name, part in common:
            if name in value:
                value[name] = parts.shared(part, value[name])
        if not value.keys() <= readers.keys():
            value = {name: v for name, v in value.items() if name in readers}
        return kind(**value)

    return read


_COMMON = frozenset(
    [
        "command",
        "environment",
        "extra",
        "image",
        "job_definition",
        "log_options",
        "parameters",
        "queue",
        "reason",
        "status_reason",
        "tags",
    ]
)


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - whatever JSON has
    return value


_SCALARS: dict[object, _Read] = {
    datetime: datetime.fromisoformat,
    timedelta: lambda microseconds: microseconds * _MICROSECOND,
    JobStatus: JobStatus,
}
