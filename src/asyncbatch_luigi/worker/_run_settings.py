"""What Luigi's configuration says about each run of a task, whatever runs it."""

import importlib
from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Settings of the ``worker`` section of Luigi's configuration.

    Attributes:
        checks_requirements: Whether a task's requirements must be complete when it starts
            (``check_unfulfilled_deps``).
        checks_outputs: Whether a task must be complete after its run (``check_complete_on_run``).
        context: Qualified name of a class whose instances are the context of each run
            (``task_process_context``); None for no context.
        completed: Ids of tasks that are known to be complete (``cache_task_completion``); None if
            Luigi does not remember them.
    """

    checks_requirements: bool
    checks_outputs: bool
    context: str | None
    completed: MutableMapping[str, bool] | None

    def is_complete(self, task: Any) -> bool:  # noqa: ANN401 - a luigi.Task, which has no types
        """Return whether a task is complete; call its ``complete()`` unless that is known."""
        if self.completed is not None and self.completed.get(task.task_id):
            return True
        is_complete = bool(task.complete())
        if is_complete:
            self.note_complete(task)
        return is_complete

    def note_complete(self, task: Any) -> None:  # noqa: ANN401 - as above
        """Remember that a task is complete, if Luigi remembers that."""
        if self.completed is not None:
            self.completed[task.task_id] = True

    def new_context(self, run: object) -> AbstractContextManager[Any] | None:
        """Return the context of a run, if there is one; its class is imported here.

        Args:
            run: Luigi's own worker passes a ``TaskProcess``; this has the same shape.
        """
        if not self.context:
            return None
        module, name = self.context.rsplit(".", 1)
        context: AbstractContextManager[Any] = getattr(importlib.import_module(module), name)(run)
        return context
