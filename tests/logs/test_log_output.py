"""Logs on terminals and in files."""

import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from asyncbatch import (
    InvalidRequest,
    JobRequest,
    LogEvent,
    LogsUnavailable,
    print_logs,
    save_logs,
)
from asyncbatch.local import Script
from tests.fixtures.bench import MakeBench
from tests.logs.jobs import chatty, define, submit

pytestmark = pytest.mark.virtual_time

RED = "\x1b[31m"
PART = "x" * 16_384  # where Docker splits a longer line


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


class Narrow(io.StringIO):
    """A stream that encodes ASCII only."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "ascii"


def event(message: str, *, stream: str = "s", job_id: str = "job") -> LogEvent:
    moment = datetime(2024, 1, 15, 10, tzinfo=UTC)
    return LogEvent(timestamp=moment, message=message, job_id=job_id, attempt=1, stream=stream)


async def lines(*events: LogEvent) -> AsyncIterator[LogEvent]:
    for one in events:
        yield one


async def printed(*events: LogEvent, file: io.StringIO | None = None) -> str:
    target = file or io.StringIO()
    await print_logs(lines(*events), file=target, timestamps=False)
    return target.getvalue()


async def test_print_logs_prints_local_times(bench: MakeBench) -> None:
    target = io.StringIO()
    async with bench(Script(duration=3, lines=[(0, "a"), (1, "b")])) as b:
        job = await b.batch.submit("hello")
        await print_logs(job, file=target)
        events = [event async for event in job.logs(follow=False)]
    times = [f"{e.timestamp.astimezone():%Y-%m-%d %H:%M:%S}" for e in events]
    assert target.getvalue() == f"{times[0]} a\n{times[1]} b\n"


async def test_print_logs_keeps_colours_on_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert await printed(event(f"{RED}a")) == "job a\n"
    assert await printed(event(f"{RED}a"), file=Terminal()) == f"job {RED}a\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert await printed(event(f"{RED}a"), file=Terminal()) == "job a\n"


async def test_print_logs_escapes_characters_that_the_encoding_lacks() -> None:
    assert await printed(event("größe"), file=Narrow()) == "job gr\\xf6\\xdfe\n"


async def test_print_logs_labels_each_line_of_an_event() -> None:
    one = event("a\nb", job_id="0123456789-abc:7")
    assert await printed(one) == "01234567[7] a\n01234567[7] b\n"


async def test_print_logs_joins_split_lines() -> None:
    parts = [event(PART), event("other", stream="t"), event(PART), event("end")]
    assert await printed(*parts) == f"job other\njob {PART}{PART}end\n"
    assert await printed(event(PART)) == f"job {PART}\n"


async def test_print_logs_joins_at_most_one_megabyte() -> None:
    text = await printed(*[event(PART)] * 130)
    assert max(map(len, text.splitlines())) <= 1_048_576 + len("job ")
    assert text.count("x") == 130 * len(PART)


async def test_print_logs_prints_the_largest_event_whole() -> None:
    assert await printed(event("y" * 1_048_550)) == f"job {'y' * 1_048_550}\n"


async def test_save_logs_writes_messages_unchanged(bench: MakeBench, tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    async with bench(Script(duration=3, lines=[(0, f"{RED}a\x07"), (1, "größe\r")])) as b:
        job = await b.batch.submit("hello")
        assert await save_logs(job, path) == 2
    assert path.read_bytes() == f"{RED}a\x07\ngröße\n".encode()


async def test_save_logs_writes_invalid_characters(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    assert await save_logs(lines(event("\ud800\x00\ufffd")), path) == 1
    assert path.read_bytes() == b"\xed\xa0\x80\x00\xef\xbf\xbd\n"


async def test_save_logs_with_timestamps_writes_times_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "jobs.log"
    await save_logs(lines(event("a", job_id="0123456789:3")), path, timestamps=True)
    assert re.fullmatch(
        r"2024-01-1\dT\d\d:\d\d:00\.000[+-]\d\d:\d\d 01234567\[3\] a\n", path.read_text()
    )


async def test_save_logs_writes_the_logs_of_many_jobs(bench: MakeBench, tmp_path: Path) -> None:
    async with bench(chatty) as b:
        jobs = await submit(b, 12)
        count = await save_logs(b.batch.logs(jobs), tmp_path / "jobs.log")
    found = (tmp_path / "jobs.log").read_text().splitlines()
    assert len(found) == len(set(found)) == count == 12 * 40


async def test_save_logs_writes_the_lines_before_an_error(bench: MakeBench, tmp_path: Path) -> None:
    async with bench(Script(duration=2, lines=[(0, "a")])) as b:
        await define(b, "splunked", {"logDriver": "splunk"})
        jobs = await b.batch.submit_many([JobRequest("splunked"), JobRequest("hello")])
        with pytest.raises(LogsUnavailable):
            await save_logs(b.batch.logs(jobs), tmp_path / "jobs.log")
    assert (tmp_path / "jobs.log").read_text() == "a\n"


async def test_write_error_is_raised(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        await save_logs(lines(event("a")), tmp_path)
    closed = io.StringIO()
    closed.close()
    with pytest.raises(ValueError, match="closed file"):
        await print_logs(lines(event("a"), event("b")), file=closed)


async def test_wrong_argument_types_are_invalid_requests(
    bench: MakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with bench() as b:
        job: Any = await b.batch.submit("hello")
        jobs: Any = [job]
        for use, said in (
            (
                print_logs(jobs),
                r"lines=\[.*: must be a Job, or log events, such as those of batch\.logs",
            ),
            (print_logs(job.id), "lines='.*': must be a Job"),
            (save_logs(None, "x.log"), "lines=None: must be a Job"),  # type: ignore[arg-type]
            (save_logs("x.log", job), "lines='x.log': must be a Job"),  # type: ignore[arg-type]
            (save_logs(job, ""), "path='': must be the path of a file"),
            (save_logs(job, job), "path=<Job .*: must be the path of a file"),
        ):
            with pytest.raises(InvalidRequest, match=said):
                await use
    assert [path async for path in anyio.Path(tmp_path).iterdir()] == []
