"""luigi.contrib.batch as its documentation shows it: a task for each job, built by Luigi.

Luigi gives each task that runs a process of its own; more than 100 of them are no use on a small
machine.
"""

from typing import Literal

import luigi
import luigi.contrib.batch

from bench.work import JOB_DEFINITION, QUEUE, News, Work

_MOST_WORKERS = 100
_WORK = Work.from_environment()
_NEWS = News(_WORK.news)


class NotingClient(luigi.contrib.batch.BatchClient):
    """Luigi's client; it notes when the end of a job is known."""

    def wait_on_job(self, job_id: str) -> Literal[True]:
        """Wait as Luigi does."""
        succeeded: Literal[True] = super().wait_on_job(job_id)  # type: ignore[no-untyped-call]
        _NEWS.ended(job_id)
        return succeeded


class Job(luigi.contrib.batch.BatchTask):
    """One job; `number` makes it a task of its own."""

    number = luigi.IntParameter()

    def complete(self) -> bool:
        """Return that it has to be run; without an answer, Luigi prints a warning for each task."""
        return False


def main() -> None:
    """Do the work that the environment names."""
    setattr(luigi.contrib.batch, "BatchClient", NotingClient)  # noqa: B010 (a type to mypy)
    tasks = [_job(number) for number in range(_WORK.jobs)]
    workers = min(_WORK.jobs, _MOST_WORKERS)
    luigi.build(tasks, workers=workers, local_scheduler=True, log_level="WARNING")  # type: ignore[no-untyped-call]


def _job(number: int) -> Job:
    return Job(job_definition=JOB_DEFINITION, job_queue=QUEUE, number=number)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
