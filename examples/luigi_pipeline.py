"""Run a small Luigi pipeline whose tasks are AWS Batch jobs.

Shows `BatchTask`, which replaces the class in `luigi.contrib.batch`, and `asyncbatch_luigi.build`,
which runs thousands of tasks in one process. A task is complete when its marker file exists.

Run it without an AWS account, from the root of the repository:

    python -m examples.luigi_pipeline

`examples/account.py` explains how to run it on AWS.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import luigi

from asyncbatch_luigi import BatchTask, build
from examples.account import DEFINITION, QUEUE, account


class MarkedTask(BatchTask):
    """A job that leaves a marker file when it has succeeded."""

    job_definition = DEFINITION
    job_queue = QUEUE
    directory = luigi.Parameter()

    def run(self) -> None:
        """Run the job, which raises if it fails, then write the marker."""
        super().run()
        with self.output().open("w") as marker:
            marker.write("done")

    def output(self) -> luigi.LocalTarget:
        """Return the marker file."""
        return luigi.LocalTarget(str(Path(self.directory, self.task_id)))


class Extract(MarkedTask):
    """Extract one part."""

    part = luigi.IntParameter()


class Report(MarkedTask):
    """Write the report when all parts have been extracted."""

    def requires(self) -> Iterator[Extract]:
        """Require six parts."""
        for part in range(6):
            yield Extract(directory=self.directory, part=part)


def main() -> None:
    """Run the report and everything it requires."""
    with tempfile.TemporaryDirectory() as directory:
        report = Report(directory=directory)
        succeeded = build([report], local_scheduler=True, log_level="WARNING")
        print(f"succeeded: {succeeded}, {len(list(Path(directory).iterdir()))} tasks complete")


if __name__ == "__main__":
    with account():
        main()
