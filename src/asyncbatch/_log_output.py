"""Logs on a terminal and in files: `print_logs` and `save_logs`.

Writing to a pipe or a network file system may block, so a thread does it. Lines that arrive during
a write are written together by the next one; reading waits when too many lines are unwritten. A
caller that is cancelled does not wait for a write that blocks: the thread ends when it can.
"""

import dataclasses
import os
import sys
import threading
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

import anyio
import anyio.to_thread

from asyncbatch._jobs.job import Job
from asyncbatch._threads import acquire_in_thread, release_in_thread
from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.results import LogEvent
from asyncbatch._values.text import fit_for_terminal, one_line

Lines = Job | AsyncIterable[LogEvent]

_MAX_UNWRITTEN = 10_000  # lines
_CLOSE_SECONDS = 5.0
"""How long a cancelled `save_logs` waits for a write under way, so that the file is complete."""

_SHORT_ID = 8
# Docker splits longer lines into parts of this size; each becomes an event of its own.
# https://github.com/moby/moby/blob/master/daemon/logger/copier.go
_PART_BYTES = 16_384
# The maximum size of a log event, so of a joined line as well.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
_MAX_LINE_BYTES = 1_048_576


async def print_logs(
    lines: Lines,
    *,
    file: TextIO | None = None,
    timestamps: bool = True,
    colours: bool | None = None,
) -> None:
    """Print a job's log as it is written, with local times, safe for a terminal.

    Colours are kept on terminals. All other control sequences are removed, and control characters
    are made visible. Lines of array jobs, multi-node jobs, jobs with several containers and several
    jobs begin with a label that names the part.

    Args:
        lines: A job, whose log is followed to its end; or log events, as `Job.logs` and
            `AsyncBatchClient.logs` yield them.
        file: Where to print. None prints to standard output.
        timestamps: Whether each line begins with its timestamp in local time.
        colours: Whether to keep colours. None keeps them if the file is a terminal and the
            environment variable ``NO_COLOR`` is not set.

    When it is cancelled while the output is blocked, it ends at once; the blocked write is
    abandoned.

    Raises:
        InvalidRequest: An argument has a wrong type.
        LogsUnavailable: The logs are not in CloudWatch Logs, or their group does not exist.
        ClientClosed: The client is not open, or was closed meanwhile.
        JobVanished: AWS no longer knows the job.
        APIError: AWS refuses to return the logs.
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
    label = _label if isinstance(lines, Job) else _label_of_many
    encoding = getattr(target, "encoding", None) or "utf-8"

    def text(event: LogEvent) -> str:
        message = fit_for_terminal(event.message, colours=keeps_colours)
        message = message.encode(encoding, "backslashreplace").decode(encoding)
        time = f"{event.timestamp.astimezone():%Y-%m-%d %H:%M:%S} " if timestamps else ""
        name = one_line(label(event))
        prefix = f"{time}{name} " if name else time
        return "".join(f"{prefix}{line}\n" for line in message.split("\n"))

    def write(text: str) -> None:
        target.write(text)
        target.flush()

    await _write_all(lines, text, write)


async def save_logs(lines: Lines, path: str | os.PathLike[str], *, timestamps: bool = False) -> int:
    """Write a job's log to a file as it arrives, unchanged.

    Lines that the container's log driver has split into several events are joined again. The file
    can be read while it grows; an existing file is replaced.

    Args:
        lines: A job, whose log is followed to its end; or log events, as `Job.logs` and
            `AsyncBatchClient.logs` yield them.
        path: The file.
        timestamps: Whether each line begins with its timestamp in local time and, for jobs with
            several parts, with the label of the part.

    Returns:
        The number of events.

    Raises:
        InvalidRequest: An argument has a wrong type.
        LogsUnavailable: The logs are not in CloudWatch Logs, or their group does not exist.
        ClientClosed: The client is not open, or was closed meanwhile.
        JobVanished: AWS no longer knows the job.
        APIError: AWS refuses to return the logs.
        OSError: The file cannot be written.

    Example:
        ```python
        job = await batch.submit("etl:3")
        await save_logs(job, "job.log")
        ```
    """
    _require_lines(lines)
    check.path("path", path)
    label = _label if isinstance(lines, Job) else _label_of_many

    def text(event: LogEvent) -> str:
        message = event.message.removesuffix("\r").removesuffix("\n")
        if not timestamps:
            return f"{message}\n"
        time = event.timestamp.astimezone().isoformat(timespec="milliseconds")
        return f"{' '.join(filter(None, (time, label(event), message)))}\n"

    def open_file() -> TextIOWrapper:
        # Binary output may contain lone surrogates; they are written as they are.
        return Path(path).open("w", encoding="utf-8", errors="surrogatepass", newline="")

    # Opening blocks as well: a named pipe until it has a reader.
    file = await acquire_in_thread(open_file, TextIOWrapper.close)
    # A write that blocks goes on in its thread after a cancellation; closing waits for it.
    in_use = threading.Lock()

    def write(text: str) -> None:
        with in_use:
            file.write(text)
            file.flush()

    def close() -> None:
        with in_use:
            file.close()

    try:
        count = await _write_all(lines, text, write)
        await anyio.to_thread.run_sync(close, abandon_on_cancel=True)
    except BaseException:
        await release_in_thread(close, seconds=_CLOSE_SECONDS)
        raise
    return count


def _require_lines(lines: object) -> None:
    if not isinstance(lines, Job | AsyncIterable):
        raise InvalidRequest(
            "lines", lines, "must be a Job, or log events, such as those of batch.logs([...])"
        )


def _label(event: LogEvent) -> str:
    return event.label


def _label_of_many(event: LogEvent) -> str:
    parent = event.job_id.partition(":")[0].partition("#")[0]
    return f"{parent[:_SHORT_ID]}{event.label}"


async def _write_all(
    lines: Lines, text: Callable[[LogEvent], str], write: Callable[[str], object]
) -> int:
    """Write all events, and return their number."""
    writer = _Writer(write)
    joiner = _PartJoiner()
    count = 0
    async with anyio.create_task_group() as group:
        group.start_soon(writer.run, group.cancel_scope)
        try:
            async for event in lines.logs() if isinstance(lines, Job) else lines:
                count += 1
                await writer.put(text(each) for each in joiner.add(event))
        except Exception as error:  # noqa: BLE001 - the task group would wrap it; raised below
            writer.errors.append(error)
        await writer.put(text(each) for each in joiner.flush())
        writer.end()
    if writer.errors:
        raise writer.errors[0]
    return count


class _Writer:
    """Writes texts in a thread, one call after the other.

    Attributes:
        errors: Errors of the writes; kept here because the task group would wrap them.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self.errors: list[Exception] = []
        self._write = write
        self._pending: list[str] = []
        self._is_ended = False
        self._arrived = anyio.Event()
        self._written = anyio.Event()

    async def put(self, texts: Iterable[str]) -> None:
        """Add texts, and wait for a write if too many are unwritten."""
        self._pending.extend(texts)
        self._arrived.set()
        if len(self._pending) > _MAX_UNWRITTEN:
            await self._written.wait()

    def end(self) -> None:
        """End `run` after the texts that are there."""
        self._is_ended = True
        self._arrived.set()

    async def run(self, scope: anyio.CancelScope) -> None:
        """Write until the end; cancel `scope` if a write fails."""
        while self._pending or not self._is_ended:
            if not self._pending:
                self._arrived = anyio.Event()
                await self._arrived.wait()
            text = "".join(self._pending)
            self._pending.clear()
            try:
                await anyio.to_thread.run_sync(self._write, text, abandon_on_cancel=True)
            except Exception as error:  # noqa: BLE001 - of any file object; raised by `_write_all`
                self.errors.append(error)
                scope.cancel()
            self._written.set()
            self._written = anyio.Event()


class _PartJoiner:
    """Joins lines that were split into several events.

    Nothing in an event says that it is a part. One of exactly `_PART_BYTES` is taken for one, and
    joined with the next event of its stream.
    """

    def __init__(self) -> None:
        self._incomplete: dict[tuple[str, str], list[LogEvent]] = {}

    def add(self, event: LogEvent) -> Iterator[LogEvent]:
        """Add an event, and yield the lines that are complete."""
        key = (event.job_id, event.stream)
        size = len(event.message.encode("utf-8", "surrogatepass"))
        parts = (
            self._incomplete.setdefault(key, [])
            if size == _PART_BYTES
            else self._incomplete.get(key)
        )
        if parts is None:
            yield event
            return
        parts.append(event)
        if size != _PART_BYTES or len(parts) * _PART_BYTES >= _MAX_LINE_BYTES:
            del self._incomplete[key]
            yield _join(parts)

    def flush(self) -> Iterator[LogEvent]:
        """Yield the lines that were never completed."""
        for parts in self._incomplete.values():
            yield _join(parts)
        self._incomplete.clear()


def _join(parts: list[LogEvent]) -> LogEvent:
    first = parts[0]
    if len(parts) == 1:
        return first
    return dataclasses.replace(first, message="".join(part.message for part in parts))
