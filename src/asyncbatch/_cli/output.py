"""What commands print: tables and text for people, JSON for machines.

On a terminal, a table has colours and is fitted to the width: columns that may be cut are cut, and
where that is not enough, each row becomes a block of several lines. Elsewhere a table is plain text
and nothing is cut, so that `grep` and `awk` see everything. NO_COLOR turns colours off.

JSON has our names, in snake_case, as the attributes of the library have; `facts` makes it.
Timestamps are ISO 8601 in UTC, durations are seconds. A command that ends by itself prints one
object, whose keys may grow; a command that streams prints one object per line.

Text of AWS and of jobs is cleaned of control characters before it is printed as text. In JSON it is
unchanged, with control characters as escapes.
"""

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.cells import cell_len, set_cell_size

from asyncbatch._values.text import one_line

AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON: one object, or one per line as they come.")
]
"""The option --json of a command that prints facts."""

_STYLES: Mapping[str, str] = {
    "SUCCEEDED": "\x1b[32m",
    "FAILED": "\x1b[1;31m",
    "RUNNING": "\x1b[36m",
    "STARTING": "\x1b[36m",
    "ENABLED": "\x1b[32m",
    "VALID": "\x1b[32m",
    "DISABLED": "\x1b[33m",
    "INVALID": "\x1b[1;31m",
    "heading": "\x1b[1m",
    "dim": "\x1b[2m",
}
_RESET = "\x1b[0m"
_GAP = "  "
_NARROWEST = 8
"""Characters that a column keeps that may be cut."""

_READABLE = 40
"""Characters of the last column that make a table more readable than a line below each row."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        heading: Its heading.
        right: Whether it is aligned to the right, as numbers are.
        cut: Whether its text may be cut where the terminal is too narrow.
        below: Whether it is shown below its row where the terminal is too narrow; for the last one.
    """

    heading: str
    right: bool = False
    cut: bool = False
    below: bool = False


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; None and empty values are shown as ``-``."""
    for line in table_lines(columns, rows):
        print_line(line)


def table_lines(
    columns: Sequence[Column], rows: Iterable[Sequence[object]], *, plain: bool = False
) -> Iterator[str]:
    """Yield the lines of a table, for standard output or, if `plain`, for anywhere else."""
    cells = [[_cell(value) for value in row] for row in rows]
    return _lines(columns, cells, None if plain else terminal_width())


def print_facts(facts: Iterable[tuple[str, object]], *, whole: Collection[str] = ()) -> None:
    """Print names and values, one pair per line, without those that have no value.

    On a terminal, values are wrapped between words, below their beginning.

    Args:
        facts: Names and values.
        whole: Names of values that are not wrapped, such as a command to copy.
    """
    shown = [(name, one_line(str(value))) for name, value in facts if value not in (None, "")]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        first, *others = [value] if name in whole else wrapped(value, width + len(_GAP))
        print_line(f"{styled(f'{name:<{width}}', 'dim')}{_GAP}{styled(first, value)}")
        for line in others:
            print_line(f"{'':<{width}}{_GAP}{line}")


def wrapped(text: str, indent: int = 0) -> list[str]:
    """Return the lines of a text that fit the terminal right of an indent; all of it elsewhere.

    Words that do not fit, such as addresses and ids, are not broken: they could not be copied.
    """
    width = terminal_width()
    if width is None or cell_width(text) <= width - indent:
        return [text]
    room = max(width - indent, _READABLE // 2)
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [text]


def print_line(line: str = "") -> None:
    """Print a line that is safe for terminals already."""
    sys.stdout.write(f"{line}\n")


def flush() -> None:
    """Make what was printed visible at once, also in a pipe."""
    sys.stdout.flush()


def print_json(document: Mapping[str, object]) -> None:
    """Print the only object that a command prints."""
    print_line(_json(document, indent=2))


def print_json_line(item: Mapping[str, object]) -> None:
    """Print one object of a command that streams, at once."""
    print_line(_json(item, separators=(",", ":")))
    sys.stdout.flush()


def _json(document: Mapping[str, object], **layout: Any) -> str:  # noqa: ANN401 - of json.dumps
    text = json.dumps(facts(document), ensure_ascii=False, **layout)
    return _NOT_SHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


# `json` escapes control characters of ASCII, but not DEL, those of C1, such as CSI, and those that
# change the direction of writing. In JSON they can only be in strings.
_NOT_SHOWN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def facts(value: object) -> object:
    """Return a value as JSON has it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(name): facts(item) for name, item in value.items()}
    if isinstance(value, str):
        # A lone surrogate is valid in JSON's escapes only; UTF-8 does not have it.
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Sequence):
        return [facts(item) for item in value]
    return value


# -- text -----------------------------------------------------------------------------------------


def has_colours() -> bool:
    """Return whether standard output shows colours."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def terminal_width() -> int | None:
    """Return the width of the terminal in characters; None where there is none to fit into."""
    return max(shutil.get_terminal_size().columns, 20) if is_terminal() else None


def styled(text: str, style: str) -> str:
    """Return text in the style of a state, ``heading`` or ``dim``, where there are colours."""
    colour = _STYLES.get(style)
    return f"{colour}{text}{_RESET}" if colour and has_colours() else text


def now() -> datetime:
    """Return the current time. Tests replace this function."""
    return datetime.now(UTC)


def ago(moment: datetime | None) -> str:
    """Return how long ago something was, such as ``3h5m``; empty for None."""
    return "" if moment is None else duration(now() - moment)


def duration(length: timedelta | None) -> str:
    """Return a duration in its largest unit and the next one, such as ``3h5m``."""
    if length is None:
        return ""
    seconds = max(int(length.total_seconds()), 0)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60)):
        if seconds >= size:
            rest = seconds % size // part
            return f"{seconds // size}{unit}{rest}{smaller}" if rest else f"{seconds // size}{unit}"
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{rest}s"
    return f"{minutes}m{rest}s" if rest else f"{minutes}m"


def local_time(moment: datetime | None) -> str:
    """Return a time in the local time zone, such as ``2026-03-01 14:05:00``; empty for None."""
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


# -- tables ---------------------------------------------------------------------------------------


def _cell(value: object) -> str:
    text = "" if value is None else one_line(str(value)).strip()
    return text or "-"


def _lines(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> Iterator[str]:
    headings = [column.heading for column in columns]
    widths = [
        max(map(cell_width, (heading, *(row[place] for row in rows))))
        for place, heading in enumerate(headings)
    ]
    if width is None:
        yield from _table(columns, rows, widths)
    elif fitted := _fitted(columns, widths, width):
        yield from _table(columns, rows, fitted)
    elif columns[-1].below and (fitted := _fitted(columns[:-1], widths[:-1], width)):
        yield from _with_lines_below(columns[:-1], rows, fitted, width)
    else:
        for row in rows:
            yield from _block(row, width)


def _table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], widths: list[int]
) -> Iterator[str]:
    yield styled(_row(columns, [column.heading for column in columns], widths), "heading")
    for row in rows:
        yield _row(columns, row, widths)


def _with_lines_below(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], widths: list[int], width: int
) -> Iterator[str]:
    yield styled(_row(columns, [column.heading for column in columns], widths), "heading")
    for *row, below in rows:
        yield _row(columns, row, widths)
        if below != "-":
            yield f"{_GAP}{shortened(below, width - len(_GAP))}"


def _fitted(columns: Sequence[Column], widths: list[int], width: int) -> list[int] | None:
    """Return widths that fit into a terminal; None if no cut is enough."""
    fitted = list(widths)
    excess = sum(fitted) + len(_GAP) * (len(fitted) - 1) - width
    # The widest column is cut first, to the width of the next one, and so on.
    while excess > 0:
        places = [
            place
            for place, column in enumerate(columns)
            if column.cut and fitted[place] > (_READABLE if column.below else _NARROWEST)
        ]
        if not places:
            return None
        fitted[max(places, key=lambda place: fitted[place])] -= 1
        excess -= 1
    return fitted


def _row(columns: Sequence[Column], cells: Sequence[str], widths: Sequence[int]) -> str:
    parts = []
    for column, cell, width in zip(columns, cells, widths, strict=True):
        text = shortened(cell, width)
        space = " " * (width - cell_width(text))
        shown = styled(text, cell)
        parts.append(f"{space}{shown}" if column.right else f"{shown}{space}")
    return _GAP.join(parts).rstrip()


def _block(cells: Sequence[str], width: int) -> Iterator[str]:
    """Yield a row of a table that does not fit: its first cell, and the others below it."""
    first, *others = cells
    yield styled(shortened(first, width), "heading")
    line = ""
    for cell in (shortened(other, width - 2) for other in others if other != "-"):
        if line and cell_width(line) + len(_GAP) + cell_width(cell) > width:
            yield line
            line = ""
        line += f"{_GAP}{cell}"
    if line:
        yield line


def cell_width(text: str) -> int:
    """Return how many columns of a terminal a text takes: wide characters take two."""
    return len(text) if text.isascii() else cell_len(text)


def shortened(text: str, width: int) -> str:
    """Return text cut to a width, with an ellipsis."""
    if cell_width(text) <= width:
        return text
    if text.isascii():
        return f"{text[: width - 1]}…"
    return f"{set_cell_size(text, width - 1)}…"
