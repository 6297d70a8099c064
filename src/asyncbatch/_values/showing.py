"""How values show themselves: one line as a repr, a small card in notebooks and with rich.

All texts come from AWS, from jobs or from other people, so they are made safe for terminals and
escaped in HTML. The HTML has inline styles only, whose colours fit light and dark themes. rich is
imported when something is shown with it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from asyncbatch._values.status import JobStatus
from asyncbatch._values.text import one_line

if TYPE_CHECKING:
    from rich.table import Table

LONGEST_REPR = 159
"""Characters; a repr is one line in a log and in a cell."""

_LONGEST_NAME = 60

LOST = "LOST"
"""State of a job that AWS no longer knows; not one of AWS's."""

_COLOURS = {
    JobStatus.SUCCEEDED: "#2e9e5b",
    JobStatus.FAILED: "#d64545",
    LOST: "#d64545",
    JobStatus.RUNNING: "#2b8bc9",
    JobStatus.STARTING: "#7fb8de",
}
_STYLES = {
    JobStatus.SUCCEEDED: "green",
    JobStatus.FAILED: "bold red",
    LOST: "bold red",
    JobStatus.RUNNING: "cyan",
}


def html_colour(status: str) -> str:
    """Return the colour of a job's state in HTML."""
    return _COLOURS.get(status, "#8a9097")


def rich_style(status: str) -> str:
    """Return the style of a job's state in rich."""
    return _STYLES.get(status, "dim")


def html_text(text: object) -> str:
    """Return any text as one line of HTML; it cannot contain elements or change the direction."""
    return escape(one_line(str(text)), quote=True)


def repr_of(text: str) -> str:
    """Return a text as a repr of one line: ``<...>``, cut to its limit."""
    text = one_line(text)
    return f"<{text if len(text) <= LONGEST_REPR - 2 else text[: LONGEST_REPR - 3] + '…'}>"


def short_name(name: str) -> str:
    """Return a job's name, cut so that the rest of a line has room."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def duration_text(duration: timedelta | None) -> str:
    """Return a duration as text, such as ``1.5 s`` or ``0:12:05``; empty for None."""
    if duration is None:
        return ""
    seconds = duration.total_seconds()
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    return str(timedelta(seconds=round(seconds)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A title, a state, and facts.

    Attributes:
        title: What it is about.
        status: State of the job; empty where there is none.
        facts: Label and text of each fact; those without a text are left out.
        link: URL of a page about it; None where there is none.
    """

    title: str
    status: str = ""
    facts: Sequence[tuple[str, object]] = ()
    link: str | None = None

    def html(self) -> str:
        """Return it as HTML."""
        status = html_text(self.status)
        badge = f' <b style="color:{html_colour(self.status)}">{status}</b>' if status else ""
        rows = "".join(
            f'<tr><td style="{_CELL};white-space:nowrap;opacity:.7">{html_text(label)}</td>'
            f'<td style="{_CELL};overflow-wrap:anywhere"><bdi>{html_text(text)}</bdi></td></tr>'
            for label, text in self._shown()
        )
        if self.link is not None and urlsplit(self.link).scheme == "https":
            url = html_text(self.link)
            page = f'<a href="{url}" target="_blank" rel="noopener noreferrer">AWS console</a>'
            rows += f'<tr><td style="{_CELL}"></td><td style="{_CELL}">{page}</td></tr>'
        table = f'<table style="{TABLE}">{rows}</table>' if rows else ""
        return f"<div><div><bdi>{html_text(self.title)}</bdi>{badge}</div>{table}</div>"

    def rich(self) -> "Table":
        """Return it as a table of rich."""
        from rich.table import Table
        from rich.text import Text

        head = Text.assemble(
            (one_line(self.title), "bold"), " ", (self.status, rich_style(self.status))
        )
        table = Table.grid(padding=(0, 1))
        table.title, table.title_justify, table.title_style = head, "left", ""
        for label, text in self._shown():
            table.add_row(Text(label, "dim"), Text(one_line(str(text)), overflow="fold"))
        return table

    def _shown(self) -> Iterable[tuple[str, object]]:
        return ((label, text) for label, text in self.facts if text is not None and text != "")


TABLE = "border-collapse:collapse;margin:.3em 0"
_CELL = "text-align:left;padding:.1em .8em .1em 0;vertical-align:top;white-space:normal"


class Shown:
    """Base of what shows itself as a card in notebooks and with rich."""

    __slots__ = ()

    def _card(self) -> Card:
        raise NotImplementedError

    def __rich__(self) -> "Table":
        """Show it with rich."""
        return self._card().rich()

    def _repr_html_(self) -> str:
        return self._card().html()
