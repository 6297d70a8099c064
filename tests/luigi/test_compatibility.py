"""The same tests for `luigi.contrib.batch` and for this adapter, against the same endpoint."""

import datetime as dt
import importlib
import inspect
import json
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import luigi
import pytest

from tests.luigi.register import forget_local_tasks
from tests.luigi.support import SCRIPTS, Aws, Run, make

# As Any, since luigi.contrib.batch has no types.
Module = Any
Client = Any

MODULES = ["luigi.contrib.batch", "asyncbatch_luigi"]


@pytest.fixture(params=MODULES)
def batch(request: pytest.FixtureRequest, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Module:
    """Return one of the two modules, with the local AWS Batch in the environment."""
    import boto3

    # The default session would keep the credentials of the first test.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return importlib.import_module(request.param)


@pytest.fixture
def client(batch: Module) -> Iterator[Any]:
    """Return a client of the module; close the sockets, which Luigi's client does not."""
    client = batch.BatchClient(poll_time=0)
    yield client
    for name in ("_client", "_log_client"):
        if hasattr(client, name):
            getattr(client, name).close()


def members(module: Module, name: str) -> dict[str, Any]:
    """Return the public methods of a class and its bases, with their parameters and defaults."""
    return {
        method: [(p.name, p.default, p.kind) for p in inspect.signature(value).parameters.values()]
        for method, value in inspect.getmembers(getattr(module, name), inspect.isfunction)
        if method[0] != "_"
    }


@pytest.mark.parametrize("name", ["BatchClient", "BatchTask"])
def test_methods_have_the_same_names_parameters_and_defaults(name: str) -> None:
    theirs, ours = map(importlib.import_module, MODULES)
    assert members(ours, name) == members(theirs, name)


def test_client_constructor_has_the_same_parameters() -> None:
    theirs, ours = [
        inspect.getfullargspec(importlib.import_module(module).BatchClient.__init__)[:4]
        for module in MODULES
    ]
    assert ours == theirs


def test_luigi_parameters_have_the_same_types_defaults_and_significance() -> None:
    theirs, ours = [
        [
            (name, type(parameter), parameter._default, parameter.significant)
            for name, parameter in importlib.import_module(module).BatchTask.get_params()
            if parameter.positional
        ]
        for module in MODULES
    ]
    assert ours == theirs


def test_module_has_the_same_names_besides_the_classes(batch: Module) -> None:
    assert batch.POLL_TIME == 10
    name = batch._random_id()
    assert name.startswith("batch-job-")
    assert len(set(name.removeprefix("batch-job-"))) == 8
    assert issubclass(batch.BatchJobException, Exception)


def test_get_active_queue_returns_the_first_active_queue(aws: Aws, client: Client) -> None:
    aws.create_queue("night")
    first, second = [
        queue["jobQueueName"] for queue in aws.call("describe_job_queues")["jobQueues"]
    ]
    assert client.get_active_queue() == first
    aws.call("update_job_queue", jobQueue=first, state="DISABLED")
    assert client.get_active_queue() == second


def test_get_active_queue_raises_without_an_active_queue(aws: Aws, client: Client) -> None:
    aws.call("update_job_queue", jobQueue="default", state="DISABLED")
    with pytest.raises(Exception, match="No job queues with state=ENABLED and status=VALID"):
        client.get_active_queue()


def test_submit_job_uses_all_arguments(aws: Aws, client: Client) -> None:
    aws.create_queue("night")
    job_id = client.submit_job("endless", {"date": "today"}, job_name="report", queue="night")
    [job] = aws.call("describe_jobs", jobs=[job_id])["jobs"]
    assert (job["jobName"], job["parameters"]) == ("report", {"date": "today"})
    assert job["jobQueue"].endswith("job-queue/night")
    assert job["jobDefinition"].endswith("job-definition/endless:1")


def test_submit_job_needs_neither_name_nor_queue(aws: Aws, client: Client) -> None:
    job_id = client.submit_job("endless", {})
    [job] = aws.call("describe_jobs", jobs=[job_id])["jobs"]
    assert job["jobName"]
    assert job["jobQueue"].endswith("job-queue/default")


@pytest.mark.parametrize(
    ("definition", "status"),
    [("endless", "RUNNING"), ("succeeds", "SUCCEEDED"), ("fails", "FAILED")],
)
def test_get_job_status_returns_the_status(
    aws: Aws, client: Client, definition: str, status: str
) -> None:
    job_id = aws.until(client.submit_job(definition, {}), status)
    assert client.get_job_status(job_id) == status


def test_get_job_id_from_name_finds_a_running_job_only(aws: Aws, client: Client) -> None:
    client.submit_job("endless", {}, job_name="Report")
    job_id = aws.until(client.submit_job("endless", {}, job_name="report"), "RUNNING")
    aws.until(client.submit_job("succeeds", {}, job_name="done"), "SUCCEEDED")
    assert client.get_job_id_from_name("report") == job_id
    assert client.get_job_id_from_name("done") is None
    assert client.get_job_id_from_name("rep*") is None


def test_wait_on_job_returns_true_for_a_succeeded_job(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("luigi-interface", "luigi.contrib.batch"):  # Luigi may have raised their levels
        caplog.set_level(logging.INFO, logger=name)
    job_id = client.submit_job("succeeds", {})
    assert client.wait_on_job(job_id) is True
    assert f"Batch job {job_id} SUCCEEDED" in caplog.messages


def test_wait_on_job_raises_with_the_log_of_a_failed_job(batch: Module, client: Client) -> None:
    job_id = client.submit_job("fails", {})
    with pytest.raises(batch.BatchJobException) as caught:
        client.wait_on_job(job_id)
    assert str(caught.value).startswith(f"Job {job_id} failed: ")
    assert str(caught.value).endswith("reading\nno such table: users")


def test_get_logs_returns_the_last_lines(aws: Aws, client: Client) -> None:
    job_id = aws.until(client.submit_job("fails", {}), "FAILED")
    [job] = aws.call("describe_jobs", jobs=[job_id])["jobs"]
    stream = job["container"]["logStreamName"]
    assert client.get_logs(stream) == "reading\nno such table: users"
    assert client.get_logs(stream, get_last=1) == "no such table: users"
    assert client.get_logs(stream, get_last=0) == "reading\nno such table: users"
    assert client.get_logs(stream, get_last=-1) == "no such table: users"


def test_register_job_definition_reads_a_file(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "etl.json"
    path.write_text(
        json.dumps(
            {
                "jobDefinitionName": "etl",
                "type": "container",
                "containerProperties": {"image": "busybox", "vcpus": 1, "memory": 128},
            }
        ),
        encoding="utf-8",
    )
    revisions = [client.register_job_definition(str(path)) for _ in range(2)]
    assert [response["revision"] for response in revisions] == [1, 2]
    assert {response["jobDefinitionName"] for response in revisions} == {"etl"}
    assert revisions[0]["jobDefinitionArn"].endswith("job-definition/etl:1")
    assert revisions[0]["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("arguments", [(), ("no rows",), ("no rows", 3)])
def test_batch_job_exception_can_be_raised_by_the_user(
    batch: Module, arguments: tuple[object, ...]
) -> None:
    error = batch.BatchJobException(*arguments)
    assert error.args == arguments
    assert str(error) == str(Exception(*arguments))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert (type(copy), copy.args) == (type(error), arguments)


def test_submit_job_takes_the_first_of_several_queues(aws: Aws, client: Client) -> None:
    aws.create_queue("night")
    job_id = client.submit_job("endless", {})
    [job] = aws.call("describe_jobs", jobs=[job_id])["jobs"]
    first = aws.call("describe_job_queues")["jobQueues"][0]
    assert job["jobQueue"] == first["jobQueueArn"]


# -- pipelines: the ways to subclass `BatchTask` that are found in public code ---------------------


def pipelines(batch: Module) -> dict[str, luigi.Task]:  # noqa: C901 - one class for each kind
    """Return a task of each kind."""
    # The classes of the other module have the same names.
    forget_local_tasks()

    class Marked(batch.BatchTask):  # type: ignore[misc] # its class is the parameter
        poll_time = 0

        def complete(self) -> bool:
            return Path(f"{self.task_family}.done").exists()

        def run(self) -> None:
            super().run()
            Path(f"{self.task_family}.done").touch()

    class Attributes(Marked):
        job_definition = "succeeds"
        job_name = "attributes"

    class Properties(Marked):
        job_definition = "succeeds"
        date = luigi.DateParameter(default=dt.date(2024, 1, 15))

        @property
        def job_name(self) -> str:
            return f"properties-{self.date}"

        @property
        def parameters(self) -> dict[str, str]:
            return {"date": str(self.date)}

    class OwnParameters(Marked):
        job_definition = luigi.Parameter(default="succeeds")
        job_queue = luigi.OptionalParameter(default="night")
        poll_time = luigi.IntParameter(default=0)

    class Positional(batch.BatchTask):  # type: ignore[misc] # as above
        def complete(self) -> bool:
            return Path("Positional.done").exists()

        def on_success(self) -> None:
            Path("Positional.done").touch()

    class Yields(Marked):
        job_definition = "succeeds"

        def run(self) -> Any:  # noqa: ANN401 - Luigi declares None
            yield make(Attributes)
            super().run()

    class Fails(Marked):
        job_definition = "fails"

    class Recovers(Marked):
        job_definition = "fails"

        def run(self) -> None:
            try:
                super().run()
            except batch.BatchJobException as error:
                if "no such table" not in str(error):
                    raise batch.BatchJobException("another failure") from None
                Path(f"{self.task_family}.done").touch()

    class Requires(Marked):
        job_definition = "succeeds"

        def requires(self) -> luigi.Task:
            return make(Fails)

    class ByHand(luigi.Task):
        def run(self) -> None:
            client = batch.BatchClient(0)
            job_id = client.submit_job("succeeds", {}, "by-hand", "night")
            assert client.wait_on_job(job_id)
            Path("ByHand.done").touch()

        def complete(self) -> bool:
            return Path("ByHand.done").exists()

    return {
        "attributes": make(Attributes),
        "properties": make(Properties),
        "own parameters": make(OwnParameters),
        "positional": make(Positional, "succeeds", "named", "default", 0),
        "yields": make(Yields),
        "fails": make(Fails),
        "recovers": make(Recovers),
        "requires": make(Requires),
        "client": make(ByHand),
    }


@pytest.mark.filterwarnings("ignore:.*unclosed:ResourceWarning")
@pytest.mark.parametrize(
    "kind",
    [
        *("attributes", "properties", "own parameters", "positional", "yields", "fails"),
        *("recovers", "requires", "client"),
    ],
)
def test_pipeline_has_the_same_outcome_with_both_modules(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    """Only the import differs. Two queues are enabled, and most of the tasks name none."""
    import boto3

    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    aws.create_queue("night")
    outcomes = []
    for number, name in enumerate(MODULES):
        directory = tmp_path / str(number)
        directory.mkdir()
        monkeypatch.chdir(directory)
        submitted = len(aws.local.ledger.submissions)
        run = Run()
        task = pipelines(importlib.import_module(name))[kind]
        succeeded = run(task)
        jobs = aws.local.ledger.submissions[submitted:]
        described = [aws.call("describe_jobs", jobs=[job.job_id])["jobs"][0] for job in jobs]
        outcomes.append(
            {
                "task id": task.task_id,
                "succeeded": succeeded,
                "statuses": {
                    task_id: facts["status"] for task_id, facts in run.scheduler.task_list().items()
                },
                "jobs": [
                    (job["jobDefinition"], job["jobQueue"], job["parameters"], job["status"])
                    for job in described
                ],
                "names": [job["jobName"] for job in described if is_named(job["jobName"])],
                "files": sorted(path.name for path in directory.iterdir()),
            }
        )
    theirs, ours = outcomes
    assert ours == theirs
    assert theirs["jobs"]


def is_named(name: str) -> bool:
    """Return whether the user named a job."""
    return name.startswith(("attributes", "properties", "named", "by-hand"))


def task_of(batch: Module, definition: str) -> luigi.Task:
    """Make a task of a typical subclass."""

    class Report(batch.BatchTask):  # type: ignore[misc] # its class is the parameter
        job_definition = definition
        poll_time = luigi.IntParameter(default=0)
        date = luigi.Parameter(default="today")

        @property
        def parameters(self) -> dict[str, Any]:
            return {"date": self.date}

        def complete(self) -> bool:
            return bool(Path("done").exists())

        def run(self) -> None:
            assert super().run() is None
            Path("done").touch()

    return make(Report)


@pytest.mark.filterwarnings("ignore:.*unclosed:ResourceWarning")
@pytest.mark.parametrize("definition", ["succeeds", "fails"])
def test_task_ends_like_its_job(aws: Aws, run: Run, batch: Module, definition: str) -> None:
    task = task_of(batch, definition)
    assert run(task) is (SCRIPTS[definition].exit_code == 0)
    assert [job.parameters for job in aws.started] == [{"date": "today"}]
    assert Path("done").exists() is (definition == "succeeds")
    if definition == "fails":
        assert "BatchJobException: Job " in run.error(task)
