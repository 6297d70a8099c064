"""A job's last description and last log lines as JSON, and back.

Fields with their default value are left out, and unknown fields are ignored. So a description can
be read by an older or a newer version of this package.
"""

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from asyncbatch._aws.wire.sharing import SharedValues
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.results import LogEvent
from asyncbatch._values.status import JobStatus

_Read = Callable[[Any], Any]
_PLAIN = frozenset([str, int, float, bool, type(None)])
_MICROSECOND = timedelta(microseconds=1)


def to_text(description: JobDescription) -> str:
    """Return a description as JSON."""
    return json.dumps(_plain(description), separators=(",", ":"), default=str)


def events_to_text(events: Sequence[LogEvent]) -> str:
    """Return log events as JSON."""
    return json.dumps([_plain(event) for event in events], separators=(",", ":"))


def _plain(value: object) -> object:
    """Return a value as JSON has it: moments in ISO format, durations in microseconds."""
    if type(value) in _PLAIN:  # first, because most values are
        return value
    if isinstance(value, datetime | timedelta):
        return value.isoformat() if isinstance(value, datetime) else value // _MICROSECOND
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if dataclasses.is_dataclass(value):
        kind: type = type(value)
        members = ((name, getattr(value, name), default) for name, default in _defaults(kind))
        return {name: _plain(each) for name, each, default in members if each != default}
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


# Fields that are equal in most jobs of one definition or queue.
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


class Decoder:
    """Reads descriptions; values that many jobs have in common are kept in memory once.

    The types of the fields decide how JSON is read. The function for each type is made once, and
    skips fields whose value in JSON is the value in Python: a rerun reads 100,000 descriptions.
    """

    def __init__(self) -> None:
        """Have read nothing yet."""
        self._readers: dict[object, _Read] = dict(_SCALARS)
        self._shared = SharedValues()

    def from_text(self, text: str) -> JobDescription:
        """Return the description that `to_text` has written.

        Raises:
            ValueError: The text is not a description.
        """
        try:
            description: JobDescription = self._reader(JobDescription)(json.loads(text))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a job description: {error!r}") from error
        return description

    def events_from_text(self, text: str) -> tuple[LogEvent, ...]:
        """Return the log events that `events_to_text` has written.

        Raises:
            ValueError: The text is no list of log events.
        """
        try:
            return tuple(map(self._reader(LogEvent), json.loads(text)))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not log events: {error!r}") from error

    def _reader(self, hint: object) -> _Read:
        """Return the function that makes a value of a type from JSON."""
        if hint not in self._readers:
            self._readers[hint] = self._new_reader(hint)
        return self._readers[hint]

    def _new_reader(self, hint: object) -> _Read:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is types.UnionType or origin is typing.Union:
            # Only `X | None` occurs, and None is read nowhere.
            return self._reader(next(each for each in arguments if each is not types.NoneType))
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            return self._dataclass_reader(hint)
        if origin is tuple:
            each = self._reader(arguments[0])
            return tuple if each is _unchanged else lambda value: tuple(map(each, value))
        if origin is Mapping and (key := self._reader(arguments[0])) is not _unchanged:
            return lambda value: {key(name): each for name, each in value.items()}
        return _unchanged

    def _dataclass_reader(self, kind: type) -> _Read:
        """Return the function that makes a dataclass; it converts only what JSON cannot express."""
        hints = typing.get_type_hints(kind)
        readers = {
            field.name: self._reader(hints[field.name]) for field in dataclasses.fields(kind)
        }
        converted = [(name, read) for name, read in readers.items() if read is not _unchanged]
        common = [(name, f"{kind.__name__}.{name}") for name in readers if name in _COMMON]

        def read(value: dict[str, Any]) -> Any:  # noqa: ANN401 - an instance of `kind`
            for name, reader in converted:
                if value.get(name) is not None:
                    value[name] = reader(value[name])
            for name, part in common:
                if name in value:
                    value[name] = self._shared.one(part, value[name])
            if not value.keys() <= readers.keys():
                value = {name: v for name, v in value.items() if name in readers}
            return kind(**value)

        return read


def _unchanged(value: Any) -> Any:  # noqa: ANN401 - any value of JSON
    return value


_SCALARS: dict[object, _Read] = {
    datetime: datetime.fromisoformat,
    timedelta: lambda microseconds: microseconds * _MICROSECOND,
    JobStatus: JobStatus,
}
