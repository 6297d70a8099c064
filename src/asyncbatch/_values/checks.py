"""Checks of values when they are made: each raises `InvalidRequest` with field, value and rule.

botocore's model of AWS Batch has almost no constraints, so AWS would answer a wrong value with a
ClientException that names neither the field nor the rule. The limits are those of
https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
"""

import enum
import inspect
import math
import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.status import JobStatus

_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,128}(:\d{1,5})?(#\d{1,5})?")
_SHARE_IDENTIFIER = re.compile(r"[A-Za-z0-9]{1,255}\*?")
_MAX_ARRAY_SIZE = 10_000
_MAX_TAGS = 50
_MAX_TAG_KEY = 128
_MAX_TAG_VALUE = 256
_MAX_REASON = 1024
_MIN_TIMEOUT = timedelta(seconds=60)


def text(field: str, value: object, *, rule: str, at_most: int | None = None) -> str:
    """Return `value` if it is a name, an id or a pattern: one line of text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest(field, value, rule)
    if not value.isprintable():  # also half of a surrogate pair
        raise InvalidRequest(field, value, "must not contain control characters")
    if at_most is not None and len(value) > at_most:
        rule = f"at most {at_most:,} characters are allowed, and this has {len(value):,}"
        raise InvalidRequest(field, value, rule)
    return value


def job_id(field: str, value: object) -> str:
    """Return `value` if it can be a job id: DescribeJobs refuses all jobs of a call for a bad one.

    https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest(field, value, "every item must be a Job or a job id")
    if value.startswith("arn:"):
        raise InvalidRequest(field, value, "pass the job id: the part of the ARN after 'job/'")
    if not is_job_id(value):
        rule = (
            "a job id is letters, digits and '-'; an array child's ends in ':3', a node's in '#0'"
        )
        raise InvalidRequest(field, value, rule)
    return value


def is_job_id(value: str) -> bool:
    """Whether `value` can be a job id."""
    return _JOB_ID.fullmatch(value) is not None


def argument(field: str, value: object) -> str:
    """Return `value` if it can be an argument of a command: blank is allowed, empty is not."""
    if not isinstance(value, str) or not value:
        raise InvalidRequest(field, value, "every argument must be a non-empty string")
    return value


def optional_text(field: str, value: object, *, at_most: int) -> None:
    """Allow None, or a string that is not blank."""
    if value is not None:
        text(field, value, rule="must be a non-empty string or None", at_most=at_most)


def optional_job_name(value: object) -> None:
    """Allow None, or a job name that SubmitJob accepts."""
    if value is None:
        return
    if not isinstance(value, str) or not _JOB_NAME.fullmatch(value):
        raise InvalidRequest(
            "name",
            value,
            "job names have 1 to 128 letters, digits, '-' and '_', and begin with a letter or"
            " digit. Pass None for a generated name.",
        )


def optional_share_identifier(value: object) -> None:
    """Allow None, or a share identifier that SubmitJob accepts."""
    if value is None:
        return
    if not isinstance(value, str) or not _SHARE_IDENTIFIER.fullmatch(value):
        raise InvalidRequest(
            "share_identifier",
            value,
            "share identifiers have 1 to 255 letters and digits, and may end with '*'",
        )


def reason(value: object) -> None:
    """Require a reason that TerminateJob accepts."""
    rule = "must be a non-empty string"
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest("reason", value, rule)
    if len(value) > _MAX_REASON:
        rule = f"at most {_MAX_REASON:,} characters are allowed, and this has {len(value):,}"
        raise InvalidRequest("reason", value, rule)


def integer(field: str, value: object, least: int, most: int | None = None) -> None:
    """Require an integer from `least` to `most`, both included."""
    if not _is_integer(value, least, most):
        span = f"of {least:,} or more" if most is None else f"from {least:,} to {most:,}"
        raise InvalidRequest(field, value, f"must be an integer {span}")


def optional_integer(field: str, value: object, least: int, most: int | None = None) -> None:
    """Allow None, or an integer from `least` to `most`, both included."""
    if value is not None:
        integer(field, value, least, most)


def array_size(field: str, value: object) -> None:
    """Require a number of child jobs that SubmitJob accepts."""
    if not _is_integer(value, 2, _MAX_ARRAY_SIZE):
        rule = f"array jobs need 2 to {_MAX_ARRAY_SIZE:,} children"
        if value == 1:
            rule += ". Submit a plain job instead."
        elif _is_integer(value, _MAX_ARRAY_SIZE):
            rule += ". Submit several array jobs."
        raise InvalidRequest(field, value, rule)


def _is_integer(value: object, least: int, most: int | None = None) -> bool:
    # bool is a subclass of int, but True is no number of anything.
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return value >= least and (most is None or value <= most)


def is_number(value: object) -> bool:
    """Whether `value` is a finite number; NaN, infinity and bool are not."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond all floats
        return False


def number(field: str, value: object, *, above: float) -> None:
    """Require a finite number above a bound."""
    if not is_number(value) or value <= above:  # type: ignore[operator] # it is a number
        raise InvalidRequest(field, value, f"must be a number above {above:g}")


def optional_number(field: str, value: object, *, above: float) -> None:
    """Allow None, or a finite number above a bound."""
    if value is not None:
        number(field, value, above=above)


def path(field: str, value: object) -> None:
    """Require the path of a file."""
    name = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise InvalidRequest(field, value, "must be the path of a file")


def iterable(field: str, value: object, *, rule: str) -> None:
    """Require an iterable of items: no string, which is more likely one item without its list."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidRequest(field, value, rule)


def flag(field: str, value: object) -> None:
    """Require True or False."""
    if not isinstance(value, bool):
        raise InvalidRequest(field, value, "must be True or False")


def is_async(function: object) -> bool:
    """Whether calling `function` only makes a coroutine, which nothing would await."""
    call = getattr(function, "__call__", None)  # noqa: B004 - to look at it, not to call it
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def optional_flag(field: str, value: object) -> None:
    """Allow None, True or False."""
    if value is not None and not isinstance(value, bool):
        raise InvalidRequest(field, value, "must be True, False or None")


def choice(field: str, value: object, choices: type[enum.StrEnum]) -> None:
    """Require a member of an enumeration, or its value."""
    if value not in list(choices):
        raise InvalidRequest(field, value, f"must be one of {', '.join(choices)}")


def optional_choice(field: str, value: object, choices: type[enum.StrEnum]) -> None:
    """Allow None, or a member of an enumeration, or its value."""
    if value is not None:
        choice(field, value, choices)


def status(field: str, value: object) -> JobStatus:
    """Return the known state that a caller names.

    `JobStatus` accepts any string, for states that AWS adds. A misspelt state of a caller is an
    error: no job would ever reach it.
    """
    choice(field, value, JobStatus)
    return JobStatus(str(value))


def optional_timeout(field: str, value: object) -> None:
    """Allow None, or a time limit of an attempt that AWS accepts.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html
    """
    if value is None:
        return
    if not isinstance(value, timedelta):
        rule = "must be a datetime.timedelta, such as timedelta(minutes=5)"
        raise InvalidRequest(field, value, rule)
    if value < _MIN_TIMEOUT or value.microseconds:
        raise InvalidRequest(field, value, "must be at least 60 seconds, in whole seconds")


def moment(field: str, value: object) -> datetime:
    """Return the time that an aware datetime gives, or that a timedelta gives before now."""
    if isinstance(value, timedelta):
        if value < timedelta():
            rule = "a timedelta counts back from now, so it must not be negative"
            raise InvalidRequest(field, value, rule)
        try:
            return datetime.now(UTC) - value
        except OverflowError:
            rule = "a timedelta counts back from now, and this one to before the year 1"
            raise InvalidRequest(field, value, rule) from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        rule = "must be a datetime with a time zone, or a timedelta that counts back from now"
        raise InvalidRequest(field, value, rule)
    return value


def mapping(field: str, value: object) -> dict[str, Any]:
    """Return a copy of a mapping whose keys are strings."""
    # Most are empty, and the isinstance() below is slow, as it asks an abstract base class.
    if isinstance(value, dict) and not value:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidRequest(field, value, "must be a mapping, such as a dict")
    for key in value:
        if not isinstance(key, str):
            raise InvalidRequest(field, key, "keys must be strings")
    return dict(value)


def structure(field: str, value: object, members: tuple[str, ...]) -> dict[str, Any]:
    """Return a copy of a structure in AWS's shape, whose members at the top are known."""
    result = mapping(field, value)
    for name in result:
        if name not in members:
            rule = f"members are {' and '.join(members)}, in AWS's spelling"
            raise InvalidRequest(field, name, rule)
    return result


def text_by_name(field: str, value: object) -> dict[str, str]:
    """Return a copy of a mapping of strings and numbers, with its numbers turned into strings."""
    given = mapping(field, value)
    if "" in given:
        raise InvalidRequest(field, "", "names must not be empty")
    return {name: _as_text(field, name, v) for name, v in given.items()}


def tags(value: object) -> dict[str, str]:
    """Return a copy of tags that AWS accepts."""
    result = mapping("tags", value)
    if len(result) > _MAX_TAGS:
        rule = f"at most {_MAX_TAGS} tags are allowed, and these are {len(result)}"
        raise InvalidRequest("tags", value, rule)
    for key, content in result.items():
        if not 1 <= len(key) <= _MAX_TAG_KEY or key.lower().startswith("aws:"):
            rule = f"tag keys have 1 to {_MAX_TAG_KEY} characters and must not begin with 'aws:'"
            raise InvalidRequest("tags", key, rule)
        if not isinstance(content, str) or len(content) > _MAX_TAG_VALUE:
            rule = f"tag values must be strings of at most {_MAX_TAG_VALUE} characters"
            raise InvalidRequest(f"tags[{key!r}]", content, rule)
    return result


def _as_text(field: str, name: str, value: object) -> str:
    # bool is refused: "True", "true" and "1" mean different things to different programs.
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    rule = "must be a string or a number. Write a bool as the string that the job expects."
    shown = type(value) if field == "environment" else None  # it may be a secret
    raise InvalidRequest(f"{field}[{name!r}]", value, rule, shown=shown)
