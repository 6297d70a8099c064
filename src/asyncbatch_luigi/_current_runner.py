"""Which open client the code of a thread uses: that of the worker which runs it.

Several workers can be active in one process: builds in several threads overlap, and a task may
start a build in its `run()`. So a worker is looked up by the thread that needs its client:

1. the worker that this thread belongs to, the innermost one if it has started several;
2. in any other thread, such as one that a task has started, the only active worker;
3. none if several are active, or none. Then each run opens a client of its own.

A forked child inherits the variables of this module, but not the event loop of a worker. So each
worker is active only in the process that has activated it.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Protocol, TypeVar

from asyncbatch import AsyncBatchClient

T = TypeVar("T")


class SharedRunner(Protocol):
    """Runs coroutines on the loop of a worker, with the client that is open there."""

    def run(self, start: Callable[[AsyncBatchClient], Coroutine[Any, Any, T]], /) -> T:
        """Run what `start` makes of the client to its end, and return its result.

        Called in any thread except the loop's. `start` is called in the same thread, and may raise.
        """
        ...


# Changed by `append` and `remove` only, which are atomic: a fork may not copy a lock that is held.
_active: list[tuple[SharedRunner, int]] = []


class _Thread(threading.local):
    def __init__(self) -> None:
        self.runners: list[SharedRunner] = []


_thread = _Thread()


def activate(runner: SharedRunner) -> None:
    """Use a runner in this thread, and in those that belong to no other, until `deactivate`."""
    _active.append((runner, os.getpid()))
    _thread.runners.append(runner)


def deactivate(runner: SharedRunner) -> None:
    """Use a runner no longer, in no thread; callable in any thread, and in any order."""
    with contextlib.suppress(ValueError):
        _active.remove((runner, os.getpid()))
    _thread.runners[:] = [each for each in _thread.runners if each is not runner]


@contextlib.contextmanager
def used_in_this_thread(runner: SharedRunner) -> Iterator[None]:
    """Use an active runner in this thread while the block runs."""
    _thread.runners.append(runner)
    try:
        yield
    finally:
        _thread.runners.remove(runner)


def current_runner() -> SharedRunner | None:
    """Return the runner that this thread uses; None for a client of its own."""
    process = os.getpid()
    active = [runner for runner, of_process in _active if of_process == process]
    for runner in reversed(_thread.runners):
        if runner in active:
            return runner
    return active[0] if len(active) == 1 else None
