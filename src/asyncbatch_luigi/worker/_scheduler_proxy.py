"""Luigi's scheduler as the worker uses it: registered there as two workers, and behind a lock.

Theory of operation
-------------------
A scheduler knows of a worker its id and how many tasks it runs at a time, and decides by that which
task to hand out next, in the order of priority, within the limits of resources, and fairly between
hosts. What a worker has been given counts as RUNNING, so none may be requested that has to wait.

This worker runs any number of `BatchTask`s, but only N other tasks. Therefore it registers twice:
under its own id for N ordinary tasks, and under a second id for `BatchTask`s. Luigi's worker knows
only the first id. `SchedulerProxy` stands between that worker and the scheduler and

- adds each task to the registration that runs its kind,
- requests work for each registration with free capacity, and for those only,
- combines the replies to one.

An assistant also runs tasks that other processes scheduled, and only learns which kind they are
when it has loaded them. It requests all of them under its own id, while fewer than N ordinary tasks
run.

Luigi's local scheduler is not thread-safe, and three threads use it here: the main thread requests
work and reports results, one thread sends pings, one sends the reports of tasks. So each call holds
a lock. A forked child has only one thread, and must not wait for a lock that was held when it was
forked, so it has a lock of its own.
"""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from luigi.scheduler import WORKER_STATE_ACTIVE, WORKER_STATE_DISABLED
from luigi.task_status import PENDING, RUNNING

from asyncbatch_luigi.worker._get_work_pace import GetWorkPace
from asyncbatch_luigi.worker._registration import (
    UNLIMITED,
    Registration,
    Reply,
    id_for_batch_tasks,
)

_COUNTS = ("n_pending_tasks", "n_unique_pending", "n_pending_last_scheduled")


class SchedulerProxy:
    """The scheduler of one worker, which one thread uses at a time.

    Attributes:
        scheduler: The scheduler itself.
        ordinary: The worker's own registration, for all tasks but `BatchTask`s.
        batch: The registration for `BatchTask`s; made when there is the first one.
    """

    def __init__(
        self,
        scheduler: Any,  # noqa: ANN401 - local and remote share no type
        worker_id: str,
        limit: int,
        is_batch_task: Callable[[str], bool],
        max_pause: float,
    ) -> None:
        """Wrap a scheduler.

        Args:
            scheduler: Luigi's local scheduler, or the client of a `luigid`.
            worker_id: Luigi's id of the worker.
            limit: Maximum number of ordinary tasks that run at a time.
            is_batch_task: Returns whether the task with an id is run as a `BatchTask`; False if the
                worker has not loaded it.
            max_pause: Maximum pause between two requests for work, in seconds.
        """
        self.scheduler = scheduler
        self.ordinary = Registration(worker_id, limit, GetWorkPace(max_pause), is_used=True)
        self.batch = Registration(
            id_for_batch_tasks(worker_id), UNLIMITED, GetWorkPace(max_pause), is_used=False
        )
        self._is_batch_task = is_batch_task
        self._info: dict[str, Any] = {}
        self._unsent_batchers: dict[str, dict[str, Any]] = {}
        self._handed_out_by = self.ordinary
        self._lock = threading.RLock()
        self._pid = os.getpid()

    @property
    def lock(self) -> "threading.RLock":
        """Held during each call; reentrant."""
        if self._pid != os.getpid():
            self._pid, self._lock = os.getpid(), threading.RLock()
        return self._lock

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what the scheduler has there
        """Return an attribute of the scheduler; a method holds the lock while it is called."""
        value = getattr(self.scheduler, name)
        if callable(value):
            value = self._holding_lock(value)
            self.__dict__[name] = value  # the next access does not come here
        return value

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        """Pickle as the scheduler itself, for child processes, which run ordinary tasks only."""
        return _identity, (self.scheduler,)

    def _holding_lock(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def locked(*args: object, **values: object) -> object:
            with self.lock:
                return method(*args, **values)

        return locked

    # -- the worker itself ------------------------------------------------------------------------

    def add_worker(self, worker: str, info: Any, **values: object) -> None:  # noqa: ANN401 - a dict or its items
        """Describe the worker; ``workers`` in the description is the limit of ordinary tasks."""
        self._info.update(info)
        self.ordinary.limit = self._info.get("workers", self.ordinary.limit)
        with self.lock:
            self.scheduler.add_worker(worker, info, **values)
            self._describe_batch_worker()

    def ping(self, *, worker: str) -> Reply:
        """Report that the worker is alive; return the messages from the scheduler's page."""
        with self.lock:
            reply: Reply = self.scheduler.ping(worker=worker)
            if self.batch.is_used:
                messages = self.scheduler.ping(worker=self.batch.id)["rpc_messages"]
                reply["rpc_messages"] += [each for each in messages if not self._handle(each)]
        return reply

    def _handle(self, message: dict[str, Any]) -> bool:
        """Handle a message for `BatchTask`s that Luigi's worker would take for its own."""
        if message["name"] != "set_worker_processes":
            return False
        self.batch.limit = max(1, message["kwargs"]["n"])
        self._describe_batch_worker()
        return True

    def _describe_batch_worker(self) -> None:
        if self.batch.is_used:
            self.scheduler.add_worker(self.batch.id, {**self._info, "workers": self.batch.limit})

    # -- tasks ------------------------------------------------------------------------------------

    def add_task_batcher(self, *, task_family: str, **values: object) -> None:
        """Declare how tasks of a family are combined.

        Sent with the first task of that family: only then is it known which registration it is for.
        """
        self._unsent_batchers[task_family] = {**values, "task_family": task_family}

    def add_task(
        self,
        *,
        worker: str,
        task_id: str,
        status: str = PENDING,
        family: str = "",
        batch_id: str | None = None,
        **values: Any,  # noqa: ANN401 - as Luigi's
    ) -> None:
        """Add a task, or report its status, for the registration that runs it."""
        del worker  # always the first id, as Luigi's worker knows no other
        with self.lock:
            registration = self._registration_of(task_id, batch_id)
            if family in self._unsent_batchers:
                batcher = {**self._unsent_batchers.pop(family), "worker": registration.id}
                self.scheduler.add_task_batcher(**batcher)
            if status != RUNNING:
                registration.running.discard(task_id)
            if status == PENDING:
                registration.pace.make_due()
            if batch_id is not None:
                values["batch_id"] = batch_id
            self.scheduler.add_task(
                worker=registration.id, task_id=task_id, status=status, family=family, **values
            )
            if not registration.is_used:
                registration.is_used = True
                self._describe_batch_worker()

    def _registration_of(self, task_id: str, batch_id: str | None) -> Registration:
        if batch_id is not None:  # the task into which those just handed out were combined
            self._handed_out_by.running.add(task_id)
            return self._handed_out_by
        for registration in (self.ordinary, self.batch):
            if task_id in registration.running:
                return registration
        return self.batch if self._is_batch_task(task_id) else self.ordinary

    # -- work -------------------------------------------------------------------------------------

    @property
    def pause(self) -> float:
        """Seconds until work can be requested again; 0 if it can be, or if there is no capacity."""
        pauses = [each.pace.remaining for each in self._used if self._has_capacity(each)]
        return min(pauses, default=0.0)

    def get_work(
        self,
        *,
        worker: str,
        current_tasks: list[str] | None = None,
        assistant: bool = False,
        **values: object,
    ) -> Reply:
        """Request work for each registration whose request is due, until one is handed a task.

        Args:
            worker: Luigi's id of the worker.
            current_tasks: Ids of the tasks that it runs. If there are none, requests are always
                due: by the reply Luigi's worker decides whether to end.
            assistant: Whether it also runs tasks that it did not schedule.
            **values: Its host.

        Returns:
            The task if there is one, and the counts of both registrations together. Of the running
            tasks only those of other workers: Luigi's worker keeps every reply for its summary,
            and with all running tasks in each, memory would grow with the square of their number.
        """
        del worker
        if not current_tasks:
            self.ordinary.running.clear()
            self.batch.running.clear()
        for registration in self._used:
            if self._has_capacity(registration):
                if not current_tasks or not registration.pace.remaining:
                    self._request_work(registration, current_tasks, assistant=assistant, **values)
                    if registration.has_work:
                        self._handed_out_by = registration
                        return self._combined(registration.reply)
            elif self.batch.is_used and registration.pace.is_reply_old:
                # The other registration goes on: unless this worker has been disabled meanwhile.
                self._count_pending(registration)
        return self._combined({"task_id": None})

    def _request_work(
        self,
        registration: Registration,
        current_tasks: list[str] | None,
        *,
        assistant: bool,
        **values: object,
    ) -> None:
        registration.pace.request_started()
        with self.lock:
            reply = self.scheduler.get_work(
                worker=registration.id,
                current_tasks=current_tasks,
                assistant=assistant and registration is self.ordinary,
                **values,
            )
        registration.note_reply(reply)

    def _count_pending(self, registration: Registration) -> None:
        registration.pace.request_started()
        with self.lock:
            reply = self.scheduler.count_pending(worker=registration.id)
        registration.note_reply(reply)

    def count_pending(self, *, worker: str) -> Reply:
        """Count the tasks that Luigi's worker could run; used by a worker without processes."""
        del worker
        for registration in self._used:
            self._count_pending(registration)
        return self._combined({})

    @property
    def _used(self) -> Iterable[Registration]:
        """The registrations in the order in which to request work.

        An ordinary task in a process of its own comes first: there are at most N of them, and they
        would have to wait for the start of thousands of `BatchTask`s. In the main thread it comes
        last, since no `BatchTask` can start while it runs.
        """
        if not self.batch.is_used:
            return (self.ordinary,)
        forks = self.ordinary.limit > 1
        return (self.ordinary, self.batch) if forks else (self.batch, self.ordinary)

    def _has_capacity(self, registration: Registration) -> bool:
        running = len(registration.running)
        if registration is self.ordinary and running >= registration.limit:
            # An assistant is given `BatchTask`s under this id too, and they need no process.
            running = sum(not self._is_batch_task(task_id) for task_id in registration.running)
        return running < registration.limit

    def _combined(self, reply: Reply) -> Reply:
        replies = [registration.reply for registration in self._used]
        states = {each.get("worker_state", WORKER_STATE_ACTIVE) for each in replies}
        ids = {self.ordinary.id, self.batch.id}
        return {
            **reply,
            **{name: sum(each.get(name, 0) for each in replies) for name in _COUNTS},
            "worker_state": (
                WORKER_STATE_DISABLED if WORKER_STATE_DISABLED in states else WORKER_STATE_ACTIVE
            ),
            "running_tasks": [
                task
                for each in replies
                for task in each.get("running_tasks") or ()
                if task.get("worker") not in ids
            ],
        }


def _identity(scheduler: Any) -> Any:  # noqa: ANN401 - as in `SchedulerProxy`
    return scheduler
