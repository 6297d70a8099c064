"""Where `luigi.contrib.batch` breaks, and ours does what was meant; the docs have a table."""

import logging
from typing import Any

import pytest

from asyncbatch import InvalidRequest, JobFailed, JobVanished
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

    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials
    return make(Theirs, poll_time=0)


def test_a_job_that_never_started_fails_with_its_reason(client: BatchClient) -> None:
    job_id = client.submit_job("unstartable", {})
    with pytest.raises(BatchJobException, match=f"Job {job_id} failed: .*Task failed to start"):
        client.wait_on_job(job_id)


def test_a_failure_is_the_clients_own_error_too(client: BatchClient) -> None:
    with pytest.raises(JobFailed) as caught:
        client.wait_on_job(client.submit_job("fails", {}))
    assert caught.value.exit_code == 3


def test_making_a_client_asks_nothing(aws: Aws) -> None:
    before = aws.local.calls
    assert BatchClient().poll_time == 10
    assert aws.local.calls == before


def test_an_account_with_several_queues_is_asked_for_one(aws: Aws, client: BatchClient) -> None:
    aws.create_queue("night")
    with pytest.raises(InvalidRequest, match="default, night"):
        client.submit_job("succeeds", {})
    assert aws.statuses() == []


def test_a_live_job_is_found_in_any_queue_and_state(aws: Aws, client: BatchClient) -> None:
    aws.create_queue("night")
    first = client.submit_job("endless", {}, queue="night")
    aws.ask(
        "submit_job",
        jobName="report",
        jobQueue="night",
        jobDefinition="endless",
        dependsOn=[{"jobId": first}],
    )
    assert client.get_job_id_from_name("report") is not None


def test_parameters_become_text(aws: Aws, client: BatchClient) -> None:
    job_id = client.submit_job("endless", {"count": 3})
    [job] = aws.ask("describe_jobs", jobs=[job_id])["jobs"]
    assert job["parameters"] == {"count": "3"}


def test_no_lines_are_no_lines(client: BatchClient) -> None:
    assert client.get_logs("no/such/stream") == ""
    assert client.get_logs("no/such/stream", get_last=0) == ""


@pytest.mark.filterwarnings("ignore:.*unclosed:ResourceWarning")
def test_a_job_that_nobody_knows_is_an_error_that_says_so(
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


def test_throttling_is_waited_out(
    aws: Aws, client: BatchClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="luigi-interface")
    job_id = client.submit_job("succeeds", {})
    aws.local.faults.add("DescribeJobs", Fault.throttle(times=2))
    assert client.wait_on_job(job_id)
