"""The checks of values at birth: each raises `InvalidRequest` with field, value and rule."""

import enum
import math
import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.status import JobStatus

_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_SHARE_IDENTIFIER = re.compile(r"[A-Za-z0-9]{1,255}\*?")
_MAX_TAGS = 50
_MAX_TAG_KEY = 128
_MAX_TAG_VALUE = 256
_MAX_REASON = 1024
_MIN_TIMEOUT = timedelta(seconds=60)


def text(field: str, value: object, *, rule: str, at_most: int | None = None) -> str:
    """Return `value` if it is text with something in it, and not too long."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest(field, value, rule)
    if at_most is not None and len(value) > at_most:
        raise InvalidRequest(field, value, f"at most {at_most:,} characters, not {len(value):,}")
    return value


def argument(field: str, value: object) -> str:
    """Return `value` if it can be an argument of a command; a blank is one, nothing is not."""
    if not isinstance(value, str) or not value:
        raise InvalidRequest(field, value, "every argument is text and not empty")
    return value


def optional_text(field: str, value: object, *, at_most: int) -> None:
    """Allow None, or text with something in it."""
    if value is not None:
        text(field, value, rule="text that is not empty, or None", at_most=at_most)


def optional_job_name(value: object) -> None:
    """Allow None, or what SubmitJob takes as a job name."""
    if value is None:
        return
    if not isinstance(value, str) or not _JOB_NAME.fullmatch(value):
        raise InvalidRequest(
            "name",
            value,
            "1 to 128 letters, digits, '-' and '_', beginning with a letter or digit",
        )


def optional_share_identifier(value: object) -> None:
    """Allow None, or what SubmitJob takes as a share identifier."""
    if value is None:
        return
    if not isinstance(value, str) or not _SHARE_IDENTIFIER.fullmatch(value):
        raise InvalidRequest(
            "share_identifier", value, "1 to 255 letters and digits, optionally ending in '*'"
        )


def reason(value: object) -> None:
    """Require what TerminateJob takes as a reason."""
    text("reason", value, rule="text that is not empty", at_most=_MAX_REASON)


def integer(field: str, value: object, least: int, most: int | None = None) -> None:
    """Require an integer in a closed range."""
    ok = isinstance(value, int) and not isinstance(value, bool)
    if not ok or value < least or (most is not None and value > most):  # type: ignore[operator]
        span = f"{least:,} or more" if most is None else f"{least:,} to {most:,}"
        raise InvalidRequest(field, value, f"a whole number, {span}")


def optional_integer(field: str, value: object, least: int, most: int | None = None) -> None:
    """Allow None, or an integer in a closed range."""
    if value is not None:
        integer(field, value, least, most)


def optional_number(field: str, value: object, *, above: float) -> None:
    """Allow None, or a finite number above a bound."""
    if value is None:
        return
    ok = isinstance(value, int | float) and not isinstance(value, bool)
    if not ok or not math.isfinite(value) or value <= above:  # type: ignore[arg-type,operator]
        raise InvalidRequest(field, value, f"a number above {above:g}")


def path(field: str, value: object) -> None:
    """Require what names a file."""
    name = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise InvalidRequest(field, value, "the path of a file")


def iterable(field: str, value: object, *, rule: str) -> None:
    """Require what can be iterated over; text is taken for one of what a list was meant of."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidRequest(field, value, rule)


def flag(field: str, value: object) -> None:
    """Require True or False."""
    if not isinstance(value, bool):
        raise InvalidRequest(field, value, "True or False")


def optional_flag(field: str, value: object) -> None:
    """Allow None, True or False."""
    if value is not None and not isinstance(value, bool):
        raise InvalidRequest(field, value, "True, False or None")


def choice(field: str, value: object, choices: type[enum.StrEnum]) -> None:
    """Require a member of an enumeration."""
    if value not in list(choices):
        raise InvalidRequest(field, value, f"one of {', '.join(choices)}")


def optional_choice(field: str, value: object, choices: type[enum.StrEnum]) -> None:
    """Allow None, or a member of an enumeration."""
    if value is not None:
        choice(field, value, choices)


def status(field: str, value: object) -> JobStatus:
    """Return the known state that a caller names; a misspelt one would never be reached."""
    choice(field, value, JobStatus)
    return JobStatus(str(value))


def optional_timeout(field: str, value: object) -> None:
    """Allow None, or a duration that AWS takes as a time limit of an attempt."""
    if value is None:
        return
    if not isinstance(value, timedelta):
        raise InvalidRequest(field, value, "a datetime.timedelta, such as timedelta(minutes=5)")
    if value < _MIN_TIMEOUT or value.microseconds:
        raise InvalidRequest(field, value, "60 seconds or more, in whole seconds")


def moment(field: str, value: object) -> datetime:
    """Return the moment that an aware datetime says, or that lies a duration ago."""
    if isinstance(value, timedelta):
        if value < timedelta():
            raise InvalidRequest(field, value, "how long ago: a timedelta that is not negative")
        return datetime.now(UTC) - value
    if not isinstance(value, datetime) or value.tzinfo is None:
        rule = "a datetime with a time zone, or a timedelta: how long ago"
        raise InvalidRequest(field, value, rule)
    return value


def mapping(field: str, value: object) -> dict[str, Any]:
    """Return a copy of a mapping whose keys are text."""
    if isinstance(value, dict) and not value:  # most are, and the rest is slow
        return {}
    if not isinstance(value, Mapping):
        raise InvalidRequest(field, value, "a mapping, such as a dict")
    for key in value:
        if not isinstance(key, str):
            raise InvalidRequest(field, key, "names are text")
    return dict(value)


def text_by_name(field: str, value: object) -> dict[str, str]:
    """Return a mapping with its numbers turned into text."""
    given = mapping(field, value)
    if "" in given:
        raise InvalidRequest(field, "", "names are not empty")
    return {name: _as_text(field, name, v) for name, v in given.items()}


def tags(value: object) -> dict[str, str]:
    """Return a copy of tags that AWS takes."""
    result = mapping("tags", value)
    if len(result) > _MAX_TAGS:
        raise InvalidRequest("tags", value, f"at most {_MAX_TAGS} tags, not {len(result)}")
    for key, content in result.items():
        if not 1 <= len(key) <= _MAX_TAG_KEY or key.lower().startswith("aws:"):
            raise InvalidRequest(
                "tags",
                key,
                f"keys have 1 to {_MAX_TAG_KEY} characters and do not begin with 'aws:'",
            )
        if not isinstance(content, str) or len(content) > _MAX_TAG_VALUE:
            raise InvalidRequest(
                f"tags[{key!r}]", content, f"values are text of at most {_MAX_TAG_VALUE} characters"
            )
    return result


def _as_text(field: str, name: str, value: object) -> str:
    # A bool is refused: "True", "true" and "1" mean different things to different programs.
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise InvalidRequest(
        f"{field}[{name!r}]", value, "text or a number; write a truth value as text"
    )
