"""Tasks for tests in this process, in Luigi's workers, and in other processes."""

from pathlib import Path

import luigi

from asyncbatch_luigi import BatchTask


class Quick(BatchTask):
    """A task that polls as often as AWS allows, and creates a file when it is done."""

    poll_time = 0

    def run(self) -> None:
        super().run()
        self.mark.touch()

    def complete(self) -> bool:
        return self.mark.exists()

    @property
    def mark(self) -> Path:
        return Path(f"{self.task_id}.done")


class Numbered(Quick):
    """A task with a number, for several of them."""

    number = luigi.IntParameter()


class Sized(Numbered):
    """A task with a resource as a parameter, for command lines."""

    job_vcpus = luigi.FloatParameter(default=1, significant=False)
