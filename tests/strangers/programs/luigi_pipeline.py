"""luigi.contrib.batch: a task after another one, and a task whose job fails."""

from pathlib import Path

import boto3
import luigi
from luigi.contrib.batch import BatchTask

boto3.client("batch").register_job_definition(
    jobDefinitionName="step",
    type="container",
    parameters={"name": "step", "code": "0"},
    containerProperties={
        "image": "busybox",
        "vcpus": 1,
        "memory": 128,
        "command": ["sh", "-c", "echo step; exit Ref::code"],
    },
)


class Step(BatchTask):
    """A job; its output is a file."""

    job_definition = luigi.Parameter(default="step")
    job_queue = luigi.Parameter(default="default")
    poll_time = luigi.IntParameter(default=1)

    def output(self) -> luigi.LocalTarget:
        """Return the file that says that the task is done."""
        return luigi.LocalTarget(f"{type(self).__name__}.done")

    def run(self) -> None:
        """Run the job, then write the file."""
        super().run()
        Path(self.output().path).touch()


class Extract(Step):
    """The first task."""


class Load(Step):
    """The second task."""

    def requires(self) -> Extract:
        """Return the first task."""
        return Extract()


class Broken(Step):
    """A task whose job fails."""

    parameters = luigi.DictParameter(default={"code": "3"})


luigi.build([Load(), Broken()], local_scheduler=True, log_level="CRITICAL")
for task in (Extract(), Load(), Broken()):
    print(type(task).__name__, "done" if task.complete() else "failed")
