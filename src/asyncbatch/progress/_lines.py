"""Progress as plain lines, for files, pipes and CI: few of them, however long a run takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from asyncbatch.progress import _text as text
from asyncbatch.progress._model import Progress, Snapshot
from asyncbatch.progress._pacing import paced

if TYPE_CHECKING:
    from rich.console import Console

_INTERVALS_PER_RUN = 60
"""The interval grows with the run, so that a run of hours has hundreds of lines at most."""

_SHOWN_FAILURES = 3
"""Failures that are printed with a line; the line counts all of them."""


@contextmanager
def in_lines(
    progress: Progress, console: "Console", interval: float, title: str
) -> Iterator[Callable[[], None]]:
    """Print a line when something has changed; yield a function to call then."""
    writer = _Writer(console, title)
    with paced(
        lambda: writer.write(progress.snapshot()),
        lambda: max(interval, progress.snapshot().elapsed / _INTERVALS_PER_RUN),
    ) as changed:
        yield changed


class _Writer:
    """Prints snapshots: the counts, and what is new since the last one."""

    def __init__(self, console: "Console", title: str) -> None:
        self._console = console
        self._prefix = f"{title}: " if title else ""
        self._failed = 0
        self._known: set[str] = set()

    def write(self, shown: Snapshot) -> None:
        self._print(text.one_line_of(shown))
        new = shown.failed - self._failed
        self._failed = shown.failed
        for failed in reversed(shown.failures[: min(new, _SHOWN_FAILURES)]):
            self._print(text.failure(failed))
        if new > _SHOWN_FAILURES:
            self._print(f"failed: {new - _SHOWN_FAILURES:,} more jobs since the last line")
        for waiting in shown.waiting:
            if waiting.reason.message not in self._known:
                self._known.add(waiting.reason.message)
                self._print(text.waiting(waiting))

    def _print(self, line: str) -> None:
        self._console.print(f"{self._prefix}{line}", markup=False, highlight=False, soft_wrap=True)
