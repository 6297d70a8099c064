"""The progress of a command's jobs, on standard error."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncbatch import AsyncBatchClient, Job


@contextmanager
def progress_of(
    batch: "AsyncBatchClient",
    jobs: "Sequence[Job]" = (),
    *,
    quiet: bool,
    total: int | None = None,
) -> Iterator[None]:
    """Show the progress of all jobs that a client follows, while the block runs.

    On a terminal, rich redirects standard output to the display, so that texts do not overlap:
    print what belongs there after the block, or be quiet.

    Args:
        batch: The open client.
        jobs: Jobs that it no longer follows, since they have ended.
        quiet: Whether nothing is shown.
        total: Number of jobs that are expected.
    """
    if quiet:
        yield
        return
    from rich.console import Console

    from asyncbatch.progress import display

    with display(batch, jobs, console=Console(stderr=True), total=total):
        yield
