"""Luigi's register of task classes, which the tests of one process share.

Luigi finds a task by its family: for a command line, and for each task that `run` yields. Two
classes of one family are ambiguous, unless one is a subclass of the other. The tests that a process
runs, and their order, vary.
"""

import sys
from typing import Any, cast

import luigi
from luigi.task_register import Register


def registered() -> list[type[luigi.Task]]:
    """Return the list of registered classes itself."""
    return cast("list[type[luigi.Task]]", Register._reg)


def forget_local_tasks() -> None:
    """Forget all instances, and each class that is not at the top level of a module.

    Such classes belong to tests, or to examples of the documentation.
    """
    classes = registered()
    classes[:] = [each for each in classes if _is_of_a_module(each)]
    cast("Any", Register).clear_instance_cache()


def _is_of_a_module(task_class: type[luigi.Task]) -> bool:
    return getattr(sys.modules.get(task_class.__module__), task_class.__name__, None) is task_class
