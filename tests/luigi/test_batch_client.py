"""Cases in which `luigi.contrib.batch` fails and this adapter does not; see the docs' table."""

import logging
from typing import Any

import pytest

from asyncbatch import JobFailed, JobVanished
from asyncbatch.local import Fault
from asyncbatch_luigi import BatchClient, BatchJobException
from tests.luigi.support import Aws, make

TheirClient = Any  # Luigi has no types


@pytest.fixture
def client(aws: Aws) -> BatchClient:
    return BatchClient(poll_time=0)


@pytest.fixture
def theirs(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> TheirClient:
    import boto3
    from luigi.contrib.batch import BatchClient as Theirs

    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it would keep the credentials
    return make(Theirs, poll_time=0)


def test_wait_on_job_reports_the_reason_of_a_job_that_never_started(client: BatchClient) -> None:
    job_id = client.submit_job("unstartable", {})
    with pytest.raises(BatchJobException, match=f"Job {job_id} failed: .*Task failed to start"):
        client.wait_on_job(job_id)


def test_batch_job_exception_is_a_job_failed(client: BatchClient) -> None:
    with pytest.raises(JobFailed) as caught:
        client.wait_on_job(client.submit_job("fails", {}))
    assert caught.value.exit_code == 3


def test_constructor_sends_no_request(aws: Aws) -> None:
    before = aws.local.calls
    assert BatchClient().poll_time == 10
    assert aws.local.calls == before


def test_get_job_id_from_name_searches_all_queues_and_live_states(
    aws: Aws, client: BatchClient
) -> None:
    aws.create_queue("night")
    first = client.submit_job("endless", {}, queue="night")
    aws.call(
        "submit_job",
        jobName="report",
        jobQueue="night",
        jobDefinition="endless",
        dependsOn=[{"jobId": first}],
    )
    assert client.get_job_id_from_name("report") is not None


def test_parameters_are_converted_to_text(aws: Aws, client: BatchClient) -> None:
    job_id = client.submit_job("endless", {"count": 3})
    [job] = aws.call("describe_jobs", jobs=[job_id])["jobs"]
    assert job["parameters"] == {"count": "3"}


def test_get_logs_of_an_unknown_stream_is_empty(client: BatchClient) -> None:
    assert client.get_logs("no/such/stream") == ""


@pytest.mark.filterwarnings("ignore:.*unclosed:ResourceWarning")
def test_get_job_status_of_an_unknown_job_raises_job_vanished(
    theirs: TheirClient, client: BatchClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asyncbatch import PollPolicy

    defaults = PollPolicy.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "unknown_grace", 0.0)
    with pytest.raises(JobVanished, match="no-such-job"):
        client.get_job_status("no-such-job")
    with pytest.raises(IndexError):
        theirs.get_job_status("no-such-job")


def test_wait_on_job_survives_throttling(
    aws: Aws, client: BatchClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="luigi-interface")
    job_id = client.submit_job("succeeds", {})
    aws.local.faults.add("DescribeJobs", Fault.throttle(times=2))
    assert client.wait_on_job(job_id)
