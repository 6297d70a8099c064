"""Progress of many jobs: a live bar in a terminal or a notebook, plain lines elsewhere.

The display is an observer of the client, so it makes no API calls. It is drawn with rich, which is
imported when a display is opened.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from asyncbatch._values import checks as check
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.events import (
    Event,
    JobLost,
    JobResubmitted,
    JobSubmitted,
    Observer,
    StatusChanged,
)
from asyncbatch._values.status import JobStatus

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

_LOST = "LOST"
_STYLES: Mapping[str, str] = {
    JobStatus.SUCCEEDED: "green",
    JobStatus.FAILED: "bold red",
    _LOST: "bold red",
    JobStatus.RUNNING: "cyan",
}
# Characters of the bar for jobs that have ended, run and wait: distinguishable without colours.
_ENDED, _RUNS, _WAITS = 0, 1, 2
_STROKES, _ASCII_STROKES = "━╍─", "=-."

_NOTEBOOK_INTERVAL = 0.5  # seconds between two updates that are sent to the browser


@contextmanager
def display(console: "Console | None" = None, *, interval: float = 2.0) -> Iterator[Observer]:
    """Show the progress of a client's jobs while the block runs.

    An array job counts as its children. Text that is printed to the same console appears above the
    bar.

    Args:
        console: Where to draw. None draws to standard error, or in the output of a notebook cell.
        interval: Minimum time in seconds between two lines where a bar cannot be drawn: in files,
            in pipes, in CI.

    Yields:
        An observer for `AsyncBatchClient`. Several clients of one event loop may share a display.

    Raises:
        InvalidRequest: `interval` is not a number above 0.
        ModuleNotFoundError: rich is not installed.

    Example:
        ```python
        with display() as observer:
            async with AsyncBatchClient(observers=[observer]) as batch:
                await batch.run(JobRequest("etl", parameters={"day": day}) for day in range(28))
        ```
    """
    check.optional_number("interval", interval, above=0)
    console = _stderr_console() if console is None else console
    tally = _Tally()
    with _view(_Picture(tally, console.get_time), console, interval) as changed:

        def observe(event: Event, /) -> None:
            if tally.take(event):
                changed()

        yield observe


def _stderr_console() -> "Console":
    try:
        from rich.console import Console
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "asyncbatch.progress needs rich: pip install 'asyncbatch[cli]'", name="rich"
        ) from error
    return Console(stderr=True)


# -- counting -------------------------------------------------------------------------------------


class _Tally:
    """Counts the jobs in each state from events; an array job counts as its children."""

    def __init__(self) -> None:
        self._jobs: dict[str, Mapping[str, int]] = {}
        self._counts: Counter[str] = Counter(dict.fromkeys([*JobStatus, _LOST], 0))

    def take(self, event: Event) -> bool:
        """Count an event; return whether a count has changed."""
        if isinstance(event, JobSubmitted):
            return self._put(event.job_id, {JobStatus.SUBMITTED: event.array_size or 1})
        if isinstance(event, JobResubmitted):
            return self._take_over(event.previous_id, event.job_id)
        if isinstance(event, StatusChanged):
            return self._put(event.job_id, _shares(event.description))
        if isinstance(event, JobLost):
            known = self._jobs.get(event.job_id, {_LOST: 1})
            return self._put(event.job_id, {_LOST: sum(known.values())})
        return False

    def _take_over(self, previous_id: str, job_id: str) -> bool:
        """Count jobs that failed only as those that were submitted for them."""
        previous = self._jobs.get(previous_id, {})
        again = sum(self._jobs.get(job_id, {}).values())
        failed = max(previous.get(JobStatus.FAILED, 0) - again, 0)
        return self._put(previous_id, {**previous, JobStatus.FAILED: failed})

    def counts(self) -> dict[str, int]:
        """Return the number of jobs by state, without empty states, in the order of the states."""
        # rich draws in a thread while the event loop counts. Copying a dict is one operation under
        # the GIL, iterating over it is not.
        return {state: count for state, count in self._counts.copy().items() if count}

    def _put(self, job_id: str, shares: Mapping[str, int]) -> bool:
        before = self._jobs.get(job_id, {})
        if shares == before or self._is_part_of_known(job_id):
            return False
        self._jobs[job_id] = shares
        self._counts.subtract(before)
        self._counts.update(shares)
        return True

    def _is_part_of_known(self, job_id: str) -> bool:
        """Return whether this is an array child or a node whose parent is counted already."""
        parent = re.split("[:#]", job_id)[0]
        return parent != job_id and parent in self._jobs


def _shares(description: JobDescription) -> Mapping[str, int]:
    """Return the number of jobs by state that a description represents."""
    array = description.array
    if array is None or array.size is None:
        return {description.status: 1}
    if description.status is JobStatus.SUCCEEDED:
        return {JobStatus.SUCCEEDED: array.size}
    # statusSummary lags behind. Children that it does not count yet have not started. If the parent
    # is FAILED, all children have ended: those that did not succeed have failed.
    failed = description.status is JobStatus.FAILED
    shares: Counter[str] = Counter()
    for state, count in array.status_summary.items():
        if state is JobStatus.SUCCEEDED or not failed:
            shares[state] = count
    shares[JobStatus.FAILED if failed else JobStatus.SUBMITTED] += array.size - shares.total()
    return +shares


# -- drawing --------------------------------------------------------------------------------------


class _Picture:
    """Renders a tally with rich: a bar, and the counts below it."""

    def __init__(self, tally: _Tally, clock: Callable[[], float]) -> None:
        self._tally = tally
        self._clock = clock
        self._started_at = clock()

    def __str__(self) -> str:
        """Return the progress as one line of plain text."""
        counts = self._tally.counts()
        states = ", ".join(f"{count} {state}" for state, count in counts.items())
        return f"{self._head(counts)}: {states or 'no jobs yet'}"

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Draw the bar in the available width, and the counts."""
        from rich.text import Text

        counts = self._tally.counts()
        head = self._head(counts)
        strokes = _ASCII_STROKES if options.ascii_only else _STROKES
        yield _bar(counts, max(options.max_width - len(head) - 1, 1), strokes).append(f" {head}")
        parts = [Text(f"{count} {state}", _style(state)) for state, count in counts.items()]
        states = Text("  ").join(parts)
        states.no_wrap, states.overflow = True, "ellipsis"
        yield states

    def _head(self, counts: Mapping[str, int]) -> str:
        ended = sum(count for state, count in counts.items() if _stroke(state) == _ENDED)
        elapsed = timedelta(seconds=int(self._clock() - self._started_at))
        return f"{elapsed} {ended}/{sum(counts.values())} jobs ended"


def _bar(counts: Mapping[str, int], width: int, strokes: str) -> "Text":
    """Draw a line of `width` characters in which each state has its share."""
    from rich.text import Text

    bar = Text(no_wrap=True)
    total = max(sum(counts.values()), 1)
    counted = 0
    # Jobs that have ended come first, then running ones: the bar fills from the left.
    for state in sorted(counts, key=_stroke):
        drawn = len(bar)
        counted += counts[state]
        # Rounding the running total instead of each share makes the bar exactly `width` long.
        bar.append(strokes[_stroke(state)] * (counted * width // total - drawn), _style(state))
    return bar.append(strokes[_WAITS] * (width - len(bar)), "dim")


def _stroke(state: str) -> int:
    if state in (JobStatus.SUCCEEDED, JobStatus.FAILED, _LOST):
        return _ENDED
    return _RUNS if state == JobStatus.RUNNING else _WAITS


def _style(state: str) -> str:
    return _STYLES.get(state, "dim")


# -- places to draw -------------------------------------------------------------------------------

_View = AbstractContextManager[Callable[[], None]]


def _view(picture: _Picture, console: "Console", interval: float) -> _View:
    """Choose how to show a picture; the view yields a function to call when it has changed."""
    if console.is_jupyter:
        return _in_notebook(picture)
    if console.is_interactive:
        return _in_terminal(picture, console)
    return _in_lines(picture, console, interval)


@contextmanager
def _in_terminal(picture: _Picture, console: "Console") -> Iterator[Callable[[], None]]:
    from rich.live import Live

    # rich draws in a thread of its own, so a slow terminal does not block the event loop.
    with Live(picture, console=console, refresh_per_second=8):
        yield lambda: None


@contextmanager
def _in_notebook(picture: _Picture) -> Iterator[Callable[[], None]]:
    # rich's Live needs ipywidgets in a notebook, which a kernel does not install.
    from IPython import display as ipython
    from rich.table import Table

    show: Any = ipython.display

    def drawn() -> Table:
        cell = Table.grid()
        cell.add_row(picture)
        return cell

    handle = show(drawn(), display_id=True)
    with _paced(lambda: handle.update(drawn()), _NOTEBOOK_INTERVAL) as changed:
        yield changed


@contextmanager
def _in_lines(
    picture: _Picture, console: "Console", interval: float
) -> Iterator[Callable[[], None]]:
    def write() -> None:
        console.print(str(picture), markup=False, highlight=False, soft_wrap=True)

    with _paced(write, interval) as changed:
        yield changed


@contextmanager
def _paced(show: Callable[[], None], interval: float) -> Iterator[Callable[[], None]]:
    """Yield a function that shows changes at most every `interval` seconds, and once at the end."""
    timer: asyncio.TimerHandle | None = None

    def fire() -> None:
        nonlocal timer
        timer = None
        show()

    def changed() -> None:
        nonlocal timer
        if timer is None:
            timer = asyncio.get_running_loop().call_later(interval, fire)

    try:
        yield changed
    finally:
        if timer is not None:
            timer.cancel()
        show()
