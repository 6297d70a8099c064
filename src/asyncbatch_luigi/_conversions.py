"""From the values that Luigi tasks have to those that requests take: pure."""

import random
import string
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from asyncbatch import InvalidRequest, RetryStrategy

_SPOT = "spot:"


def as_text(field: str, values: Mapping[str, object]) -> dict[str, str]:
    """Return what values say in text.

    Raises:
        InvalidRequest: They are no mapping; or a value is missing, which is a mistake and not the
            text None.
    """
    if not isinstance(values, Mapping):
        raise InvalidRequest(field, values, "a mapping, such as a dict")
    for name, value in values.items():
        if value is None:
            rule = "a value; leave out what the definition decides"
            raise InvalidRequest(f"{field}[{name!r}]", value, rule)
    return {name: str(value) for name, value in values.items()}


def as_retry(value: object) -> RetryStrategy | int | None:
    """Return a retry strategy as a request takes it.

    Raises:
        InvalidRequest: It is no strategy, no number of attempts, and not such as ``spot:3``.
    """
    if value is None or isinstance(value, RetryStrategy | int):
        return value
    text = str(value)
    attempts = text.removeprefix(_SPOT)
    if not attempts.isdecimal():
        raise InvalidRequest("retry", value, "a RetryStrategy, a number of attempts, or 'spot:3'")
    if text.startswith(_SPOT):
        return RetryStrategy.for_spot(int(attempts))
    return int(attempts)


def as_timeout(value: timedelta | float | None) -> timedelta | None:
    """Return a duration; a number means seconds."""
    return timedelta(seconds=value) if isinstance(value, int | float) else value


def to_plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a value of Luigi's dictionary and list parameters as plain, changeable Python."""
    if isinstance(value, Mapping):
        return {key: to_plain(member) for key, member in value.items()}
    return [to_plain(member) for member in value] if isinstance(value, list | tuple) else value


def random_id() -> str:
    """Return a job name as ``luigi.contrib.batch`` makes them."""
    letters = random.Random().sample(string.ascii_lowercase, 8)
    return "batch-job-" + "".join(letters)
