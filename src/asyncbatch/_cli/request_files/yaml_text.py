"""Documents from YAML: documents of a stream, lists of them, or both.

The types are those of JSON, as in YAML's core schema: numbers in decimal notation, true, false and
null. All else is text, dates, ``no`` and ``0x10`` included. ``<<`` merges mappings.

Source: https://yaml.org/spec/1.2.2/#103-core-schema
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from asyncbatch._cli.request_files.documents import Document, MalformedText, Problem
from asyncbatch._cli.request_files.scalars import WrittenInt, number_of

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_FIRST_OF_NUMBERS = list("-+.0123456789")
# In one request; SubmitJob takes 30 KiB. Aliases can make a small file very large.
_MOST_NODES = 20_000


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # the faster one, if there is one
    """Reads nodes; only the types below are recognised."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - yaml's own name and type


for _name, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", _FIRST_OF_NUMBERS),
    ("float", r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?", _FIRST_OF_NUMBERS),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"(?:{_pattern})\Z"), _first)


def yaml_documents(text: str) -> Iterator[Document | Problem]:
    """Yield the requests of a YAML file, or what is wrong with it."""
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            yield from _requests(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        yield Problem(line, MalformedText(f"not YAML: {error.problem or error.context}"))
    except yaml.YAMLError as error:  # characters that YAML does not allow
        yield Problem(None, MalformedText(f"not YAML: {error}"))
    except RecursionError:
        yield Problem(None, MalformedText("not YAML: it is nested too deeply"))


def _requests(node: yaml.Node | None) -> Iterator[Document | Problem]:
    if node is None or node.tag == f"{_TAG}null":
        return
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield _request(item)
    else:
        yield _request(node)


def _request(node: yaml.Node) -> Document | Problem:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        return Problem(line, MalformedText("a request must be a mapping of fields and values"))
    try:
        return Document(line, _Values().mapping(node), _lines(node))
    except MalformedText as error:
        return Problem(error.line or line, error)


def _lines(node: yaml.MappingNode) -> dict[str, int]:
    return {str(key.value): key.start_mark.line + 1 for key, _ in node.value}


class _Values:
    """Makes values of the nodes of one request."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._count = 0

    def value(self, node: yaml.Node) -> Any:  # noqa: ANN401 - any value
        """Return the value of a node.

        Raises:
            MalformedText: It contains itself, or has a type that JSON does not have.
        """
        self._count += 1
        if self._count > _MOST_NODES:
            raise _error(node, "not usable: its aliases stand for too many values")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if id(node) in self._open:
            raise _error(node, "not usable: a value contains itself")
        self._open.add(id(node))
        if isinstance(node, yaml.MappingNode):
            value: Any = self.mapping(node)
        elif isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            value = [self.value(item) for item in node.value]
        else:
            raise _error(node, f"not usable: the type {node.tag}")
        self._open.remove(id(node))
        return value

    def mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        """Return the members of a mapping, those that it merges included.

        Raises:
            MalformedText: As `value`; or a name is there twice, or is no text.
        """
        if node.tag != f"{_TAG}map":
            raise _error(node, f"not usable: the type {node.tag}")
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                merged = {**self._merged(value), **merged}
                continue
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None or key.tag == f"{_TAG}null":
                raise _error(key, "not usable: the name of a field must be text")
            if name in own:
                raise _error(key, f"not usable: {name!r} is there twice")
            own[name] = self.value(value)
        return {**merged, **own}

    def _merged(self, node: yaml.Node) -> dict[str, Any]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for source in sources:
            value = self.value(source)
            if not isinstance(value, dict):
                raise _error(source, "not usable: << needs a mapping, or a list of mappings")
            merged = {**value, **merged}
        return merged


def _scalar(node: yaml.ScalarNode) -> Any:  # noqa: ANN401 - text, a number, a bool or None
    text: str = node.value
    kind = node.tag.removeprefix(_TAG)
    if kind == "str":
        return text
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    number = number_of(text)
    if kind == "float" and number is not None:
        return number
    if kind == "int" and isinstance(number, WrittenInt):
        return number
    raise _error(node, f"not usable: {text!r:.100} is no {kind}")


def _error(node: yaml.Node, rule: str) -> MalformedText:
    return MalformedText(rule, node.start_mark.line + 1)
