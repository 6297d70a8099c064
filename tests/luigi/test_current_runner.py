"""Which worker's client the code of a thread uses."""

import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from asyncbatch import AsyncBatchClient
from asyncbatch_luigi._current_runner import (
    activate,
    current_runner,
    deactivate,
    used_in_this_thread,
)

T = TypeVar("T")


class Runner:
    """A runner that is never used."""

    def run(self, start: Callable[[AsyncBatchClient], Coroutine[Any, Any, T]], /) -> T:
        raise AssertionError(start)


@pytest.fixture
def runners() -> Iterator[list[Runner]]:
    runners = [Runner(), Runner()]
    yield runners
    for runner in runners:
        deactivate(runner)


def in_another_thread(function: Callable[[], object]) -> object:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_there_is_none_without_a_worker() -> None:
    assert current_runner() is None


def test_innermost_worker_of_a_thread_is_used(runners: list[Runner]) -> None:
    outer, inner = runners
    activate(outer)
    activate(inner)
    assert current_runner() is inner
    deactivate(inner)
    assert current_runner() is outer


def test_workers_may_end_in_any_order(runners: list[Runner]) -> None:
    early, late = runners
    activate(early)
    activate(late)
    deactivate(early)
    assert current_runner() is late
    deactivate(late)
    assert current_runner() is None


def test_worker_that_ended_in_another_thread_is_used_no_longer(runners: list[Runner]) -> None:
    activate(runners[0])
    in_another_thread(lambda: deactivate(runners[0]))
    assert current_runner() is None


def test_other_threads_use_the_only_worker(runners: list[Runner]) -> None:
    activate(runners[0])
    assert in_another_thread(current_runner) is runners[0]


def test_other_threads_use_none_of_several_workers(runners: list[Runner]) -> None:
    for runner in runners:
        activate(runner)
    assert in_another_thread(current_runner) is None


def test_thread_of_a_worker_uses_that_worker(runners: list[Runner]) -> None:
    for runner in runners:
        activate(runner)

    def in_its_thread() -> object:
        with used_in_this_thread(runners[0]):
            return current_runner()

    assert in_another_thread(in_its_thread) is runners[0]


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_forked_child_uses_none_until_it_has_a_worker_itself(runners: list[Runner]) -> None:
    activate(runners[0])
    child = os.fork()
    if child == 0:
        before = current_runner()
        activate(runners[1])
        os._exit(0 if before is None and current_runner() is runners[1] else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
