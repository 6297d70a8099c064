"""Register a job definition, submit a job and wait for it, without Luigi tasks.

`python -m examples.luigi.run` runs it beside a local AWS Batch.
"""

from pathlib import Path

from asyncbatch_luigi import BatchClient


def main() -> None:
    """Run one job by hand."""
    client = BatchClient(poll_time=15)

    # Registers a new revision.
    definition = Path(__file__).with_name("my_job_def.json")
    response = client.register_job_definition(str(definition))
    print(f"registered: {response['jobDefinitionName']}:{response['revision']}")

    job_id = client.submit_job(
        job_definition="my-job-def:1",
        parameters={"input": "s3://bucket/input", "output": "s3://bucket/output"},
        job_name="manual-run-2024",
        queue="default-queue",
    )
    print("submitted:", job_id)
    client.wait_on_job(job_id)
    print("status:", client.get_job_status(job_id))


if __name__ == "__main__":
    main()
