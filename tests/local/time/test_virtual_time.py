"""The event loop in virtual time."""

import asyncio
import threading
import time

import anyio.to_thread
import pytest

from asyncbatch.local import VirtualTimeDeadlock, VirtualTimeLoop, run_in_virtual_time
from tests.local.harness import pass_time


def test_virtual_hours_take_no_real_time_and_keep_the_order_of_timers() -> None:
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


def test_closing_the_loop_waits_for_its_threads() -> None:
    """Asyncio waits at most 300 seconds, which would pass at once in virtual time."""

    async def main() -> None:
        release = threading.Event()
        asyncio.get_running_loop().run_in_executor(None, release.wait)
        threading.Timer(0.05, release.set).start()

    run_in_virtual_time(main)


@pytest.mark.parametrize("in_thread", [asyncio.to_thread, anyio.to_thread.run_sync])
def test_virtual_time_stands_still_while_a_thread_works(in_thread: object) -> None:
    async def main() -> list[str]:
        order: list[str] = []
        gate = threading.Event()

        async def work() -> None:
            await in_thread(gate.wait)  # type: ignore[operator]
            order.append("thread")

        async def timer() -> None:
            await pass_time(3600)
            order.append("timer")

        # The gate opens in real time, long after only the timer is left for the loop.
        opener = threading.Timer(0.05, gate.set)
        opener.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(timer())
            group.create_task(work())
        return order

    assert run_in_virtual_time(main) == ["thread", "timer"]


def test_waiting_without_any_source_of_events_raises_virtual_time_deadlock() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(VirtualTimeDeadlock, match=r"1 task\(s\) wait: Task-"):
        run_in_virtual_time(main)


def test_a_thread_started_without_the_loop_can_wake_it() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[str] = loop.create_future()
        threading.Thread(target=loop.call_soon_threadsafe, args=(woken.set_result, "woken")).start()
        return await woken

    assert run_in_virtual_time(main) == "woken"


def test_virtual_time_follows_real_time_while_a_socket_is_open() -> None:
    """Otherwise the timeout would fire before the data of the socket arrives."""

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


def test_the_loop_starts_at_a_fixed_date() -> None:
    assert VirtualTimeLoop.epoch == 1_705_312_800


@pytest.mark.virtual_time
async def test_the_virtual_time_marker_runs_a_test_on_this_loop() -> None:
    await pass_time(86_400)
    assert asyncio.get_running_loop().time() == 86_400
