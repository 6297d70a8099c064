"""The bridge from synchronous code to coroutines: results, cancellation, signals, forks."""

import _thread
import asyncio
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import pytest

from asyncbatch_luigi import _bridge

# The bridge blocks on purpose; the loops run in threads of their own.
pytestmark = pytest.mark.may_block

EITHER_SIGNAL = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


class Terminated(BaseException):
    """Raised by the application's SIGTERM handler."""


def send(number: signal.Signals) -> None:
    """Send a signal to the main thread, which waits in the bridge."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, number)


async def answer() -> int:
    return 42


async def until_cancelled() -> None:
    await asyncio.Event().wait()


def test_run_returns_the_result_of_the_coroutine() -> None:
    assert _bridge.run(answer) == 42


def test_run_raises_the_error_of_the_coroutine() -> None:
    async def fail() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        _bridge.run(fail)


async def test_run_works_inside_a_running_loop() -> None:
    assert _bridge.run(answer) == 42


def test_run_works_in_any_thread() -> None:
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(_bridge.run, answer).result() == 42


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_run_works_in_a_forked_child_of_a_process_that_used_it() -> None:
    _bridge.run(answer)
    child = os.fork()
    if child == 0:
        os._exit(_bridge.run(answer))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 42


def test_ctrl_c_raises_keyboard_interrupt_after_the_cleanup() -> None:
    steps: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().call_soon(send, signal.SIGINT)
        try:
            await until_cancelled()
        finally:
            steps.append("cancelled")
            await asyncio.to_thread(steps.append, "cleaned up")

    with pytest.raises(KeyboardInterrupt):
        _bridge.run(main)
    assert steps == ["cancelled", "cleaned up"]


@EITHER_SIGNAL
def test_later_signals_do_not_interrupt_the_cleanup(number: signal.Signals) -> None:
    steps: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().call_soon(send, signal.SIGINT)
        try:
            await until_cancelled()
        finally:
            send(number)
            send(signal.SIGINT)
            await asyncio.to_thread(steps.append, "cleaned up")

    with pytest.raises(KeyboardInterrupt):
        _bridge.run(main)
    assert steps == ["cleaned up"]


def test_second_ctrl_c_ends_the_cleanup(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_bridge, "SAME_EVENT_SECONDS", 0.0)
    release = threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().call_soon(send, signal.SIGINT)
        try:
            await until_cancelled()
        finally:
            send(signal.SIGINT)
            release.wait()

    with pytest.raises(KeyboardInterrupt):
        _bridge.run(main)
    assert "Ctrl-C was pressed again" in caplog.text
    release.set()


def test_signal_at_the_start_of_the_wait_is_not_lost() -> None:
    """Python then only marks the signal as pending, as `interrupt_main` does."""

    async def main() -> None:
        _thread.interrupt_main(signal.SIGINT)
        await until_cancelled()

    with pytest.raises(KeyboardInterrupt):
        _bridge.run(main)


def test_ctrl_c_raises_even_if_the_coroutine_succeeds() -> None:
    async def main() -> None:
        send(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        _bridge.run(main)


def test_cleanup_is_abandoned_after_its_time_limit(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().call_soon(send, signal.SIGINT)
        try:
            await until_cancelled()
        finally:
            release.wait()

    with pytest.raises(KeyboardInterrupt):
        _bridge.run(main, grace=0)
    assert "Cleanup abandoned: not finished after 0 s" in caplog.text
    release.set()


def test_handler_of_the_application_stays_and_its_error_cancels() -> None:
    steps: list[str] = []

    def handler(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    async def main() -> None:
        asyncio.get_running_loop().call_soon(send, signal.SIGTERM)
        try:
            await until_cancelled()
        finally:
            await asyncio.to_thread(steps.append, "cleaned up")

    previous = signal.signal(signal.SIGTERM, handler)
    try:
        with pytest.raises(Terminated):
            _bridge.run(main)
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert steps == ["cleaned up"]


def test_signal_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    _bridge.run(answer)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
