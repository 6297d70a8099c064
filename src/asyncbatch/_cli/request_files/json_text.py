"""Documents from JSON: one value, a list of them, or one per line."""

import json
from collections.abc import Iterator
from typing import Any

from asyncbatch._cli.request_files.documents import Document, MalformedText, Problem
from asyncbatch._cli.request_files.scalars import WrittenFloat, WrittenInt

_BLANK = " \t\r\n"


def json_lines(text: str) -> Iterator[Document | Problem]:
    """Yield a document for each line that is not blank, or what is wrong with it."""
    # Not splitlines: strings may contain other characters that end a line, such as U+2028.
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip(_BLANK):
            continue
        try:
            yield _document(line, _decoded(content))
        except MalformedText as error:
            yield Problem(line, error)


def json_documents(text: str) -> Iterator[Document | Problem]:
    """Yield the documents of a JSON file: an object, or a list of objects."""
    start = _after_blanks(text, 0)
    try:
        if text[start : start + 1] == "[":
            yield from _items(text, start + 1)
        elif start < len(text):
            yield _document(_line(text, start), _decoded(text))
    except MalformedText as error:
        yield Problem(error.line, error)


def _items(text: str, position: int) -> Iterator[Document | Problem]:
    """Yield the items of a list, whose first one is at a position, each with its line.

    Raises:
        MalformedText: It is not JSON.
    """
    position = _after_blanks(text, position)
    line, counted = 1, 0
    if text[position : position + 1] == "]":
        _require_end(text, position + 1)
        return
    while True:
        line, counted = line + text.count("\n", counted, position), position
        value, position = _decoded_at(text, position)
        try:
            yield _document(line, value)
        except MalformedText as error:
            yield Problem(line, error)
        position = _after_blanks(text, position)
        if text[position : position + 1] == "]":
            _require_end(text, position + 1)
            return
        if text[position : position + 1] != ",":
            rule = "not JSON: a comma or ] must follow an item of a list"
            raise MalformedText(rule, _line(text, position))
        position = _after_blanks(text, position + 1)


def _document(line: int, value: object) -> Document:
    if not isinstance(value, dict):
        raise MalformedText(f"a request must be a JSON object, and this is {_kind(value)}")
    return Document(line, value)


def _decoded(text: str) -> Any:  # noqa: ANN401 - any JSON
    value, end = _decoded_at(text, _after_blanks(text, 0))
    _require_end(text, end)
    return value


def _require_end(text: str, position: int) -> None:
    rest = _after_blanks(text, position)
    if rest < len(text):
        rule = "not JSON: there is more after its end"
        raise MalformedText(f"{rule}. Files of JSON lines end in .jsonl.", _line(text, rest))


def _decoded_at(text: str, position: int) -> tuple[Any, int]:
    """Return the value at a position, and where it ends.

    Raises:
        MalformedText: It is not JSON.
    """
    try:
        return _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        rule = f"not JSON: {error.msg} at column {error.colno}"
        raise MalformedText(rule, error.lineno) from None
    except RecursionError:
        rule = "not JSON: it is nested too deeply"
        raise MalformedText(rule, _line(text, position)) from None
    except ValueError as error:  # of the hooks below, and integers of thousands of digits
        raise MalformedText(f"not usable: {error}", _line(text, position)) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return members


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=WrittenInt,
    parse_float=WrittenFloat,
    parse_constant=_constant,
)


def _after_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BLANK:
        position += 1
    return position


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return "text"
    return "null" if value is None else "a number or a bool"
