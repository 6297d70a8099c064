"""`display`: attaches a progress to clients and jobs, and chooses where it is drawn."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from asyncbatch._client import AsyncBatchClient
from asyncbatch._jobs import handles
from asyncbatch._jobs.job import Job
from asyncbatch._values import checks as check
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.text import one_line
from asyncbatch.progress._lines import in_lines
from asyncbatch.progress._model import Progress
from asyncbatch.progress._notebook import in_notebook
from asyncbatch.progress._terminal import in_terminal

if TYPE_CHECKING:
    from rich.console import Console

Source = AsyncBatchClient | Job | Iterable[Job]


@contextmanager
def display(
    *sources: Source,
    console: "Console | None" = None,
    interval: float = 2.0,
    total: int | None = None,
    title: str = "",
) -> Iterator[Progress]:
    """Show the progress of jobs while the block runs.

    In a terminal, a bar is drawn with rich; text that is printed to the same console appears above
    it. In a notebook, one output of the cell is replaced with each change, and the last one stays.
    Elsewhere, in files, pipes and CI, lines are printed. The display observes the client, so it
    makes no API calls. Several displays may be open at once, also on one terminal.

    It shows the number of jobs by state, how many have ended, throughput and remaining time, why
    jobs wait, the newest failures, and how often a `RecoveryPolicy` submitted jobs again. An array
    job counts as its children, and a job that is submitted several times as one.

    Args:
        *sources: What to show: clients, with all jobs that they follow now and later; or jobs, or
            lists of jobs. With no source, pass what the block yields to
            ``AsyncBatchClient(observers=[...])``.
        console: Where to draw. None draws to standard error, or in the output of a notebook cell.
        interval: Minimum time in seconds between two lines where a bar cannot be drawn. In a long
            run they are a sixtieth of its time apart.
        total: Number of jobs that are expected, for example of requests that `run` reads one by
            one; None counts the jobs that were submitted.
        title: Shown with the progress, to distinguish several displays.

    Yields:
        The `Progress`, an observer whose `snapshot` returns what is shown.

    Raises:
        InvalidRequest: A source is neither a client nor a job, or `interval` or `total` is not a
            number above 0.
        ClientClosed: The client of a job that has not ended is closed.
        ModuleNotFoundError: rich is not installed; notebooks do without it.

    Example:
        ```python
        async with AsyncBatchClient() as batch:
            with display(batch):
                await batch.run(JobRequest("etl", parameters={"day": day}) for day in range(28))
        ```
    """
    check.optional_number("interval", interval, above=0)
    check.optional_integer("total", total, 1)
    clients, jobs = _sorted(sources)
    console = None if console is None and _is_in_notebook() else console or _stderr_console()
    clock = time.monotonic if console is None else console.get_time
    progress = Progress(clock, expected=total, only=[] if jobs and not clients else None)
    with ExitStack() as stack:
        for client in clients:
            client.add_observer(progress)
            stack.callback(client.remove_observer, progress)
        if not clients:
            stack.callback(handles.observe(jobs, progress))
        followed = [job for client in clients if client.is_open for job in client.followed_jobs]
        for job in sorted({*jobs, *followed}, key=_parents_first):
            _add(progress, job)
        changed = stack.enter_context(_view(progress, console, interval, one_line(title)))
        progress.on_change(changed)
        if progress.snapshot().counts:
            changed()  # jobs that wait may not change for hours
        yield progress


def _sorted(sources: tuple[Source, ...]) -> tuple[list[AsyncBatchClient], list[Job]]:
    """Return the clients and the jobs among the sources.

    Raises:
        InvalidRequest: A source is neither.
    """
    clients: list[AsyncBatchClient] = []
    jobs: list[Job] = []
    for source in sources:
        if isinstance(source, AsyncBatchClient):
            clients.append(source)
        elif isinstance(source, Job):  # an array job is iterable, but counts as itself
            jobs.append(source)
        else:
            jobs += _jobs_of(source)
    return clients, handles.wholes(jobs)


def _jobs_of(source: Iterable[Job]) -> list[Job]:
    rule = "must be an AsyncBatchClient, a Job, or a list of Jobs; a console is passed as console="
    check.iterable("sources", source, rule=rule)
    jobs = list(source)
    for job in jobs:
        if not isinstance(job, Job):
            raise InvalidRequest("sources", job, rule)
    return jobs


def _parents_first(job: Job) -> tuple[bool, int]:
    """Return the sort key: what is counted in another job, or in place of one, comes after it."""
    return (":" in job.id, len(job.submissions))


def _add(progress: Progress, job: Job) -> None:
    """Count a job as it is now."""
    description = job.description or JobDescription(job_id=job.id, status=job.status, name=job.name)
    submissions = job.submissions
    progress.add(
        description,
        array_size=handles.array_size(job),
        may_be_resubmitted=bool(submissions) and not job.is_finished,
        previous_id=submissions[-2].job_id if len(submissions) > 1 else None,
    )


def _view(
    progress: Progress, console: "Console | None", interval: float, title: str
) -> AbstractContextManager[Callable[[], None]]:
    """Choose how to show a progress; the view yields a function to call when it has changed."""
    if console is None or console.is_jupyter:
        return in_notebook(progress, title)
    if not console.is_interactive:
        return in_lines(progress, console, interval, title)
    return _in_terminal_or_lines(progress, console, interval, title)


@contextmanager
def _in_terminal_or_lines(
    progress: Progress, console: "Console", interval: float, title: str
) -> Iterator[Callable[[], None]]:
    """Draw a bar, or print lines where the program has a live display of rich already."""
    from rich.errors import LiveError

    with ExitStack() as stack:
        try:
            changed = stack.enter_context(in_terminal(progress, console, title))
        except LiveError:
            changed = stack.enter_context(in_lines(progress, console, interval, title))
        yield changed


def _is_in_notebook() -> bool:
    """Return whether this is a kernel, whose front end shows the output of cells."""
    if "IPython" not in sys.modules:  # a kernel has imported it
        return False
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def _stderr_console() -> "Console":
    try:
        from rich.console import Console
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "asyncbatch.progress needs rich: pip install 'rich>=13.9'", name="rich"
        ) from error
    return Console(stderr=True)
