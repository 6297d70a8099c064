"""`run_sync`: `run` for scripts without an event loop."""

import asyncio
import inspect
import signal
import warnings
from collections.abc import Iterator
from typing import Any

import anyio.from_thread
import pytest

from asyncbatch import (
    AsyncBatchClient,
    ClientClosed,
    Event,
    InvalidRequest,
    JobFailed,
    JobRequest,
    JobSubmitted,
    PollPolicy,
    run_sync,
)
from asyncbatch.local import Launch, LocalBatch, Script, ScriptedExecutor
from tests.fixtures.bench import DEFINITION

QUICK = PollPolicy(min_interval=0.02, max_interval=0.1)


def as_told(launch: Launch) -> Script:
    """Fail, run on, or succeed, as the command says."""
    fails = "fail" in launch.command
    duration = None if "forever" in launch.command else 0.0
    return Script(startup=0.0, duration=duration, exit_code=3 if fails else 0)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalBatch]:
    """Serve a local engine from an event loop in another thread, in the environment of AWS."""
    with anyio.from_thread.start_blocking_portal() as portal:
        engine = LocalBatch(executor=ScriptedExecutor(as_told), vcpus=100)
        with (
            portal.wrap_async_context_manager(engine) as local,
            portal.wrap_async_context_manager(local.serve()) as door,
        ):
            for name, value in door.environment.items():
                monkeypatch.setenv(name, value)
            portal.call(_register, local)
            yield local


async def _register(local: LocalBatch) -> None:
    async with local.session.create_client("batch") as aws:
        await aws.register_job_definition(**DEFINITION)


def test_results_are_those_of_run(served: LocalBatch) -> None:
    requests = [JobRequest("hello", name=f"job-{number}") for number in range(5)]
    results = run_sync(requests, poll=QUICK, max_in_flight=2)
    assert [result.name for result in results] == [request.name for request in requests]
    assert all(result.succeeded for result in results)


def test_failed_job_raises_unless_unchecked(served: LocalBatch) -> None:
    requests = [JobRequest("hello"), JobRequest("hello", command=["fail"])]
    with pytest.raises(JobFailed, match="exit code 3"):
        run_sync(requests, poll=QUICK)
    assert [r.exit_code for r in run_sync(requests, poll=QUICK, check=False)] == [0, 3]


def test_ctrl_c_leaves_the_jobs_and_names_them(
    served: LocalBatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, JobSubmitted):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_sync([JobRequest("hello", command=["forever"])], poll=QUICK, observers=[interrupt])
    (submitted,) = served.ledger.submissions
    assert submitted.job_id in caplog.text
    assert served.calls["TerminateJob"] + served.calls["TerminateJobs"] == 0


async def test_running_event_loop_is_refused_with_what_to_use() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing that is never awaited
        with pytest.raises(ClientClosed, match=r"await batch\.run\(\.\.\.\)"):
            run_sync([JobRequest("hello")])
    assert asyncio.get_running_loop().is_running()


def test_invalid_arguments_raise_before_anything_is_sent() -> None:
    with pytest.raises(InvalidRequest, match="max_in_flight"):
        run_sync([], max_in_flight=0, region_name="eu-west-1")
    with pytest.raises(InvalidRequest, match="poll"):
        run_sync([], poll=5)  # type: ignore[arg-type]


def test_arguments_are_those_of_the_client_and_of_run() -> None:
    def names(function: Any) -> set[str]:  # noqa: ANN401 - any function
        return set(inspect.signature(function).parameters) - {"self"}

    assert names(run_sync) == names(AsyncBatchClient) | names(AsyncBatchClient.run)
