"""Helpers of the adapter's tests: a local AWS Batch over HTTP, and Luigi's real scheduler."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import luigi
from anyio.from_thread import BlockingPortal, start_blocking_portal
from luigi.interface import _WorkerSchedulerFactory
from luigi.scheduler import Scheduler

from asyncbatch import AsyncBatchClient, JobStatus, PollPolicy
from asyncbatch.local import Launch, LocalBatch, Script, ScriptedExecutor
from asyncbatch_luigi._scheduler_reports import mark_as_instant

T = TypeVar("T")

EAGER = PollPolicy(min_interval=0.01, max_interval=0.01)
SCRIPTS = {
    "succeeds": Script(startup=0, duration=0),
    "fails": Script(
        startup=0, duration=0, exit_code=3, lines=[(0, "reading"), (0, "no such table: users")]
    ),
    "endless": Script(startup=0, duration=None),
    # Each job of this definition but the third loses its host.
    "reclaimed": Script(
        startup=0,
        duration=0,
        exit_code=None,
        status_reason="Host EC2 (instance i-1) terminated.",
    ),
    "unstartable": Script(
        startup=0, fails_to_start=True, exit_code=None, status_reason="Task failed to start"
    ),
}

_RECLAIMED = 3  # jobs of the definition until one succeeds


class Aws:
    """A local AWS Batch on a loop in another thread, with the jobs that it has started."""

    def __init__(self) -> None:
        self.started: list[Launch] = []
        self.local = LocalBatch(vcpus=8, executor=ScriptedExecutor(self._script))
        self.portal: BlockingPortal
        self.environment: Mapping[str, str] = {}

    def _script(self, launch: Launch) -> Script:
        """Return the script with the name of the job definition."""
        self.started.append(launch)
        jobs = [each for each in self.started if each.job_definition == "reclaimed"]
        return SCRIPTS["succeeds" if len(jobs) == _RECLAIMED else launch.job_definition]

    def statuses(self) -> list[str]:
        """Return the status of each submitted job, in the order of submission."""
        return self.portal.call(self._statuses)

    async def _statuses(self) -> list[str]:
        ids = [job.job_id for job in self.local.ledger.submissions]
        async with AsyncBatchClient(session=self.local.session) as batch:
            described = await batch.describe(ids)
        return [str(described[job_id].status) for job_id in ids]

    def until(self, job_id: str, status: str) -> str:
        """Wait until a job has a status; return its id."""
        self.portal.call(self._until, job_id, status)
        return job_id

    async def _until(self, job_id: str, status: str) -> None:
        async with AsyncBatchClient(session=self.local.session, poll=EAGER) as batch:
            job = await batch.job(job_id)
            assert (await job.wait(until=JobStatus(status))).status == status

    def call(self, operation: str, **members: object) -> Any:  # noqa: ANN401 - the response of AWS
        """Call an operation of AWS Batch; return its response."""
        return self.portal.call(self._call, operation, members)

    async def _call(self, operation: str, members: dict[str, object]) -> object:
        async with self.local.session.create_client("batch") as batch:
            return await getattr(batch, operation)(**members)

    def create_queue(self, name: str) -> None:
        """Create a second job queue."""
        self.call(
            "create_job_queue",
            jobQueueName=name,
            priority=1,
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "local"}],
        )


@contextmanager
def open_aws() -> Iterator[Aws]:
    """Start a local AWS Batch with a job definition for each script."""
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
            await batch.register_job_definition(**_definition(name))


def register_definition(aws: Aws, name: str) -> None:
    """Register one more job definition."""
    aws.call("register_job_definition", **_definition(name))


def _definition(name: str) -> dict[str, object]:
    return {
        "jobDefinitionName": name,
        "type": "container",
        "containerProperties": {
            "image": "busybox",
            "command": ["true"],
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "128"},
            ],
        },
    }


class Run:
    """Runs tasks with Luigi's own scheduler and workers; keeps the scheduler for inspection."""

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
        """Return the scheduler's data of a task: status, status message, tracking URL."""
        found: dict[str, Any] = self.scheduler.task_list()[task.task_id]
        return found

    def error(self, task: luigi.Task) -> str:
        """Return the traceback that the scheduler has of a FAILED task."""
        return str(json.loads(self.scheduler.fetch_error(task.task_id)["error"]))


class InstantReporter:
    """Reports to a function on the event loop, as the reporter of the one-process worker does."""

    def __init__(self, function: Callable[[str], None]) -> None:
        self._function = function
        mark_as_instant(self)

    def report(self, value: str) -> None:
        self._function(value)


def make(kind: Callable[..., T], *args: object, **values: object) -> T:
    """Call a class or function of Luigi that has no types, such as a task class."""
    return kind(*args, **values)
