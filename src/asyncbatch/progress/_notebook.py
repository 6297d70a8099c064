"""Progress in a notebook: one output of a cell, which is replaced with each change.

The output is HTML with inline styles and a plain text: it needs no widgets, no scripts and no style
sheet, so it looks the same in JupyterLab, in VS Code, and when the notebook is opened again. Its
colours fit light and dark themes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from asyncbatch._values.showing import html_colour, html_text
from asyncbatch.progress import _text as text
from asyncbatch.progress._model import Progress, Snapshot
from asyncbatch.progress._pacing import paced

_INTERVAL = 0.5  # seconds between two updates that are sent to the browser
_AT_LEAST_EVERY = 5.0  # seconds: elapsed and remaining time change without events

_SHOWN_FAILURES = 3


class Picture:
    """What a cell shows: `IPython.display.display` takes it."""

    def __init__(self, shown: Snapshot, title: str) -> None:
        """Show a snapshot."""
        self._shown = shown
        self._title = title

    def __repr__(self) -> str:
        """Return the plain text, for front ends without HTML."""
        prefix = f"{self._title}: " if self._title else ""
        return f"{prefix}{text.one_line_of(self._shown)}"

    def _repr_html_(self) -> str:
        shown = self._shown
        head = " · ".join(
            filter(
                None,
                (self._title, text.head(shown), text.pace(shown), text.resubmissions(shown)),
            )
        )
        states = "".join(_state(state, count) for state, count in shown.counts.items())
        lines = [text.failure(failed) for failed in shown.failures[:_SHOWN_FAILURES]]
        lines += map(text.waiting, shown.waiting)
        lines += map(text.array, shown.arrays)
        lines += filter(None, [text.last_resubmission(shown)])
        more = "".join(
            '<div style="font-size:.92em;opacity:.85;overflow-wrap:anywhere">'
            f"<bdi>{html_text(line)}</bdi></div>"
            for line in lines
        )
        return (
            '<div style="max-width:60em;line-height:1.5">'
            f"<div>{html_text(head)}</div>"
            '<div style="display:flex;height:10px;margin:4px 0;border-radius:5px;overflow:hidden;'
            f'background:rgba(128,128,128,.25)">{_bar(shown)}</div>'
            f"<div>{states or 'no jobs yet'}</div>{more}</div>"
        )


@contextmanager
def in_notebook(progress: Progress, title: str) -> Iterator[Callable[[], None]]:
    """Show the progress in the output of the running cell; yield a function for changes."""
    from IPython import display as ipython

    show: Any = ipython.display  # without annotations
    handle = show(Picture(progress.snapshot(), title), display_id=True)

    def update() -> None:
        handle.update(Picture(progress.snapshot(), title))

    with paced(update, lambda: _INTERVAL, at_least_every=_AT_LEAST_EVERY) as changed:
        yield changed


def _bar(shown: Snapshot) -> str:
    total = max(shown.total, 1)
    return "".join(
        f'<div style="width:{100 * shown.counts[state] / total:.2f}%;'
        f'background:{html_colour(state)}"></div>'
        for state in sorted(shown.counts, key=text.part_of_bar)
        if text.part_of_bar(state) != text.WAITS
    )


def _state(state: str, count: int) -> str:
    dot = f'<span style="color:{html_colour(state)}">●</span>'
    name = html_text(state)
    return f'<span style="margin-right:1em;white-space:nowrap">{dot} {count:,} {name}</span>'
