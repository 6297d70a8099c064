"""How the worker runs a task: as a coroutine, in a thread, or in Luigi's way."""

from enum import Enum, auto

import luigi

from asyncbatch_luigi.task import BatchTask


class RunMode(Enum):
    """How a task is run."""

    COROUTINE = auto()
    """On the worker's event loop: a `BatchTask` that does not override `run`."""

    THREAD = auto()
    """In a thread: a `BatchTask` that overrides `run`; the override is never skipped."""

    LUIGI = auto()
    """In a forked process or in the main thread, as in Luigi: every other task.

    Also a `BatchTask` without `run`, as `luigi.task.externalize` makes it: it is only checked."""


def run_mode_of(task: luigi.Task) -> RunMode:
    """Return how a task is run."""
    if not isinstance(task, BatchTask) or task.run is None:
        return RunMode.LUIGI
    overrides_run = type(task).run is not BatchTask.run or "run" in vars(task)
    return RunMode.THREAD if overrides_run else RunMode.COROUTINE
