"""Jobs without a job queue, in accounts with one queue, several, or none."""

import logging

import pytest

from asyncbatch import InvalidRequest, JobQueue
from asyncbatch_luigi import BatchClient, _default_queue
from tests.luigi.support import Aws, make
from tests.luigi.workers import Marked, Workers, configured

WARNING = "No job queue is set: jobs go to"


@pytest.fixture(autouse=True)
def _forgotten_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each queue is warned of once per process."""
    monkeypatch.setattr(_default_queue, "_warned_of", set())


def queues_of(aws: Aws) -> list[str]:
    return [job.queue for job in aws.started]


def test_first_active_queue_takes_the_jobs_with_one_warning(
    aws: Aws, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("night", "weekend"):
        aws.create_queue(name)  # the local AWS Batch lists the newest first
    aws.call("update_job_queue", jobQueue="weekend", state="DISABLED")
    caplog.set_level(logging.WARNING, logger="luigi-interface")
    assert workers.run(*[make(Marked, name=name) for name in "abc"]).scheduling_succeeded
    assert queues_of(aws) == ["night"] * 3
    [warning] = [line for line in caplog.messages if line.startswith(WARNING)]
    assert "to night, the first that AWS lists" in warning
    assert "Others that take jobs: default." in warning


def test_only_queue_takes_the_jobs_without_a_warning(
    aws: Aws, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    workers.run(make(Marked))
    assert queues_of(aws) == ["default"]
    assert WARNING not in caplog.text


def test_configured_queue_takes_the_jobs_of_tasks_and_of_the_client(
    aws: Aws, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    aws.create_queue("night")
    with configured("asyncbatch", {"job_queue": "night"}):
        workers.run(make(Marked))
        client = BatchClient(poll_time=0)
        client.wait_on_job(client.submit_job("succeeds", {}))
    assert queues_of(aws) == ["night", "night"]
    assert WARNING not in caplog.text


def test_batch_client_takes_the_first_active_queue(
    aws: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    aws.create_queue("night")
    client = BatchClient(poll_time=0)
    for _ in range(2):
        client.wait_on_job(client.submit_job("succeeds", {}))
    assert queues_of(aws) == [client.get_active_queue()] * 2 == ["night"] * 2
    assert caplog.text.count(WARNING) == 1


def test_when_no_queue_only_refuses_several_queues(
    aws: Aws, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    aws.create_queue("night")
    with configured("asyncbatch", {"when_no_queue": "only"}):
        workers.run(make(Marked))
        assert "InvalidRequest: job_queue=None: name one of the job queues: default, night" in (
            caplog.text
        )
        with pytest.raises(InvalidRequest, match="default, night"):
            BatchClient().submit_job("succeeds", {})
    assert aws.statuses() == []


def test_when_no_queue_has_two_values(aws: Aws) -> None:
    with (
        configured("asyncbatch", {"when_no_queue": "any"}),
        pytest.raises(InvalidRequest, match="when_no_queue='any': must be 'first' or 'only'"),
    ):
        make(Marked).run()


def test_no_active_queue_is_an_error(
    aws: Aws, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    aws.call("update_job_queue", jobQueue="default", state="DISABLED")
    workers.run(make(Marked))
    [error] = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert isinstance(error, InvalidRequest)
    assert "no job queue for containers is ENABLED and VALID" in str(error)


def test_rerun_follows_the_job_in_a_queue_that_is_listed_first_no_longer(
    aws: Aws, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    task = make(NeverComplete)
    workers.run(task)
    [name] = [job.name for job in aws.started]
    live = aws.call("submit_job", jobName=name, jobQueue="default", jobDefinition="endless")
    aws.create_queue("night")  # the local AWS Batch lists it first
    caplog.set_level(logging.INFO, logger="luigi-interface")
    logger = logging.getLogger("luigi-interface")
    handler = Terminating(aws, f"Following AWS Batch job {live['jobId']}")
    logger.addHandler(handler)
    workers.renew_scheduler()
    workers.run(task)
    logger.removeHandler(handler)
    assert queues_of(aws) == ["default", "default"]
    assert "ended by the test" in caplog.text


class NeverComplete(Marked):
    """A task that runs whenever it is asked for."""

    def complete(self) -> bool:
        return False


class Terminating(logging.Handler):
    """Terminates the live job as soon as Luigi's log says that a run follows it."""

    def __init__(self, aws: Aws, text: str) -> None:
        super().__init__()
        self._aws = aws
        self._text = text

    def emit(self, record: logging.LogRecord) -> None:
        if self._text in record.getMessage():
            job_id = self._text.rpartition(" ")[2]
            self._aws.call("terminate_job", jobId=job_id, reason="ended by the test")


def test_queues_that_take_no_container_jobs_are_skipped() -> None:
    queues = [
        JobQueue(name=kind, arn="a", state="ENABLED", status="VALID", extra={"jobQueueType": kind})
        for kind in ("SAGEMAKER_TRAINING", "ECS_FARGATE")
    ]
    assert _default_queue.active_queues(queues) == ["ECS_FARGATE"]
