"""asyncbatch_luigi: one task per job, all tasks in one process.

If the work has `sleep`, tasks sleep instead of running a job. That measures Luigi and the worker.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import luigi

import asyncbatch_luigi
from asyncbatch import AsyncBatchClient, Event, JobFinished
from asyncbatch_luigi import BatchTask, config
from bench.work import JOB_DEFINITION, QUEUE, Recorder, Work

_WORK = Work.from_environment()
_RECORDER = Recorder(_WORK.records)


class Job(BatchTask):
    """A job; `number` distinguishes the tasks."""

    number = luigi.IntParameter()

    def complete(self) -> bool:
        """Return False: the task has to run. Without this method, Luigi warns about each task."""
        return False


class Nap(Job):
    """A task without a job that sleeps on the event loop of the worker."""

    async def _asyncbatch_start(self, batch: AsyncBatchClient) -> None:  # noqa: ARG002 (what a BatchTask gets)
        await asyncio.sleep(_WORK.sleep or 0)
        _RECORDER.ended(self.task_id)


def main() -> None:
    """Do the work that the environment describes."""
    _configure("submit_per_second", _WORK.submit_per_second)
    _configure("describe_per_second", _WORK.status_per_second)
    _configure("list_per_second", _WORK.status_per_second)
    setattr(config, "AsyncBatchClient", _observed_client)  # noqa: B010 (a type to mypy)
    kind = Job if _WORK.sleep is None else Nap
    tasks = [_task(kind, number) for number in range(_WORK.jobs)]
    asyncbatch_luigi.build(tasks, local_scheduler=True, log_level="WARNING")


def _observed_client(*, observers: Iterable[Any] = (), **values: Any) -> AsyncBatchClient:  # noqa: ANN401 (what the adapter passes)
    """Make a client with one more observer."""
    return AsyncBatchClient(observers=[*observers, _observe], **values)


def _configure(name: str, pace: float | None) -> None:
    """Set a rate limit in Luigi's configuration."""
    if pace is not None:
        luigi.configuration.get_config().set("asyncbatch", name, str(pace))  # type: ignore[no-untyped-call]


def _task(kind: type[Job], number: int) -> Job:
    make: Any = kind  # its parameters are no types
    task: Job = make(job_definition=JOB_DEFINITION, job_queue=QUEUE, number=number)
    return task


def _observe(event: Event) -> None:
    if isinstance(event, JobFinished):
        _RECORDER.ended(event.job_id)


if __name__ == "__main__":
    main()
