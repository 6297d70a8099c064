"""Tests of pipelines that used moto, after the import was changed."""

from collections.abc import Iterator

import pytest

from asyncbatch import ConfigurationError
from asyncbatch_luigi import BatchClient
from tests.luigi.support import Aws, make
from tests.luigi.workers import Marked, Workers


@pytest.fixture
def mock_aws(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Patch botocore as tests with in-process moto do."""
    from moto import mock_aws

    # A Region that moto knows; no endpoint is configured in such tests.
    monkeypatch.delenv("AWS_ENDPOINT_URL_BATCH")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield


@pytest.mark.usefixtures("mock_aws")
def test_mock_in_the_process_is_reported_with_what_to_use_instead(workers: Workers) -> None:
    task = make(Marked, job_queue="default")
    workers.run(task)
    error = workers.scheduler.fetch_error(task.task_id)["error"]
    assert "ConfigurationError: " in error
    assert "Use a server instead: moto's server mode (moto.server.ThreadedMotoServer)" in error


@pytest.mark.usefixtures("mock_aws")
def test_mock_in_the_process_is_reported_by_batch_client() -> None:
    with pytest.raises(ConfigurationError, match="LocalBatch"):
        BatchClient().get_active_queue()
