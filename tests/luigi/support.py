"""Helpers of the adapter's tests: an AWS Batch behind a door, and Luigi's real scheduler."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import luigi
from anyio.from_thread import BlockingPortal, start_blocking_portal
from luigi.interface import _WorkerSchedulerFactory
from luigi.scheduler import Scheduler

from asyncbatch import AsyncBatchClient
from asyncbatch.local import Launch, LocalBatch, Script, ScriptedExecutor

T = TypeVar("T")

SCRIPTS = {
    "succeeds": Script(startup=0, duration=0),
    "fails": Script(
        startup=0, duration=0, exit_code=3, lines=[(0, "reading"), (0, "no such table: users")]
    ),
    "endless": Script(startup=0, duration=None),
}


class Aws:
    """A local engine on a loop in another thread, and what it was asked to do."""

    def __init__(self) -> None:
        self.started: list[Launch] = []
        self.local = LocalBatch(vcpus=8, executor=ScriptedExecutor(self._script))
        self.portal: BlockingPortal
        self.environment: Mapping[str, str] = {}

    def _script(self, launch: Launch) -> Script:
        """Let a job do what its job definition is called."""
        self.started.append(launch)
        return SCRIPTS[launch.job_definition]

    def statuses(self) -> list[str]:
        """Return the status of every submitted job, in their order."""
        return self.portal.call(self._statuses)

    async def _statuses(self) -> list[str]:
        ids = [job.job_id for job in self.local.ledger.submissions]
        async with AsyncBatchClient(session=self.local.session) as batch:
            described = await batch.describe(ids)
        return [str(described[job_id].status) for job_id in ids]

    def create_queue(self, name: str) -> None:
        """Create a second job queue."""
        self.portal.call(self._create_queue, name)

    async def _create_queue(self, name: str) -> None:
        async with self.local.session.create_client("batch") as batch:
            await batch.create_job_queue(
                jobQueueName=name,
                priority=1,
                computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "local"}],
            )


@contextmanager
def open_aws() -> Iterator[Aws]:
    """Start an AWS Batch that has a job definition for each script."""
    aws = Aws()
    with (
        start_blocking_portal() as aws.portal,
        aws.portal.wrap_async_context_manager(aws.local) as local,
        aws.portal.wrap_async_context_manager(local.serve()) as door,
    ):
        aws.portal.call(register_definitions, local)
        aws.environment = door.environment
        yield aws


async def register_definitions(local: LocalBatch) -> None:
    """Register a job definition for each script."""
    async with local.session.create_client("batch") as batch:
        for name in SCRIPTS:
            await batch.register_job_definition(
                jobDefinitionName=name,
                type="container",
                containerProperties={
                    "image": "busybox",
                    "command": ["true"],
                    "resourceRequirements": [
                        {"type": "VCPU", "value": "1"},
                        {"type": "MEMORY", "value": "128"},
                    ],
                },
            )


class Run:
    """Runs tasks with Luigi's own scheduler and workers, and keeps the scheduler to look into."""

    def __init__(self) -> None:
        self.scheduler: Any = make(Scheduler, prune_on_get_work=True)

    def __call__(self, *tasks: luigi.Task, workers: int = 1) -> bool:
        """Run tasks to their end; return whether all have succeeded."""
        factory: Any = make(_WorkerSchedulerFactory)
        factory.create_local_scheduler = lambda: self.scheduler
        return bool(
            make(
                luigi.build,
                tasks,
                worker_scheduler_factory=factory,
                local_scheduler=True,
                workers=workers,
            )
        )

    def facts(self, task: luigi.Task) -> dict[str, Any]:
        """Return what the scheduler knows of a task: status, status message, tracking URL."""
        found: dict[str, Any] = self.scheduler.task_list()[task.task_id]
        return found

    def error(self, task: luigi.Task) -> str:
        """Return the traceback that Luigi keeps of a task that FAILED."""
        return str(json.loads(self.scheduler.fetch_error(task.task_id)["error"]))


def make(kind: Callable[..., T], *args: object, **values: object) -> T:
    """Make a task, or something else that Luigi has no types for."""
    return kind(*args, **values)
