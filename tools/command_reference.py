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

from asyncbatch._cli.app import COMMANDS, LazyGroup, Row

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "command-options.md"

# Options, patterns of names, and variables.
_CODE = re.compile(r"((?<![\w-])--?[a-z][\w-]*|'[\w-]+\*'|\b(?:AWS|ASYNCBATCH)_[A-Z_]+)")

Parameter = Any  # click's class, which typer has had in two places

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


def _command(row: Row, command: Any) -> Iterator[str]:  # noqa: ANN401 - as Parameter
    yield f"### {row.name}\n"
    yield f"```console\n$ asyncbatch {row.name}{_usage(command)}\n```\n"
    yield _text(inspect.cleandoc(command.help or ""))
    parameters = [each for each in command.params if not getattr(each, "hidden", False)]
    yield "| Option | Meaning |\n|---|---|"
    for parameter in parameters:
        yield f"| {_names(parameter)} | {_help(parameter)} |"
    yield ""


def _usage(command: Any) -> str:  # noqa: ANN401 - as Parameter
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    return " [OPTIONS]" + "".join(
        f" {_metavar(each)}{'...' if each.nargs == -1 else ''}"
        if each.required
        else f" [{_metavar(each)}{'...' if each.nargs == -1 else ''}]"
        for each in arguments
    )


def _names(parameter: Parameter) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_metavar(parameter)}`"
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    takes_value = not (parameter.is_flag or parameter.count)
    return f"{names} *{_metavar(parameter)}*" if takes_value else names


def _metavar(parameter: Parameter) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _help(parameter: Parameter) -> str:
    text = _text(parameter.help or "").strip()
    default = parameter.default
    if (
        not callable(default)
        and not isinstance(default, bool)
        and default not in (None, "", [], ())
    ):
        text += f" Default: {default}."
    if parameter.envvar:
        text += f" Environment: `{parameter.envvar}`."
    return text.replace("|", "\\|")


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
