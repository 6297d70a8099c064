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
