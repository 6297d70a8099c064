"""Conversion of the values of Luigi tasks to those that a `JobRequest` accepts."""

import random
import string
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from asyncbatch import InvalidRequest


def as_text(field: str, values: Mapping[str, object]) -> dict[str, str]:
    """Return a mapping with its values converted to text.

    Raises:
        InvalidRequest: It is not a mapping, or a value is None: that is taken for a mistake, and
            never for the text "None".
    """
    if not isinstance(values, Mapping):
        shown = type(values) if field == "environment" else None  # it may contain a secret
        rule = "must be a mapping, such as a dict"
        raise InvalidRequest(field, values, rule, shown=shown)
    for name, value in values.items():
        if value is None:
            rule = "must have a value; leave out what the job definition decides"
            raise InvalidRequest(f"{field}[{name!r}]", value, rule)
    return {name: str(value) for name, value in values.items()}


def as_timeout(value: timedelta | float | None) -> timedelta | None:
    """Return a duration; a number is a number of seconds."""
    return timedelta(seconds=value) if isinstance(value, int | float) else value


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
