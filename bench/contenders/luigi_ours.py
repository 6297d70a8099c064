"""asyncbatch_luigi: a task for each job, all of them in one process.

Where the work says so, tasks sleep in place of running a job: then it is Luigi's machinery that is
measured, and the worker's.
"""

import asyncio
import functools
from typing import Any

import luigi

import asyncbatch_luigi
from asyncbatch import AsyncBatchClient, Event, JobFinished
from asyncbatch_luigi import BatchTask, config
from bench.work import JOB_DEFINITION, QUEUE, News, Work

_WORK = Work.from_environment()
_NEWS = News(_WORK.news)


class Job(BatchTask):
    """One job; `number` makes it a task of its own."""

    number = luigi.IntParameter()

    def complete(self) -> bool:
        """Return that it has to be run; without an answer, Luigi prints a warning for each task."""
        return False


class Nap(Job):
    """No job, but a second of sleep on the worker's loop."""

    async def _run_on(self, batch: AsyncBatchClient) -> None:  # noqa: ARG002 (what a BatchTask gets)
        await asyncio.sleep(_WORK.sleep or 0)
        _NEWS.ended(self.task_id)


def main() -> None:
    """Do the work that the environment names."""
    _configure("submit_per_second", _WORK.submit_per_second)
    _configure("describe_per_second", _WORK.status_per_second)
    _configure("list_per_second", _WORK.status_per_second)
    noting = functools.partial(AsyncBatchClient, observers=[_observe])
    setattr(config, "AsyncBatchClient", noting)  # noqa: B010 (a type to mypy)
    kind = Job if _WORK.sleep is None else Nap
    tasks = [_task(kind, number) for number in range(_WORK.jobs)]
    asyncbatch_luigi.build(tasks, local_scheduler=True, log_level="WARNING")


def _configure(name: str, pace: float | None) -> None:
    """Say in Luigi's configuration how fast to go."""
    if pace is not None:
        luigi.configuration.get_config().set("asyncbatch", name, str(pace))  # type: ignore[no-untyped-call]


def _task(kind: type[Job], number: int) -> Job:
    make: Any = kind  # its parameters are no types
    task: Job = make(job_definition=JOB_DEFINITION, job_queue=QUEUE, number=number)
    return task


def _observe(event: Event) -> None:
    if isinstance(event, JobFinished):
        _NEWS.ended(event.job_id)


if __name__ == "__main__":
    main()
