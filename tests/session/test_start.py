"""`Session.start`: work that does not stop when its caller is cancelled."""

import asyncio
import gc
import logging

import anyio
import pytest

from asyncbatch import ClientClosed
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


class WorkFailed(Exception):
    """The error of the work."""


class Work:
    """Takes a minute, and records how far it got."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.ended = anyio.Event()
        self.was_cancelled = False
        self._error = error

    async def run(self, answer: int) -> int:
        try:
            await anyio.sleep(60)
        except anyio.get_cancelled_exc_class():
            self.was_cancelled = True
            raise
        finally:
            self.ended.set()
        if self._error is not None:
            raise self._error
        return answer


async def test_start_returns_a_future_of_the_outcome(bench: MakeBench) -> None:
    async with bench() as b:
        assert await b.session.start(Work().run, 42) == 42


@pytest.mark.parametrize("error", [None, WorkFailed("no")])
async def test_start_goes_on_with_the_work_of_a_cancelled_caller(
    bench: MakeBench, caplog: pytest.LogCaptureFixture, error: Exception | None
) -> None:
    """Neither its result nor its error is logged as never retrieved."""
    caplog.set_level(logging.DEBUG, logger="asyncio")
    work = Work(error)
    async with bench() as b:
        with anyio.move_on_after(1) as scope:
            await b.session.start(work.run, 42)
        assert scope.cancelled_caught
        assert not work.ended.is_set()
        await work.ended.wait()
        assert not work.was_cancelled
        await anyio.wait_all_tasks_blocked()
        gc.collect()
        assert b.session.poller is not None  # the client still works
        await b.batch.run([])
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


async def test_start_logs_nothing_about_a_future_that_is_dropped(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(WorkFailed("no"))
    async with bench() as b:
        b.session.start(work.run, 42)
        await work.ended.wait()
        await anyio.wait_all_tasks_blocked()
        gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


async def test_start_passes_on_an_exception_unwrapped(bench: MakeBench) -> None:
    error = WorkFailed("no")
    async with bench() as b:
        with pytest.raises(WorkFailed) as caught:
            await b.session.start(Work(error).run, 42)
        assert caught.value is error
        assert await b.session.start(Work().run, 1) == 1  # the session is unharmed


async def test_start_raises_client_closed_when_the_client_closes(bench: MakeBench) -> None:
    work = Work()
    async with bench() as b:
        outcome = b.session.start(work.run, 42)
        await anyio.sleep(1)
        await b.batch.aclose()
        assert work.was_cancelled
        with pytest.raises(ClientClosed):
            await outcome


async def test_start_with_a_closed_session_raises_and_starts_nothing(bench: MakeBench) -> None:
    work = Work()
    async with bench() as b:
        session = b.session
        await b.batch.aclose()
        tasks = asyncio.all_tasks()
        with pytest.raises(ClientClosed, match="this client was closed"):
            session.start(work.run, 42)
        assert asyncio.all_tasks() == tasks
    assert not work.ended.is_set()
