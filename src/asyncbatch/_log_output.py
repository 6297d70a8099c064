"""Logs on a terminal and in files: `print_logs` and `save_logs`.

Writing may take its time, so it happens in a thread; what comes meanwhile is written together. A
reader that is too far ahead waits.
"""

import dataclasses
import os
import sys
from collections.abc import AsyncIterable, Callable, Iterator
from pathlib import Path
from typing import TextIO

import anyio
import anyio.to_thread

from asyncbatch._job import Job
from asyncbatch._results import LogEvent
from asyncbatch._text import fit_for_terminal

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


def _label(event: LogEvent) -> str:
    return event.label


def _label_of_many(event: LogEvent) -> str:
    parent = event.job_id.partition(":")[0].partition("#")[0]
    return f"{parent[:_SHORT_ID]}{event.label}"


async def _write_all(
    lines: Lines, text: Callable[[LogEvent], str], write: Callable[[str], object]
) -> int:
    """Write all events, and return how many there were."""
    events = lines.logs() if isinstance(lines, Job) else lines
    pending: list[str] = []
    joined = _Joined()
    problems: list[Exception] = []
    arrived, written, is_over = anyio.Event(), anyio.Event(), False
    count = 0

    async def work() -> None:
        nonlocal arrived, written
        while pending or not is_over:
            if not pending:
                arrived = anyio.Event()
                await arrived.wait()
            words = "".join(pending)
            pending.clear()
            try:
                await anyio.to_thread.run_sync(write, words)
            except (OSError, ValueError) as error:  # out of the group, which would wrap it
                problems.append(error)
                group.cancel_scope.cancel()
            written.set()
            written = anyio.Event()

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        try:
            async for event in events:
                count += 1
                pending.extend(text(each) for each in joined.take(event))
                arrived.set()
                if len(pending) > _AHEAD:
                    await written.wait()
        except Exception as error:  # noqa: BLE001 - as above; raised below, after what came before
            problems.append(error)
        pending.extend(text(each) for each in joined.rest())
        is_over = True
        arrived.set()
    if problems:
        raise problems[0]
    return count


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
