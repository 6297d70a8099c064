"""Cancelling `print_logs` and `save_logs` while their output blocks: they end, at once.

The writes block in threads, so these tests run in real time; they wait for events only.
"""

import asyncio
import io
import os
import threading
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from asyncbatch import LogEvent, _log_output, print_logs, save_logs

LARGER_THAN_A_PIPE = "x" * 1_000_000


def event(message: str) -> LogEvent:
    moment = datetime(2024, 1, 15, 10, tzinfo=UTC)
    return LogEvent(timestamp=moment, message=message, job_id="job", attempt=1, stream="s")


class Log:
    """A log with one event, that never ends."""

    def __init__(self, message: str) -> None:
        self._message = message

    async def __aiter__(self) -> AsyncIterator[LogEvent]:
        yield event(self._message)
        await anyio.sleep_forever()


class Blocked(io.StringIO):
    """A file whose writes block until the test lets them go."""

    def __init__(self) -> None:
        super().__init__()
        self.is_writing = asyncio.Event()
        self.may_go_on = threading.Event()
        self._loop = asyncio.get_running_loop()

    def write(self, text: str, /) -> int:
        self._loop.call_soon_threadsafe(self.is_writing.set)
        self.may_go_on.wait()
        return super().write(text)


async def cancelled(work: Coroutine[None, None, object], blocks: asyncio.Event) -> None:
    """Run until an event is set, and cancel."""
    task = asyncio.ensure_future(work)
    await blocks.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_print_logs_does_not_wait_for_a_blocked_write() -> None:
    file = Blocked()
    try:
        await cancelled(print_logs(Log("a"), file=file), file.is_writing)
        assert file.getvalue() == ""
    finally:
        file.may_go_on.set()


async def test_print_logs_raises_any_error_of_the_file_as_it_is() -> None:
    class Odd(io.StringIO):
        def write(self, text: str, /) -> int:
            raise LookupError(text)

    with pytest.raises(LookupError, match="job a"):
        await print_logs(Log("a"), file=Odd(), timestamps=False)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """Make a named pipe."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


async def test_cancelled_save_logs_does_not_wait_for_a_full_pipe(
    pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_log_output, "_CLOSE_SECONDS", 0.01)
    readable = asyncio.Event()
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    loop = asyncio.get_running_loop()
    try:
        loop.add_reader(reader, readable.set)
        await cancelled(save_logs(Log(LARGER_THAN_A_PIPE), pipe), readable)
    finally:
        loop.remove_reader(reader)
        os.close(reader)  # the abandoned write fails, and its thread ends


async def test_cancelled_save_logs_does_not_wait_for_a_pipe_without_a_reader(
    pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_opening = asyncio.Event()
    loop = asyncio.get_running_loop()
    open_path = Path.open

    def announced_open(self: Path, mode: str, buffering: int = -1, **options: str) -> object:
        loop.call_soon_threadsafe(is_opening.set)
        return open_path(self, mode, buffering, **options)

    monkeypatch.setattr(Path, "open", announced_open)
    await cancelled(save_logs(Log("a"), pipe), is_opening)
    # A reader lets the abandoned thread open the pipe. It reads to the end: the thread closes it.
    assert await asyncio.to_thread(pipe.read_bytes) == b""


async def test_cancelled_save_logs_writes_what_it_has_and_closes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    has_written = asyncio.Event()

    async def lines() -> AsyncIterator[LogEvent]:
        yield event("a")
        await asyncio.to_thread(_wait_for_text, path)
        has_written.set()
        await anyio.sleep_forever()

    await cancelled(save_logs(lines(), path), has_written)
    assert path.read_text() == "a\n"


def _wait_for_text(path: Path) -> None:
    while not path.read_text():
        pass
