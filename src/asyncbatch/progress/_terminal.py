"""Progress in a terminal, drawn with rich: a bar, the counts below it, and the reasons.

All displays of one terminal share one live region (`_Screen`), since two that move the cursor on
their own would overwrite each other's lines.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from asyncbatch._values.showing import rich_style
from asyncbatch.progress import _text as text
from asyncbatch.progress._model import Progress, Snapshot

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live
    from rich.text import Text

_REFRESHES_PER_SECOND = 2
"""The times change once a second. Drawing ten lines takes about 2 ms."""

# Characters of the bar for jobs that have ended, run and wait: distinguishable without colours.
_STROKES, _ASCII_STROKES = "━╍─", "=-."

_SHOWN_FAILURES = 3

_NARROW = 60
"""Columns below which the id of a failed job would leave no room for the reason."""


class Picture:
    """Draws a progress: what rich calls a renderable."""

    def __init__(self, progress: Progress, title: str) -> None:
        """Draw a progress as it is at the time of drawing."""
        self._progress = progress
        self._title = title

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Draw the bar in the available width, the counts, and what is of interest."""
        shown = self._progress.snapshot()
        strokes = _ASCII_STROKES if options.ascii_only else _STROKES
        if self._title:
            yield _cut(self._title, "bold")
        yield from self._bar(shown, options.max_width, strokes)
        yield _states(shown)
        for failed in shown.failures[:_SHOWN_FAILURES]:
            short = options.max_width < _NARROW
            yield _cut(text.failure(failed, with_id=not short), "red")
        for waiting in shown.waiting:
            yield _cut(text.waiting(waiting), "yellow")
        for array in shown.arrays:
            yield _cut(text.array(array), "dim")
        if again := text.last_resubmission(shown):
            yield _cut(again, "dim")

    def _bar(self, shown: Snapshot, width: int, strokes: str) -> Iterator["Text"]:
        head, pace = text.head(shown), text.pace(shown)
        if pace and len(head) + len(pace) + 2 <= width * 2 // 3:
            head = f"{head}, {pace}"
            pace = ""
        yield _bar(shown, max(width - len(head) - 1, 1), strokes).append(f" {head}")
        if pace:
            yield _cut(pace, "")


@contextmanager
def in_terminal(progress: Progress, console: "Console", title: str) -> Iterator[Callable[[], None]]:
    """Draw the progress while the block runs; yield a function for changes.

    rich draws in a thread of its own, so a slow terminal does not block the event loop.

    Raises:
        rich.errors.LiveError: The console has a live display of the caller.
    """
    picture = Picture(progress, title)
    screen = _Screen.of(console)
    screen.add(picture)
    try:
        yield lambda: None
    finally:
        screen.remove(picture)


class _Screen:
    """The live region of one terminal, shared by all displays that are open on it."""

    _open: Mapping[object, "_Screen"] = {}

    def __init__(self, key: object, console: "Console") -> None:
        self._key = key
        self._console = console
        self._pictures: tuple[Picture, ...] = ()
        self._live: Live | None = None

    @classmethod
    def of(cls, console: "Console") -> "_Screen":
        """Return the screen of a console's terminal."""
        key = _terminal_of(console)
        return cls._open.get(key) or cls(key, console)

    def add(self, picture: Picture) -> None:
        """Draw one more picture, below the others."""
        if self._live is None:
            from rich.live import Live

            live = Live(self, console=self._console, refresh_per_second=_REFRESHES_PER_SECOND)
            live.start()
            self._live = live
            _Screen._open = {**_Screen._open, self._key: self}
        self._pictures += (picture,)
        self._live.refresh()

    def remove(self, picture: Picture) -> None:
        """Leave a picture as it is, above those that are still drawn."""
        assert self._live is not None  # noqa: S101 - it was added
        if len(self._pictures) > 1:
            self._pictures = tuple(each for each in self._pictures if each is not picture)
            self._console.print(picture)
            return
        _Screen._open = {key: each for key, each in _Screen._open.items() if each is not self}
        # Stopping draws once more, and leaves the picture there.
        self._live.stop()

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Draw all pictures."""
        yield from self._pictures


def _terminal_of(console: "Console") -> object:
    """Return what is equal for consoles that write to the same terminal."""
    try:
        status = os.fstat(console.file.fileno())
    except (AttributeError, OSError, ValueError):
        return id(console.file)
    return (status.st_dev, status.st_ino)


def _bar(shown: Snapshot, width: int, strokes: str) -> "Text":
    """Draw a line of `width` characters in which each state has its share."""
    from rich.text import Text

    bar = Text(no_wrap=True)
    total = max(shown.total, 1)
    counted = 0
    # Jobs that have ended come first, then running ones: the bar fills from the left.
    for state in sorted(shown.counts, key=text.part_of_bar):
        drawn = len(bar)
        counted += shown.counts[state]
        # Rounding the running total instead of each share makes the bar exactly `width` long.
        length = counted * width // total - drawn
        bar.append(strokes[text.part_of_bar(state)] * length, rich_style(state))
    return bar.append(strokes[text.WAITS] * (width - len(bar)), "dim")


def _states(shown: Snapshot) -> "Text":
    from rich.text import Text

    parts = [Text(f"{count:,} {state}", rich_style(state)) for state, count in shown.counts.items()]
    if again := text.resubmissions(shown):
        parts.append(Text(again, "yellow"))
    states = Text("  ").join(parts or [Text(text.NO_JOBS, "dim")])
    states.no_wrap, states.overflow = True, "ellipsis"
    return states


def _cut(line: str, style: str) -> "Text":
    """Return a line that is cut to the width of the terminal."""
    from rich.text import Text

    return Text(line, style, no_wrap=True, overflow="ellipsis")
