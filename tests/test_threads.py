"""`acquire_in_thread`: a resource reaches its caller or is released, whenever that is cancelled."""

import asyncio
import threading
from collections.abc import Callable

import anyio.to_thread
import pytest

from asyncbatch._threads import acquire_in_thread, release_in_thread


async def test_acquire_in_thread_returns_the_resource() -> None:
    released: list[str] = []
    assert await acquire_in_thread(lambda: "resource", released.append) == "resource"
    assert released == []


async def test_acquire_in_thread_raises_the_error_of_the_function() -> None:
    released: list[str] = []

    def fail() -> str:
        raise LookupError("none")

    with pytest.raises(LookupError, match="none"):
        await acquire_in_thread(fail, released.append)
    assert released == []


async def test_resource_that_a_thread_acquires_after_the_cancellation_is_released_there() -> None:
    loop = asyncio.get_running_loop()
    has_begun, is_released = asyncio.Event(), asyncio.Event()
    may_go_on = threading.Event()
    released: list[tuple[str, int]] = []

    def acquire() -> str:
        loop.call_soon_threadsafe(has_begun.set)
        may_go_on.wait()
        return "resource"

    def release(resource: str) -> None:
        released.append((resource, threading.get_ident()))
        loop.call_soon_threadsafe(is_released.set)

    task = asyncio.ensure_future(acquire_in_thread(acquire, release))
    await has_begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task  # although the function still blocks
    assert released == []

    may_go_on.set()
    await is_released.wait()
    ((resource, thread),) = released
    assert resource == "resource"
    assert thread != threading.get_ident()


async def test_release_is_called_although_nobody_waits_for_its_end() -> None:
    loop = asyncio.get_running_loop()
    is_released = asyncio.Event()
    await release_in_thread(lambda: loop.call_soon_threadsafe(is_released.set), seconds=0)
    await is_released.wait()


async def test_error_of_a_release_is_dropped() -> None:
    def fail() -> None:
        raise BrokenPipeError

    await release_in_thread(fail)


@pytest.fixture
def cancelled_before_the_result_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancel a caller after the function has ended in its thread, before its result is returned."""
    run_sync = anyio.to_thread.run_sync

    async def run_and_cancel(
        work: Callable[..., object], *args: object, abandon_on_cancel: bool
    ) -> object:
        result = await run_sync(work, *args, abandon_on_cancel=abandon_on_cancel)
        if not args:  # the acquisition, not the release
            raise asyncio.CancelledError
        return result

    monkeypatch.setattr(anyio.to_thread, "run_sync", run_and_cancel)


@pytest.mark.usefixtures("cancelled_before_the_result_arrives")
async def test_resource_that_its_caller_never_gets_is_released() -> None:
    released: list[str] = []
    with pytest.raises(asyncio.CancelledError):
        await acquire_in_thread(lambda: "resource", released.append)
    assert released == ["resource"]
