"""Other clients of AWS Batch use the local AWS Batch as they use AWS.

Each program is written as its users write it, and knows nothing of asyncbatch. It runs in the
environment of `asyncbatch local`, which is all that connects it.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.strangers.conftest import PROGRAMS, RunClient

pytestmark = [pytest.mark.may_block, pytest.mark.timeout(240)]

Program = Callable[[str], str]


def test_aws_cli(run_client: RunClient, program: Program) -> None:
    assert run_client("aws-cli", "bash", program("aws_cli.sh")) == [
        "default: ENABLED VALID",
        "greeting:1",
        "SUCCEEDED 0",
        "hello from a job",
        "hello from a job",
        "array: SUCCEEDED 2",
        "failed: 3 Essential container in task exited",
        "terminated: no longer needed",
        "An error occurred (ClientException)",
    ]


def test_boto3(run_client: RunClient, program: Program) -> None:
    assert run_client("luigi", "python", program("boto3_client.py")) == [
        "25 jobs SUCCEEDED, listed in 3 pages",
        "line 1, line 2, line 3",
        "tags: {'team': 'etl'}",
        "FAILED: 3",
        "cancelled: not needed",
        "ClientException: 400",
    ]


def test_luigi_contrib_batch(run_client: RunClient, program: Program) -> None:
    assert run_client("luigi", "python", program("luigi_pipeline.py")) == [
        "Extract done",
        "Load done",
        "Broken failed",
    ]


def test_aio_aws(run_client: RunClient, program: Program) -> None:
    printed = run_client("aio-aws", "python", program("aio_aws_jobs.py"))
    assert printed[-3:] == [  # after its log
        "job-0 SUCCEEDED: hello 0",
        "job-1 SUCCEEDED: hello 1",
        "job-2 FAILED: hello 2",
    ]


def test_redun(run_client: RunClient, program: Program, moto: str, tmp_path: Path) -> None:
    # Its code and its values go through a directory instead of S3; it asks STS who it is.
    settings = (PROGRAMS / "redun.ini").read_text(encoding="utf-8")
    (tmp_path / ".redun").mkdir()
    (tmp_path / ".redun" / "redun.ini").write_text(
        settings.replace("DIRECTORY", str(tmp_path)), encoding="utf-8"
    )
    printed = run_client(
        *("redun", "redun", "run", program("redun_workflow.py"), "main"), AWS_ENDPOINT_URL_STS=moto
    )
    assert printed[-1] == "[0, 2, 4, 'three is refused']"
