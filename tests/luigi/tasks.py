"""Tasks that the tests run: in this process, in Luigi's workers, in processes of their own."""

from pathlib import Path

import luigi

from asyncbatch_luigi import BatchTask


class Quick(BatchTask):
    """A task that is done when it has run: it asks as often as AWS allows, and leaves a mark."""

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
    """One of several like it."""

    number = luigi.IntParameter()


class Sized(Numbered):
    """One that says on the command line how much it needs."""

    job_vcpus = luigi.FloatParameter(default=1, significant=False)
