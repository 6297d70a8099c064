"""Numbers that keep their spelling, and conversion of text to what a field holds."""

import re
from datetime import timedelta
from typing import Any, Self

from asyncbatch._values.errors import InvalidRequest

_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_MAX_DIGITS = 400  # Python refuses to convert thousands of digits
_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_FLAGS = {"true": True, "false": False}


class WrittenInt(int):
    """An integer whose text is the one in the file, such as ``007``."""

    written: str

    def __new__(cls, text: str) -> Self:
        """Keep the text."""
        number = super().__new__(cls, text)
        number.written = text
        return number

    def __str__(self) -> str:
        """Return the text in the file."""
        return self.written


class WrittenFloat(float):
    """A decimal number whose text is the one in the file, such as ``1.10``."""

    written: str

    def __new__(cls, text: str) -> Self:
        """Keep the text."""
        number = super().__new__(cls, text)
        number.written = text
        return number

    def __str__(self) -> str:
        """Return the text in the file."""
        return self.written


def number_of(text: str) -> WrittenInt | WrittenFloat | None:
    """Return the number that a text is in decimal notation; None for any other text."""
    if len(text) > _MAX_DIGITS:
        return None
    if _INTEGER.fullmatch(text):
        return WrittenInt(text)
    return WrittenFloat(text) if _NUMBER.fullmatch(text) else None


def plain(value: Any) -> Any:  # noqa: ANN401 - any value of a document
    """Return a value of a document with plain numbers."""
    if isinstance(value, WrittenInt):
        return int(value)
    if isinstance(value, WrittenFloat):
        return float(value)
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def as_text(value: Any) -> Any:  # noqa: ANN401 - what is no number stays, and is checked later
    """Return a number as the text in the file; any other value as it is."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


def as_number(value: Any) -> Any:  # noqa: ANN401 - as `as_text`
    """Return the number that a text is; any other value as it is, with plain numbers."""
    number = number_of(value.strip()) if isinstance(value, str) else None
    return plain(value if number is None else number)


def as_flag(value: Any) -> Any:  # noqa: ANN401 - as `as_text`
    """Return the bool that ``true`` or ``false`` is in any case; any other value as it is."""
    return _FLAGS.get(value.strip().lower(), value) if isinstance(value, str) else value


def duration(field: str, value: object) -> timedelta:
    """Return a duration: seconds, or a number with ``s``, ``m``, ``h`` or ``d``, such as ``90m``.

    Raises:
        InvalidRequest: It is neither.
    """
    found = _DURATION.fullmatch(str(value).strip())
    if isinstance(value, bool) or found is None:
        rule = "must be seconds, or a number with s, m, h or d, such as 90m"
        raise InvalidRequest(field, value, rule)
    try:
        return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
    except OverflowError:
        raise InvalidRequest(field, value, "is longer than any job can run") from None
