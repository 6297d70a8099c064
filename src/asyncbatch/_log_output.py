"""Logs on a terminal and in files: `print_logs` and `save_logs`.

Writing may take its time, so it happens in a thread; what comes meanwhile is written together. A
reader that is too far ahead waits.
"""

import dataclasses
import os
import sys
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

import anyio
import anyio.to_thread

from asyncbatch._jobs.job import Job
from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.results import LogEvent
from asyncbatch._values.text import fit_for_terminal

Lines = Job | AsyncIterable[LogEvent]

_AHEAD = 10_000  # lines that may wait to be written
_SHORT_ID = 8
# Docker cuts longer lines into several events of this size, without saying so.
_PARTIAL_BYTES = 16_384
# CloudWatch Logs takes no larger event, so nothing larger is put together.
_LONGEST_BYTES = 1_048_576


async def print_logs(
    lines: Lines,
    *,
    file: TextIO | None = None,
    timestamps: bool = True,
    colours: bool | None = None,
) -> None:
    """Print a job's log as it comes, with local times, fit for a terminal.

    Colours are kept where they are shown; all other control sequences are taken out, and control
    characters made visible. The lines of array jobs, of several nodes, containers or jobs say whose
    they are.

    Args:
        lines: A job, whose log is followed to its end; or the lines themselves, as `Job.logs` and
            `AsyncBatchClient.logs` give them.
        file: Where to print; None prints to standard output.
        timestamps: Whether each line begins with the local time at which it was written.
        colours: Whether to keep colours; None keeps them where the file is a terminal, unless the
            environment variable ``NO_COLOR`` is set.

    Raises:
        InvalidRequest: An argument is of another kind.
        LogsUnavailable: The logs are not in CloudWatch Logs, or their group does not exist.
        ClientClosed: The client is not open, or was closed meanwhile.
        JobVanished: AWS does not answer for the job any more.
        APIError: AWS does not let us read the logs.
        OSError: The file cannot be written.

    Example:
        ```python
        job = await batch.submit("etl:3")
        await print_logs(job)
        await print_logs(job.logs(follow=False, tail=10), timestamps=False)
        ```
    """
    _require_lines(lines)
    target = sys.stdout if file is None else file
    shows_colours = target.isatty() and not os.environ.get("NO_COLOR")
    keeps_colours = shows_colours if colours is None else colours
    whose = _label if isinstance(lines, Job) else _label_of_many
    encoding = getattr(target, "encoding", None) or "utf-8"

    def text(event: LogEvent) -> str:
        words = fit_for_terminal(event.message, colours=keeps_colours)
        words = words.encode(encoding, "backslashreplace").decode(encoding)
        time = f"{event.timestamp.astimezone():%Y-%m-%d %H:%M:%S} " if timestamps else ""
        name = whose(event)
        prefix = f"{time}{name} " if name else time
        return "".join(f"{prefix}{line}\n" for line in words.split("\n"))

    def write(words: str) -> None:
        target.write(words)
        target.flush()

    await _write_all(lines, text, write)


async def save_logs(lines: Lines, path: str | os.PathLike[str], *, timestamps: bool = False) -> int:
    """Write a job's log into a file as it comes, as the job wrote it.

    Lines that the container's log driver had cut into pieces are put together again. The file can
    be read while it grows; an older one is replaced.

    Args:
        lines: A job, whose log is followed to its end; or the lines themselves, as `Job.logs` and
            `AsyncBatchClient.logs` give them.
        path: The file.
        timestamps: Whether each line begins with the local time at which it was written, and, in
            jobs of several parts, with whose it is.

    Returns:
        How many events were written.

    Raises:
        InvalidRequest: An argument is of another kind.
        LogsUnavailable: The logs are not in CloudWatch Logs, or their group does not exist.
        ClientClosed: The client is not open, or was closed meanwhile.
        JobVanished: AWS does not answer for the job any more.
        APIError: AWS does not let us read the logs.
        OSError: The file cannot be written.

    Example:
        ```python
        job = await batch.submit("etl:3")
        await save_logs(job, "job.log")
        ```
    """
    _require_lines(lines)
    check.path("path", path)
    whose = _label if isinstance(lines, Job) else _label_of_many

    def text(event: LogEvent) -> str:
        message = event.message.removesuffix("\r").removesuffix("\n")
        if not timestamps:
            return f"{message}\n"
        time = event.timestamp.astimezone().isoformat(timespec="milliseconds")
        return f"{' '.join(filter(None, (time, whose(event), message)))}\n"

    def open_file() -> TextIO:
        # Half characters, as binary rubbish may have them, are written down as such.
        return Path(path).open("w", encoding="utf-8", errors="surrogatepass", newline="")

    file = await anyio.to_thread.run_sync(open_file)
    try:

        def write(words: str) -> None:
            file.write(words)
            file.flush()

        return await _write_all(lines, text, write)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(file.close)


def _require_lines(lines: object) -> None:
    if not isinstance(lines, Job | AsyncIterable):
        raise InvalidRequest("lines", lines, "a Job, or lines as batch.logs([...]) gives them")


def _label(event: LogEvent) -> str:
    return event.label


def _label_of_many(event: LogEvent) -> str:
    parent = event.job_id.partition(":")[0].partition("#")[0]
    return f"{parent[:_SHORT_ID]}{event.label}"


async def _write_all(
    lines: Lines, text: Callable[[LogEvent], str], write: Callable[[str], object]
) -> int:
    """Write all events, and return how many there were."""
    writer = _Writer(write)
    joined = _Joined()
    count = 0
    async with anyio.create_task_group() as group:
        group.start_soon(writer.run, group.cancel_scope)
        try:
            async for event in lines.logs() if isinstance(lines, Job) else lines:
                count += 1
                await writer.put(text(each) for each in joined.take(event))
        except Exception as error:  # noqa: BLE001 - out of the group; raised below
            writer.problems.append(error)
        await writer.put(text(each) for each in joined.rest())
        writer.end()
    if writer.problems:
        raise writer.problems[0]
    return count


class _Writer:
    """Writes what comes in a thread, one piece after the other.

    Attributes:
        problems: What went wrong; kept, since the task group would wrap it.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self.problems: list[Exception] = []
        self._write = write
        self._pending: list[str] = []
        self._is_over = False
        self._arrived = anyio.Event()
        self._written = anyio.Event()

    async def put(self, texts: Iterable[str]) -> None:
        """Take texts, and wait if too many wait already."""
        self._pending.extend(texts)
        self._arrived.set()
        if len(self._pending) > _AHEAD:
            await self._written.wait()

    def end(self) -> None:
        """Say that nothing more comes."""
        self._is_over = True
        self._arrived.set()

    async def run(self, scope: anyio.CancelScope) -> None:
        """Write until the end; cancel `scope` where that is not possible."""
        while self._pending or not self._is_over:
            if not self._pending:
                self._arrived = anyio.Event()
                await self._arrived.wait()
            text = "".join(self._pending)
            self._pending.clear()
            try:
                await anyio.to_thread.run_sync(self._write, text)
            except (OSError, ValueError) as error:
                self.problems.append(error)
                scope.cancel()
            self._written.set()
            self._written = anyio.Event()


class _Joined:
    """Puts lines together that were cut into events of a telling size."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], list[LogEvent]] = {}

    def take(self, event: LogEvent) -> Iterator[LogEvent]:
        """Yield what is complete with this event."""
        key = (event.job_id, event.stream)
        size = len(event.message.encode("utf-8", "surrogatepass"))
        begun = self._open.setdefault(key, []) if size == _PARTIAL_BYTES else self._open.get(key)
        if begun is None:
            yield event
            return
        begun.append(event)
        if size != _PARTIAL_BYTES or len(begun) * _PARTIAL_BYTES >= _LONGEST_BYTES:
            del self._open[key]
            yield _whole(begun)

    def rest(self) -> Iterator[LogEvent]:
        """Yield what was begun and never completed."""
        for begun in self._open.values():
            yield _whole(begun)
        self._open.clear()


def _whole(parts: list[LogEvent]) -> LogEvent:
    first = parts[0]
    if len(parts) == 1:
        return first
    return dataclasses.replace(first, message="".join(part.message for part in parts))
