"""A background task that is started and stopped, possibly by different tasks."""

import asyncio
from collections.abc import Callable

import anyio
import pytest

from asyncbatch._session.background import Background

pytestmark = pytest.mark.virtual_time


class MainFailed(Exception):
    """The error of the background task."""


class Service:
    """A main that records its progress, and can fail or hang at any step."""

    def __init__(self, *, fail_at: str = "", hang_at: str = "") -> None:
        self.log: list[str] = []
        self._fail_at = fail_at
        self._hang_at = hang_at

    async def main(self, ready: Callable[[str], None], stop: asyncio.Event) -> None:
        try:
            await self._reach("starting")
            ready("it runs")
            await self._reach("ready")
            await stop.wait()
            await self._reach("stopping")
        finally:
            self.log.append("ended")

    async def _reach(self, where: str) -> None:
        self.log.append(where)
        if where == self._hang_at:
            await anyio.sleep_forever()
        if where == self._fail_at:
            raise MainFailed(where)


async def test_start_returns_what_it_reports_and_stop_waits_for_its_end() -> None:
    service = Service()
    background = Background(service.main)
    assert await background.start() == "it runs"
    assert service.log == ["starting", "ready"]
    await background.stop()
    assert service.log == ["starting", "ready", "stopping", "ended"]


async def test_start_and_stop_may_be_in_different_tasks() -> None:
    service = Service()
    background = Background(service.main)
    async with anyio.create_task_group() as group:
        group.start_soon(background.start)
    assert service.log == ["starting", "ready"]
    async with anyio.create_task_group() as group:
        group.start_soon(background.stop)
    assert service.log[-1] == "ended"


async def test_stop_twice_or_without_start_does_nothing() -> None:
    background = Background(Service().main)
    await background.stop()
    background = Background(Service().main)
    await background.start()
    await background.stop()
    await background.stop()


async def test_error_before_ready_is_raised_by_start() -> None:
    with pytest.raises(MainFailed, match="starting"):
        await Background(Service(fail_at="starting").main).start()


async def test_main_that_ends_before_ready_raises_runtime_error() -> None:
    async def main(ready: Callable[[str], None], stop: asyncio.Event) -> None:
        """End without calling `ready`."""

    with pytest.raises(RuntimeError, match="ended before it was ready"):
        await Background(main).start()


@pytest.mark.parametrize("where", ["ready", "stopping"])
async def test_error_after_ready_is_raised_by_stop(where: str) -> None:
    background = Background(Service(fail_at=where).main)
    await background.start()
    with pytest.raises(MainFailed, match=where):
        await background.stop()


async def test_cancelled_start_ends_the_task() -> None:
    service = Service(hang_at="starting")
    background = Background(service.main)
    with anyio.move_on_after(1) as scope:
        await background.start()
    assert scope.cancelled_caught
    assert service.log == ["starting", "ended"]
    assert len(asyncio.all_tasks()) == 1


async def test_cancelled_stop_cancels_the_task() -> None:
    service = Service(hang_at="stopping")
    background = Background(service.main)
    await background.start()
    with anyio.move_on_after(1) as scope:
        await background.stop()
    assert scope.cancelled_caught
    await background.stop()
    assert service.log == ["starting", "ready", "stopping", "ended"]


async def test_cancelling_the_starter_later_does_not_cancel_the_task() -> None:
    """A notebook cell that is interrupted later leaves the client of an earlier one open."""
    service = Service()
    background = Background(service.main)
    with anyio.CancelScope() as scope:
        await background.start()
        scope.cancel()
        await anyio.lowlevel.checkpoint()
    assert service.log == ["starting", "ready"]
    await background.stop()


@pytest.mark.parametrize("step", ["start", "stop"])
async def test_cancelling_does_not_interrupt_what_the_task_shields(step: str) -> None:
    """A journal that is being opened in a thread must be closed again, or it stays locked."""
    log: list[str] = []

    async def main(ready: Callable[[str], None], stop: asyncio.Event) -> None:
        if step == "stop":
            ready("it runs")
            await stop.wait()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(5)
            log.append("complete")
        await anyio.sleep_forever()

    background = Background(main)
    with anyio.move_on_after(1) as scope:
        await background.start()
        await background.stop()
    assert scope.cancelled_caught
    await background.stop()
    assert log == ["complete"]


async def test_cancelled_stop_waits_for_the_end_of_the_task() -> None:
    service = Service(hang_at="stopping")
    background = Background(service.main)
    await background.start()
    with anyio.move_on_after(1) as scope:
        await background.stop()
    assert scope.cancelled_caught
    assert service.log[-1] == "ended"
