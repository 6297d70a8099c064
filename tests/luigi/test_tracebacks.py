"""What Luigi's log and scheduler show of a task that has failed."""

import logging
import traceback
from collections.abc import Mapping
from typing import Any

import pytest

from asyncbatch import InternalError, JobDefinitionNotFound, NoRegion
from asyncbatch_luigi import BatchClient, BatchJobException
from asyncbatch_luigi._tracebacks import trim
from tests.luigi.support import Aws, Run, make
from tests.luigi.workers import ORDINARY, Marked, Threaded, Workers, configured

# Packages whose code is not the user's. Luigi's own workers have frames of Luigi.
OURS = (
    *("asyncbatch", "asyncbatch_luigi", "asyncio", "concurrent.futures", "anyio", "aiobotocore"),
    "contextlib",
)


def modules(error: BaseException | None) -> list[str]:
    """Return the modules of a traceback's frames."""
    frames = traceback.walk_tb(error.__traceback__ if error else None)
    return [str(frame.f_globals["__name__"]) for frame, _ in frames]


def is_ours(module: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in OURS)


def error_in_the_log(caplog: pytest.LogCaptureFixture) -> BaseException:
    """Return the only error that was logged with its traceback."""
    [record] = [record for record in caplog.records if record.exc_info]
    assert record.exc_info
    assert record.exc_info[1]
    return record.exc_info[1]


class FailingThread(Threaded):
    job_definition = "fails"


class FailingCoroutine(Marked):
    job_definition = "fails"


@pytest.mark.parametrize("task_class", [FailingCoroutine, FailingThread])
def test_failed_job_is_logged_with_the_users_frames_only(
    aws: Aws, workers: Workers, task_class: type[Marked], caplog: pytest.LogCaptureFixture
) -> None:
    workers.run(make(task_class))
    error = error_in_the_log(caplog)
    assert isinstance(error, BatchJobException)
    shown = modules(error)
    if workers.kind == ORDINARY:
        assert shown[:2] == ["luigi.worker", "luigi.worker"]
        del shown[:2]
    assert shown == (["tests.luigi.workers"] if task_class is FailingThread else [])


def test_failed_job_is_logged_once_with_name_reason_and_last_lines(
    aws: Aws, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(logging.Formatter("%(message)s"))
    caplog.set_level(logging.INFO, logger="luigi-interface")
    task = make(FailingCoroutine)
    workers.run(task)
    [job] = aws.started
    lines = caplog.text.splitlines()
    assert lines.count("reading") == lines.count("no such table: users") == 1
    [headline] = [line for line in lines if "BatchJobException" in line]
    assert f"asyncbatch_luigi.BatchJobException: Job {job.id} failed: {job.name}: " in headline
    assert "exit code 3" in headline
    assert caplog.text.count("Traceback") <= 1
    explanation = workers.scheduler.fetch_error(task.task_id)["error"]
    assert headline.strip() in explanation


def test_error_of_aws_is_logged_without_the_sdks_frames(
    aws: Aws, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    workers.run(make(Marked, job_definition="nowhere"))
    error = error_in_the_log(caplog)
    assert isinstance(error, JobDefinitionNotFound)
    assert not any(map(is_ours, modules(error)))
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_error_of_the_shared_client_is_logged_for_each_task_with_its_own_frames(
    aws: Aws, workers: Workers, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    tasks = [make(Threaded, name="a"), make(Threaded, name="b"), make(Marked)]
    workers.run(*tasks)
    errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [type(error) for error in errors] == [NoRegion] * 3
    shown = [[module for module in modules(error) if module != "luigi.worker"] for error in errors]
    assert sorted(shown) == [[], ["tests.luigi.workers"], ["tests.luigi.workers"]]


def test_streamed_lines_are_logged_once_and_shown_by_the_scheduler(
    aws: Aws, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="luigi-interface")
    task = make(FailingCoroutine)
    with configured("asyncbatch", {"stream_logs": "true", "log_drain": 0, "poll_time": 0}):
        workers.build(task)
    assert caplog.text.count("no such table: users") == 1
    explanation = workers.scheduler.fetch_error(task.task_id)["error"]
    assert explanation.count("no such table: users") == 1


class Careless(Marked):
    """A task with a bug of the user."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        days: dict[str, str] = {}
        return {"day": days["day"]}


def test_bug_in_a_property_is_logged_with_its_frame(
    aws: Aws, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    workers.run(make(Careless))
    error = error_in_the_log(caplog)
    assert isinstance(error, KeyError)
    shown = modules(error)
    assert shown[-1] == __name__
    assert not any(module.startswith("asyncbatch_luigi.worker") for module in shown)


def test_batch_client_raises_without_its_own_frames(aws: Aws) -> None:
    client = BatchClient(poll_time=0)
    with pytest.raises(BatchJobException) as caught:
        client.wait_on_job(client.submit_job("fails", {}))
    assert modules(caught.value) == [__name__, "asyncbatch_luigi.client"]  # the method's name


def raised_through(module: str, error: Exception) -> Exception:
    """Return an error with the frame of a module, and with a cause."""
    namespace: dict[str, Any] = {"__name__": module}
    exec("def call(error, cause):\n    raise error from cause", namespace)  # noqa: S102 - as above
    with pytest.raises(type(error)) as caught:
        namespace["call"](error, ValueError("cause"))
    error.__traceback__ = caught.tb.tb_next  # without the frame of this function
    return error


def test_bug_of_this_package_keeps_its_cause_and_its_frames() -> None:
    error = raised_through("asyncbatch._polling", InternalError("1", ValueError()))
    trim(error)
    assert error.__cause__ is not None
    assert modules(error) == ["asyncbatch._polling"]


def test_traceback_that_would_be_empty_is_kept_for_an_unexpected_error() -> None:
    error = raised_through("asyncbatch_luigi.worker", RuntimeError("a bug"))
    trim(error)
    assert modules(error) == ["asyncbatch_luigi.worker"]


def test_error_is_found_by_luigis_event_handlers_and_summary(aws: Aws, run: Run) -> None:
    task = make(FailingThread)
    assert not run(task)
    assert "in run\n    super().run()" in run.error(task)
    assert "_bridge" not in run.error(task)
