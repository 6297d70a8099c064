"""The reference of the command's options, made from the command itself.

`python -m tools.command_reference` writes it into `docs/reference/command-options.md`; a test
compares them.
"""

import inspect
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asyncbatch._cli import help as help_texts
from asyncbatch._cli.app import COMMANDS, LazyGroup, Row

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "command-options.md"

# Options, patterns of names, and variables.
_CODE = re.compile(r"((?<![\w-])--?[a-z][\w-]*|'[\w-]+\*'|\b(?:AWS|ASYNCBATCH)_[A-Z_]+)")

_HEAD = """\
# Commands and options

This page is made from `asyncbatch --help`. [The command](command.md) describes exit codes,
environment and JSON. Each command also has `--help`.
"""


def page() -> str:
    """Return the page."""
    commands = LazyGroup().commands
    sections = itertools.groupby(COMMANDS, key=lambda row: row.section)
    lines = [_HEAD]
    for section, rows in sections:
        lines.append(f"## {section}\n")
        for row in rows:
            lines += _command(row, commands[row.name])
    return "\n".join(lines)


def _command(row: Row, command: Any) -> Iterator[str]:  # noqa: ANN401 - click's class, which typer has had in two places
    yield f"### {row.name}\n"
    yield f"```console\n$ asyncbatch {row.name} {help_texts.usage_of(command)}\n```\n"
    yield _text(inspect.cleandoc(command.help or ""))
    yield "| Option | Meaning |\n|---|---|"
    for name, meaning in help_texts.arguments_of(command):
        yield f"| `{name}` | {_cell(meaning)} |"
    for parameter in command.params:
        if parameter.param_type_name != "argument" and not getattr(parameter, "hidden", False):
            names, value = help_texts.names_of(parameter)
            shown = ", ".join(f"`{name}`" for name in names) + (f" *{value}*" if value else "")
            yield f"| {shown} | {_cell(help_texts.text_of(parameter))} |"
    yield ""


def _cell(text: str) -> str:
    return _text(text).strip().replace("|", "\\|")


def _text(text: str) -> str:
    """Return help as Markdown: paragraphs as they are, options and file patterns as code."""
    return (
        "".join(
            part if part.startswith("`") else re.sub(_CODE, r"`\1`", part)
            for part in re.split(r"(`[^`]*`)", text)
        )
        + "\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
