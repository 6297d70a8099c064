"""The floor for Luigi tasks: Luigi's own worker, with tasks that do nothing, one after the other.

It creates the tasks, adds them to the scheduler, requests each one, and reports it done, as any
worker has to. The scheduler is that of asyncbatch_luigi: Luigi's own looks at all tasks for each
request, which takes hours for 10,000 of them.
"""

from typing import Any

import luigi
import luigi.worker

from asyncbatch_luigi.worker import OneProcess
from bench.work import JOB_DEFINITION, QUEUE, Recorder, Work

_WORK = Work.from_environment()
_RECORDER = Recorder(_WORK.records)

_luigi: Any = luigi  # its functions have no types


class Nothing(luigi.Task):
    """A task with the parameters of a `BatchTask` and a number, which does nothing."""

    job_definition: Any = luigi.Parameter()
    job_name: Any = luigi.OptionalParameter(default=None)
    job_queue: Any = luigi.OptionalParameter(default=None)
    poll_time: Any = luigi.IntParameter(default=10)
    number: Any = luigi.IntParameter()

    def complete(self) -> bool:
        """Return False: the task has to run. Without this method, Luigi warns about each task."""
        return False

    def run(self) -> None:
        """Do nothing but record the end."""
        _RECORDER.ended(self.task_id)


class LuigisWorker(OneProcess):
    """Luigi's own worker, which runs one task at a time in its own process."""

    def create_worker(
        self,
        scheduler: Any,  # noqa: ANN401 (as in Luigi)
        worker_processes: int,
        assistant: bool = False,  # noqa: FBT001, FBT002 (as above)
    ) -> Any:  # noqa: ANN401 (as above)
        """Return a worker."""
        return _luigi.worker.Worker(
            scheduler=scheduler, worker_processes=worker_processes, assistant=assistant
        )


def main() -> None:
    """Do the work that the environment describes."""
    make: Any = Nothing  # its parameters are no types
    tasks = [
        make(job_definition=JOB_DEFINITION, job_queue=QUEUE, number=number)
        for number in range(_WORK.jobs)
    ]
    _luigi.build(
        tasks,
        worker_scheduler_factory=LuigisWorker(),
        local_scheduler=True,
        log_level="WARNING",
    )


if __name__ == "__main__":
    main()
