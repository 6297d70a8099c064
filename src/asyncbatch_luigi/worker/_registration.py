"""One of the two workers as which the worker registers at Luigi's scheduler.

The scheduler hands out a task to a worker by its id, and the worker then runs it. `BatchTask`s and
all other tasks have a registration each, because they are limited differently: the former need no
process, so any number of them can run; of the others as many as there are processes.
"""

from typing import Any

from asyncbatch_luigi.worker._get_work_pace import GetWorkPace

# Shown on luigid's page behind the id of the worker.
_SUFFIX = " (BatchTasks)"
# The number of processes that is declared for `BatchTask`s: in effect, no limit.
UNLIMITED = 1_000_000

Reply = dict[str, Any]


def id_for_batch_tasks(worker_id: str) -> str:
    """Return the id under which a worker registers for `BatchTask`s."""
    return worker_id + _SUFFIX


def owner_of(registered_id: str) -> str:
    """Return the id of the worker that registered under an id, for either kind of tasks."""
    return registered_id.removesuffix(_SUFFIX)


class Registration:
    """One worker, as the scheduler knows it.

    Attributes:
        id: Luigi's id of the worker.
        limit: Maximum number of tasks that run at a time.
        pace: When to request work.
        running: Ids of the tasks that the scheduler handed out and that have not ended.
        reply: The scheduler's latest reply to a request for work.
        is_used: Whether the scheduler knows this worker.
    """

    def __init__(self, worker_id: str, limit: int, pace: GetWorkPace, *, is_used: bool) -> None:
        """Start without tasks."""
        self.id = worker_id
        self.limit = limit
        self.pace = pace
        self.running: set[str] = set()
        self.reply: Reply = {}
        self.is_used = is_used

    def note_reply(self, reply: Reply) -> None:
        """Note the scheduler's reply to a request that was sent just now."""
        self.reply = reply
        if reply.get("task_id") is not None:
            self.running.add(reply["task_id"])
        self.pace.request_finished(has_work=self.has_work, n_pending=reply["n_pending_tasks"])

    @property
    def has_work(self) -> bool:
        """Whether the latest reply hands out a task, or several to be run as one."""
        return self.reply.get("task_id") is not None or "batch_id" in self.reply
