"""Submit a pre-registered ETL job to AWS Batch, for one day.

`python -m examples.luigi.run` runs it beside a local AWS Batch.
"""

import datetime as dt
from pathlib import Path

import luigi

from asyncbatch_luigi import BatchTask


class RunETLContainer(BatchTask):
    """Process the raw data of a day with revision 3 of the job definition `etl-processor`."""

    job_definition = luigi.Parameter(default="etl-processor:3")
    date = luigi.DateParameter()

    @property
    def parameters(self) -> dict[str, object]:
        """Replace `Ref::date`, `Ref::input` and `Ref::output` in the job definition's command."""
        return {
            "date": self.date,
            "input": Path("raw").absolute(),
            "output": Path("processed").absolute(),
        }

    def output(self) -> luigi.LocalTarget:
        """Return the file that the job writes last.

        On AWS: `from luigi.contrib.s3 import S3Target`, and return
        `S3Target(f"s3://my-data/processed/{self.date}/_SUCCESS")`.
        """
        return luigi.LocalTarget(f"processed/{self.date}/_SUCCESS")


if __name__ == "__main__":
    task = RunETLContainer(date=dt.date(2024, 1, 15))
    print("built:", luigi.build([task], local_scheduler=True, log_level="WARNING"))
    with task.output().open() as success:
        print(success.read(), end="")
