"""The laws of the loop that does not wait."""

import asyncio
import threading
import time

import anyio.to_thread
import pytest

from asyncbatch.local import VirtualTimeDeadlock, VirtualTimeLoop, run_in_virtual_time
from tests.local.harness import pass_time


def test_hours_pass_at_once_and_in_order() -> None:
    order: list[str] = []

    async def note(name: str, hours: float) -> None:
        await pass_time(hours * 3600)
        order.append(name)

    async def main() -> float:
        async with asyncio.TaskGroup() as group:
            group.create_task(note("third", 1000))
            group.create_task(note("first", 1))
            group.create_task(note("second", 2))
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(main) == 3_600_000
    assert order == ["first", "second", "third"]


def test_a_timeout_fires_at_its_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(90):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(main) == 90


def test_a_loop_that_is_closed_waits_for_its_threads() -> None:
    """Asyncio gives them 300 seconds, which may not pass in a moment."""

    async def main() -> None:
        release = threading.Event()
        asyncio.get_running_loop().run_in_executor(None, release.wait)
        threading.Timer(0.05, release.set).start()

    run_in_virtual_time(main)


@pytest.mark.parametrize("in_thread", [asyncio.to_thread, anyio.to_thread.run_sync])
def test_time_stands_still_while_a_thread_works(in_thread: object) -> None:
    async def main() -> list[str]:
        order: list[str] = []
        gate = threading.Event()

        async def work() -> None:
            await in_thread(gate.wait)  # type: ignore[operator]
            order.append("thread")

        async def timer() -> None:
            await pass_time(3600)
            order.append("timer")

        # The gate opens in real time, long after the loop has nothing left but the timer.
        opener = threading.Timer(0.05, gate.set)
        opener.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(timer())
            group.create_task(work())
        return order

    assert run_in_virtual_time(main) == ["thread", "timer"]


def test_what_nobody_can_wake_is_a_deadlock() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(VirtualTimeDeadlock, match=r"1 task\(s\) wait: Task-"):
        run_in_virtual_time(main)


def test_a_thread_of_ones_own_may_still_wake_the_loop() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        news: asyncio.Future[str] = loop.create_future()
        threading.Thread(target=loop.call_soon_threadsafe, args=(news.set_result, "woken")).start()
        return await news

    assert run_in_virtual_time(main) == "woken"


def test_real_io_passes_real_time() -> None:
    """While a socket is open, time may not run ahead of what comes through it."""

    async def main() -> float:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()

        loop = asyncio.get_running_loop()
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with asyncio.timeout(3600):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"hello\n")
                assert await reader.readline() == b"hello\n"
                writer.close()
                await writer.wait_closed()
        return loop.time()

    started = time.monotonic()
    passed = run_in_virtual_time(main)
    assert passed <= time.monotonic() - started


def test_the_calendar_is_the_same_every_day() -> None:
    assert VirtualTimeLoop.epoch == 1_705_312_800


@pytest.mark.virtual_time
async def test_the_mark_gives_a_test_such_a_loop() -> None:
    await pass_time(86_400)
    assert asyncio.get_running_loop().time() == 86_400
