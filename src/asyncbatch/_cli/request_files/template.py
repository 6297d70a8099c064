"""A template: a document whose text has placeholders, which the rows of a CSV file fill.

``{column}`` stands for the text of that column, wherever it is in a value. ``{{column}}`` stands
for ``{column}`` itself. Other braces are left alone: those around anything but a name, such as
``{print $1}``, and those after a ``$``, such as ``${HOME}``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from asyncbatch._cli.request_files.documents import MalformedText

_BRACES = re.compile(r"\{\{(?P<literal>[^{}]+)\}\}|(?<!\$)\{(?P<name>[^{}]+)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Template:
    """A template for rows with given columns.

    Attributes:
        used: The columns that fill placeholders.
    """

    def __init__(self, members: Mapping[str, Any], columns: Sequence[str]) -> None:
        """Check the placeholders.

        Raises:
            MalformedText: A placeholder names no column, or has no quotes in YAML.
        """
        self._members = members
        self._columns = frozenset(columns)
        self.used = frozenset(self._placeholders(members))

    def filled(self, cells: Mapping[str, str]) -> dict[str, Any]:
        """Return the members of a request, with the text of a row in place of placeholders."""
        return {name: self._value(value, cells) for name, value in self._members.items()}

    def _value(self, value: Any, cells: Mapping[str, str]) -> Any:  # noqa: ANN401 - any value
        if isinstance(value, str):
            return _BRACES.sub(lambda found: self._text(found, cells), value)
        if isinstance(value, Mapping):
            return {name: self._value(member, cells) for name, member in value.items()}
        if isinstance(value, list):
            return [self._value(item, cells) for item in value]
        return value

    def _text(self, found: re.Match[str], cells: Mapping[str, str]) -> str:
        literal = found["literal"]
        if literal is None:
            return cells[found["name"]] if found["name"] in self._columns else found[0]
        return f"{{{literal}}}" if self._is_name(literal) else found[0]

    def _is_name(self, text: str) -> bool:
        return text in self._columns or _NAME.fullmatch(text) is not None

    def _placeholders(self, value: object) -> Iterator[str]:
        """Yield the columns that a value of the template names.

        Raises:
            MalformedText: As the constructor.
        """
        if isinstance(value, str):
            for found in _BRACES.finditer(value):
                name = found["name"]
                if name in self._columns:
                    yield name
                elif name is not None and self._is_name(name):
                    columns = ", ".join(sorted(self._columns))
                    raise MalformedText(
                        f"no column fills {{{name}}}: the columns are {columns}. Write"
                        f" {{{{{name}}}}} for {{{name}}} itself."
                    )
        elif isinstance(value, Mapping):
            self._require_quotes(value)
            for member in value.values():
                yield from self._placeholders(member)
        elif isinstance(value, list):
            for item in value:
                yield from self._placeholders(item)

    def _require_quotes(self, value: Mapping[str, Any]) -> None:
        """Raise for ``memory: {memory}`` in YAML, which is a mapping.

        Raises:
            MalformedText: It is one.
        """
        for name in value:
            if len(value) == 1 and value[name] is None and name in self._columns:
                raise MalformedText(
                    f'write "{{{name}}}" with quotes: without them, YAML reads a mapping'
                )
