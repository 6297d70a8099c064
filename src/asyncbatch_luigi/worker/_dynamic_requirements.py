"""Running a task whose `run()` may yield further requirements, as Luigi's documentation describes.

A task may find out in `run()` what else it requires. It yields those tasks; if they are not all
complete, the run ends there, Luigi runs them, and `run()` is called again from its beginning.
"""

from collections.abc import Callable, Generator
from typing import Any

import luigi

_DynamicRequirements: Any = luigi.DynamicRequirements  # it declares no types

# Module, family and parameters of a task, from which the worker makes it again.
NewRequirement = tuple[str, str, dict[str, str]]


def run_until_new_requirements(
    task: Any,  # noqa: ANN401 - a luigi.Task, which has no types
    is_complete: Callable[[Any], bool],
) -> list[NewRequirement] | None:
    """Run a task, to its end or to the first requirements that are not complete.

    Args:
        task: The task; its `run` is called in this thread.
        is_complete: Returns whether a task is complete.

    Returns:
        The requirements to run first; None if the run has come to its end.
    """
    run = task.run()
    if not isinstance(run, Generator):
        return None
    paths = None
    while True:
        try:
            yielded = next(run) if paths is None else run.send(paths)
        except StopIteration:
            return None
        if not isinstance(yielded, _DynamicRequirements):
            yielded = _DynamicRequirements(yielded)
        if not yielded.complete(is_complete):
            return [
                (required.task_module, required.task_family, required.to_str_params())
                for required in yielded.flat_requirements
            ]
        paths = yielded.paths
