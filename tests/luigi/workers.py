"""Luigi's ordinary worker and the one-process worker for the same tests, and tasks for both."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import luigi
from luigi.execution_summary import LuigiRunResult
from luigi.interface import _WorkerSchedulerFactory
from luigi.scheduler import Scheduler

from asyncbatch_luigi import BatchTask, OneProcess
from asyncbatch_luigi.worker._local_scheduler import LocalScheduler
from tests.luigi.support import make

ORDINARY = "ordinary"
ONE_PROCESS = "one process"

# What tasks and handlers have noted in this process.
notes: list[str] = []


class Marked(BatchTask):
    """A coroutine in the one-process worker; it creates a file when it has succeeded."""

    poll_time = 0
    name: Any = luigi.Parameter(default="")
    job_definition: Any = luigi.Parameter(default="succeeds")

    def on_success(self) -> None:
        self.mark.touch()

    def complete(self) -> bool:
        return self.mark.exists()

    @property
    def mark(self) -> Path:
        return Path(f"{self.task_id}.done")


class Broken(Marked):
    """A task whose `complete` raises."""

    def complete(self) -> bool:
        raise RuntimeError("the store is unreachable")


class Threaded(Marked):
    """The same with an overridden `run`, which runs in a thread there."""

    def run(self) -> None:
        super().run()
        notes.append(f"ran {self.name}")


class Contexts:
    """A context for each run of a task (`task_process_context`)."""

    def __init__(self, process: Any) -> None:  # noqa: ANN401 - a `TaskProcess`, or a `TaskRun`
        self._name = process.task.name

    def __enter__(self) -> None:
        notes.append(f"enter context of {self._name}")

    def __exit__(self, *_: object) -> None:
        notes.append(f"exit context of {self._name}")


class Endless(Marked):
    """A task whose job never ends, with a timeout of half a second."""

    job_definition = "endless"
    worker_timeout = 0.5  # type: ignore[assignment] # Luigi accepts it, but declares an int


class EndlessThread(Endless):
    """The same with an overridden `run`."""

    def run(self) -> None:
        try:
            super().run()
        finally:
            notes.append("cleaned up")


class Listening(Threaded):
    """A task that responds to a scheduler message."""

    @property
    def accepts_messages(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        return True

    def run(self) -> None:
        worker: Any = self  # a running task has further attributes
        message = worker.scheduler_messages.get(timeout=10)
        message.respond(f"received {message}")
        super().run()


@dataclass(kw_only=True)
class Workers:
    """Runs tasks with a worker of one kind; keeps the scheduler for inspection.

    Attributes:
        kind: The kind of worker.
        scheduler: The scheduler; by default the local one of that kind.
        settings: Options of the ``worker`` section of Luigi's configuration.
    """

    kind: str
    scheduler: Any = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.scheduler is None:
            self.renew_scheduler()

    def run(self, *tasks: luigi.Task, workers: int = 1) -> LuigiRunResult:
        """Run tasks to their end; return Luigi's detailed result."""
        with configured("asyncbatch", {"poll_time": 0}), configured("worker", self.settings):
            return self.build(*tasks, workers=workers)

    def build(self, *tasks: luigi.Task, workers: int = 1) -> LuigiRunResult:
        """Do the same with the configuration as it is."""
        factory: Any = make(OneProcess if self.kind == ONE_PROCESS else _WorkerSchedulerFactory)
        factory.create_local_scheduler = lambda: self.scheduler
        result: LuigiRunResult = make(
            cast("Callable[..., LuigiRunResult]", luigi.build),
            tasks,
            worker_scheduler_factory=factory,
            detailed_summary=True,
            local_scheduler=True,
            workers=workers,
        )
        return result

    def renew_scheduler(self) -> None:
        """Create a new local scheduler, which reads the configuration."""
        is_ours = self.kind == ONE_PROCESS
        self.scheduler = LocalScheduler() if is_ours else make(Scheduler, prune_on_get_work=True)

    def status(self, task: luigi.Task) -> str:
        """Return the scheduler's status of a task."""
        return str(self.facts(task)["status"])

    def facts(self, task: luigi.Task) -> dict[str, Any]:
        """Return the scheduler's data of a task."""
        found: dict[str, Any] = self.scheduler.task_list()[task.task_id]
        return found


@contextmanager
def configured(section: str, values: Mapping[str, object]) -> Iterator[None]:
    """Set options of Luigi's configuration while the block runs."""
    config: Any = make(luigi.configuration.get_config)
    is_new = not config.has_section(section)
    before = {name: config.get(section, name, None) for name in values}
    for name, value in values.items():
        config.set(section, name, str(value))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                config.remove_option(section, name)
            else:
                config.set(section, name, value)
        if is_new:
            config.remove_section(section)


def forget(task_class: type[luigi.Task], event: str, handler: Callable[..., None]) -> None:
    """Remove an event handler; the oldest supported Luigi has no function for that."""
    handlers: Any = task_class._event_callbacks
    handlers[task_class][event].remove(handler)


@contextmanager
def noting(task_class: type[luigi.Task], *events: str) -> Iterator[list[str]]:
    """Collect events with the name of their task, and whether they are outside the main thread."""
    seen: list[str] = []

    def noter(event: str) -> Callable[..., None]:
        def note(task: Marked, *_: object) -> None:
            thread = threading.current_thread()
            where = "" if thread is threading.main_thread() else " in another thread"
            seen.append(f"{event.removeprefix('event.core.')} {task.name}{where}")

        return note

    noters = {event: noter(event) for event in events}
    for event, note in noters.items():
        make(make(task_class.event_handler, event), note)
    try:
        yield seen
    finally:
        for event, note in noters.items():
            forget(task_class, event, note)
