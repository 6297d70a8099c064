"""The ways in which a worker can run a task."""

from enum import Enum, auto

import luigi

from asyncbatch_luigi.task import BatchTask


class RunMode(Enum):
    """How a task is run."""

    COROUTINE = auto()
    """On the worker's loop and client: a `BatchTask` whose `run` is ours."""

    THREAD = auto()
    """In a thread: a `BatchTask` with a `run` of its own, which is never skipped."""

    LUIGI = auto()
    """As Luigi does: every other task."""


def run_mode_of(task: luigi.Task) -> RunMode:
    """Return how a task is run."""
    if not isinstance(task, BatchTask):
        return RunMode.LUIGI
    is_ours = type(task).run is BatchTask.run and "run" not in vars(task)
    return RunMode.COROUTINE if is_ours else RunMode.THREAD
