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

# The bridge is what blocks; the loops that run on it have threads of their own.
pytestmark = pytest.mark.may_block

EITHER_SIGNAL = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


class Terminated(BaseException):
    """What the tests' SIGTERM handler raises."""


def send(number: signal.Signals) -> None:
    """Send a signal to the main thread, which waits for the bridge."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, number)


async def answer() -> int:
    return 42


async def until_cancelled() -> None:
    await asyncio.Event().wait()


def test_it_returns_what_the_coroutine_returns() -> None:
    assert _bridge.run(answer) == 42


def test_it_raises_what_the_coroutine_raises() -> None:
    async def fail() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        _bridge.run(fail)


async def test_it_runs_where_a_loop_is_running() -> None:
    assert _bridge.run(answer) == 42


def test_it_runs_in_any_thread() -> None:
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(_bridge.run, answer).result() == 42


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_it_runs_in_a_forked_child_of_a_process_that_used_it() -> None:
    _bridge.run(answer)
    child = os.fork()
    if child == 0:
        os._exit(_bridge.run(answer))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 42


def test_ctrl_c_lets_the_cleanup_end_and_is_a_keyboard_interrupt() -> None:
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
def test_signals_after_the_first_do_not_cut_the_cleanup(number: signal.Signals) -> None:
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


def test_a_signal_that_comes_as_the_waiting_begins_is_not_lost() -> None:
    """Then it is marked as pending, but interrupts nothing: so does `interrupt_main`."""

    async def main() -> None:
        _thread.interrupt_main(signal.SIGINT)
        await until_cancelled()

    with pytest.raises(KeyboardInterrupt):
        _bridge.run(main)


def test_ctrl_c_counts_even_if_the_coroutine_ends_well() -> None:
    async def main() -> None:
        send(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        _bridge.run(main)


def test_cleanup_that_outlasts_its_grace_is_abandoned(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().call_soon(send, signal.SIGINT)
        try:
            await until_cancelled()
        finally:
            release.wait()

    with pytest.raises(KeyboardInterrupt):
        _bridge.run(main, grace=0)
    assert "Cleanup has not ended within 0 s and is abandoned" in caplog.text
    release.set()


def test_a_handler_of_somebody_else_stays_and_still_cancels() -> None:
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


def test_the_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    _bridge.run(answer)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
