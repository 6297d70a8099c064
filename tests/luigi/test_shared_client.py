"""Tasks that run on the loop of a worker, with its client."""

import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from asyncbatch import AsyncBatchClient, InvalidRequest
from asyncbatch_luigi import BatchJobException
from asyncbatch_luigi._current_runner import activate, current_runner, deactivate
from asyncbatch_luigi.config import new_client
from tests.luigi.support import Aws, InstantReporter, Run, make
from tests.luigi.tasks import Quick

T = TypeVar("T")


class Worker:
    """A worker with a loop in a thread and an open client."""

    def __init__(self, portal: BlockingPortal, client: AsyncBatchClient) -> None:
        self.client = client
        self.runs = 0
        self._portal = portal

    def run(self, start: Callable[[AsyncBatchClient], Coroutine[Any, Any, T]], /) -> T:
        self.runs += 1
        work = start(self.client)

        async def wait() -> T:
            return await work

        return self._portal.call(wait)


@pytest.fixture
def worker(aws: Aws) -> Iterator[Worker]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(new_client()) as client,
    ):
        worker = Worker(portal, client)
        activate(worker)
        yield worker
        deactivate(worker)


def test_task_runs_with_the_workers_client(aws: Aws, run: Run, worker: Worker) -> None:
    task = make(Quick, job_definition="succeeds")  # overrides `run`, and calls super().run()
    assert run(task)
    assert worker.runs == 1
    assert run.facts(task)["status_message"].endswith("SUCCEEDED")


def test_failure_on_the_workers_loop_is_raised_by_the_task(worker: Worker) -> None:
    with pytest.raises(BatchJobException):
        make(Quick, job_definition="fails").run()
    assert worker.runs == 1


def test_invalid_value_is_reported_before_the_coroutine_starts(worker: Worker) -> None:
    with pytest.raises(InvalidRequest, match="job_name='-'"):
        worker.run(make(Quick, job_definition="succeeds", job_name="-")._asyncbatch_start)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_forked_child_does_not_share_the_client(worker: Worker) -> None:
    assert current_runner() is worker
    child = os.fork()
    if child == 0:
        os._exit(0 if current_runner() is None else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_instant_reports_are_called_on_the_loop(worker: Worker) -> None:
    threads: set[str] = set()

    def report(_message: str) -> None:
        threads.add(threading.current_thread().name)

    task: Any = make(Quick, job_definition="succeeds")
    task.set_status_message = InstantReporter(report).report
    worker.run(task._asyncbatch_start)
    loops = worker.run(lambda _client: thread_name())
    assert threads == {loops}


async def thread_name() -> str:
    return threading.current_thread().name
