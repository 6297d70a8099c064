"""Work in virtual time: `python -m bench.virtual CONTENDER SETTING`, engine and contender together.

The engine's part is taken out of the CPU time: what it spends on answering is measured on the way.
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
from bench.work import News, Work
from bench.workloads import FLOOR, OURS

FOLLOW = {OURS: ours.follow, FLOOR: floor.follow}


class Meter:
    """Adds up the CPU time of coroutines, and of nothing that happens while they wait.

    Args:
        clock: The CPU time spent so far, in seconds.

    Attributes:
        seconds: The sum so far.
    """

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self.seconds = 0.0

    def watch(
        self, function: Callable[..., Coroutine[Any, Any, Any]]
    ) -> Callable[..., Awaitable[Any]]:
        """Return a coroutine function that does the same, on the meter."""

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
                wanted = step()
            except StopIteration as done:
                return done.value
            finally:
                self.seconds += self._clock() - started
            try:
                step = functools.partial(coroutine.send, (yield wanted))
            except BaseException as error:  # noqa: BLE001 (it is the coroutine's, cancellation too)
                step = functools.partial(coroutine.throw, error)


async def run(contender: str, setting: Setting, work: Work) -> dict[str, Any]:
    """Let a contender do its work and return the account of it.

    Args:
        contender: Its name.
        setting: What the engine is like.
        work: What it has to do.
    """
    loop = asyncio.get_running_loop()
    meter = Meter()
    async with engine(setting) as (local, watch):
        _put_on(meter, local)
        news = News(work.news, loop.time, lambda: time.process_time() - meter.seconds)
        started = loop.time()
        await FOLLOW[contender](work, news, local.session)
        news.figure("virtual_s", loop.time() - started)
        news.figure("engine_cpu_s", meter.seconds)
        return dataclasses.asdict(Account.of(local, watch))


def _put_on(meter: Meter, local: LocalBatch) -> None:
    # The one place through which all requests go; the engine has no public name for it.
    service: Any = local._open.service  # noqa: SLF001
    service.handle = meter.watch(service.handle)


def main() -> None:
    """Do the work that the arguments and the environment name."""
    contender, setting = sys.argv[1], Setting(**json.loads(sys.argv[2]))
    account = run_in_virtual_time(lambda: run(contender, setting, Work.from_environment()))
    print(json.dumps(account))


if __name__ == "__main__":
    main()
