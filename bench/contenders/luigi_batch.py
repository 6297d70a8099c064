"""luigi.contrib.batch as its documentation shows it: one task per job, run by `luigi.build`.

Luigi runs each task in a separate process; more than 100 of them do not help on a small machine.
"""

from typing import Literal

import luigi
import luigi.contrib.batch

from bench.work import JOB_DEFINITION, QUEUE, Recorder, Work

_MOST_WORKERS = 100
_WORK = Work.from_environment()
_RECORDER = Recorder(_WORK.records)


class NotingClient(luigi.contrib.batch.BatchClient):
    """Luigi's client; it records the end of each job."""

    def wait_on_job(self, job_id: str) -> Literal[True]:
        """Wait as Luigi does."""
        succeeded: Literal[True] = super().wait_on_job(job_id)  # type: ignore[no-untyped-call]
        _RECORDER.ended(job_id)
        return succeeded


class Job(luigi.contrib.batch.BatchTask):
    """A job; `number` distinguishes the tasks."""

    number = luigi.IntParameter()

    def complete(self) -> bool:
        """Return False: the task has to run. Without this method, Luigi warns about each task."""
        return False


def main() -> None:
    """Do the work that the environment describes."""
    setattr(luigi.contrib.batch, "BatchClient", NotingClient)  # noqa: B010 (a type to mypy)
    tasks = [_job(number) for number in range(_WORK.jobs)]
    workers = min(_WORK.jobs, _MOST_WORKERS)
    luigi.build(tasks, workers=workers, local_scheduler=True, log_level="WARNING")  # type: ignore[no-untyped-call]


def _job(number: int) -> Job:
    return Job(job_definition=JOB_DEFINITION, job_queue=QUEUE, number=number)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
