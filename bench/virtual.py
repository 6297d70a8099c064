"""`python -m bench.virtual CONTENDER SETTING`: engine and contender in one process, virtual time.

The CPU time that the engine spends on requests is measured and subtracted.
"""

import asyncio
import dataclasses
import functools
import json
import sys
import time
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from asyncbatch.local import LocalBatch, run_in_virtual_time
from bench.contenders import floor, ours
from bench.endpoint import Account, Setting, engine
from bench.work import Recorder, Work
from bench.workloads import FLOOR, OURS

FOLLOW = {OURS: ours.follow, FLOOR: floor.follow}


class Meter:
    """Measures the CPU time of coroutines, without what runs while they wait.

    Args:
        clock: Returns the CPU time of this thread in seconds.

    Attributes:
        seconds: The sum so far.
    """

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self.seconds = 0.0

    def watch(
        self, function: Callable[..., Coroutine[Any, Any, Any]]
    ) -> Callable[..., Awaitable[Any]]:
        """Return a coroutine function that does the same and is measured."""

        @functools.wraps(function)
        def watched(*args: object) -> Awaitable[Any]:
            return self._drive(function(*args))

        return watched

    @types.coroutine
    def _drive(self, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        step = functools.partial(coroutine.send, None)
        while True:
            started = self._clock()
            try:
                awaited = step()
            except StopIteration as done:
                return done.value
            finally:
                self.seconds += self._clock() - started
            try:
                step = functools.partial(coroutine.send, (yield awaited))
            except BaseException as error:  # noqa: BLE001 (passed on to the coroutine, cancellation included)
                step = functools.partial(coroutine.throw, error)


async def run(contender: str, setting: Setting, work: Work) -> dict[str, Any]:
    """Run a contender and return the account of the engine.

    Args:
        contender: Name of the contender.
        setting: Configuration of the engine.
        work: The work to do.
    """
    loop = asyncio.get_running_loop()
    meter = Meter()
    async with engine(setting) as (local, watch):
        _put_on(meter, local)
        recorder = Recorder(work.records, loop.time, lambda: time.process_time() - meter.seconds)
        started = loop.time()
        await FOLLOW[contender](work, recorder, local.session)
        recorder.figure("virtual_s", loop.time() - started)
        recorder.figure("engine_cpu_s", meter.seconds)
        return dataclasses.asdict(Account.of(local, watch))


def _put_on(meter: Meter, local: LocalBatch) -> None:
    # All requests pass through this method, which has no public name.
    service: Any = local._open.service  # noqa: SLF001
    service.handle = meter.watch(service.handle)


def main() -> None:
    """Run the contender that the arguments select, with the work in the environment."""
    contender, setting = sys.argv[1], Setting(**json.loads(sys.argv[2]))
    account = run_in_virtual_time(lambda: run(contender, setting, Work.from_environment()))
    print(json.dumps(account))


if __name__ == "__main__":
    main()
