"""Submit a training job to a job queue of its own, with a longer polling interval.

`python -m examples.luigi.run` runs it beside a local AWS Batch.
"""

from pathlib import Path

import luigi

from asyncbatch_luigi import BatchTask


class GPUTrainingJob(BatchTask):
    """Train a model with the latest ACTIVE revision of the job definition `ml-training-gpu`.

    AWS Batch has no tag `latest`, as images have: leave the revision out instead.
    """

    job_definition = luigi.Parameter(default="ml-training-gpu")
    job_queue = luigi.OptionalParameter(default="gpu-queue")
    poll_time = luigi.IntParameter(default=30)
    model_name = luigi.Parameter()

    @property
    def parameters(self) -> dict[str, object]:
        """Replace the `Ref::` placeholders of the job definition's command."""
        return {
            "model": self.model_name,
            "epochs": 100,
            "batch_size": 64,
            "output": Path(self.output().path).absolute(),
        }

    def output(self) -> luigi.LocalTarget:
        """Return the model, which the job writes.

        On AWS: `from luigi.contrib.s3 import S3Target`, and return
        `S3Target(f"s3://ml-models/{self.model_name}/model.pt")`.
        """
        return luigi.LocalTarget(f"models/{self.model_name}/model.pt")


if __name__ == "__main__":
    task = GPUTrainingJob(model_name="small")
    print("built:", luigi.build([task], local_scheduler=True, log_level="WARNING"))
    with task.output().open() as model:
        print(model.read(), end="")
