"""Runs commands in this process, on the event loop and against the local engine of a test.

`Terminal.call` parses the arguments as the program does and awaits the command's coroutine, so that
thousands of polls take milliseconds on a virtual loop, and output is the same in every run: ids
have a seed, and times are those of the loop.

Golden files are in `tests/cli/golden/`. `ASYNCBATCH_GOLDEN=write pytest tests/cli` writes them;
read the difference before you commit it.
"""

import asyncio
import io
import os
import re
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from asyncbatch import AsyncBatchClient, JobDefaults
from asyncbatch._cli import connecting, exit_codes, output, running, stdout
from asyncbatch._cli.app import app
from asyncbatch._cli.connecting import Connection
from tests.fixtures.bench import Bench

GOLDEN = Path(__file__).parent / "golden"
EPOCH = 946_684_800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


class Screen(io.StringIO):
    """A terminal, as far as a program can tell."""

    def isatty(self) -> bool:
        return True


class Terminal:
    """Calls commands.

    Args:
        monkeypatch: Replaces what a command takes from its process.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._scope: anyio.CancelScope | None = None
        for name in ("ASYNCBATCH_QUEUE", "NO_COLOR", "COLUMNS", "ASYNCBATCH_DEBUG"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("TZ", "UTC")

    async def call(
        self,
        bench: Bench,
        *arguments: str,
        columns: int | None = None,
        answer: str | None = None,
        piped: str = "",
        err_is_terminal: bool = False,
    ) -> Called:
        """Call a command, and return what it printed; cancelling it is Ctrl-C.

        Args:
            bench: Has the engine that the command connects to.
            arguments: The arguments, as in a shell.
            columns: Width of the terminal; None writes to a pipe.
            answer: What a person types where the command asks; None is no terminal.
            piped: Standard input, where that is no terminal.
            err_is_terminal: Whether standard error is one.
        """
        with self._monkeypatch.context() as patch:
            out = io.StringIO() if columns is None else Screen()
            err = Screen() if err_is_terminal else io.StringIO()
            pipe = io.TextIOWrapper(io.BytesIO(piped.encode()))
            source = pipe if answer is None else Screen(f"{answer}\n")
            patch.setattr(sys, "stdout", stdout.GuardedStdout(out))
            patch.setattr(sys, "stderr", err)
            patch.setattr(sys, "stdin", source)
            patch.setattr(running, "is_terminal", lambda: answer is not None)
            patch.setattr(running, "wait_for_answer", anyio.lowlevel.checkpoint)
            if columns is not None:
                patch.setenv("COLUMNS", str(columns))
            patch.setattr(output, "now", _now)
            patch.setattr(connecting, "new_client", _client_of(bench))
            code = await self._run(patch, arguments)
            return Called(code=code, out=out.getvalue(), err=err.getvalue())

    async def _run(self, patch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> int:
        started: list[Callable[[], Coroutine[Any, Any, int | None]]] = []

        def run(main: Callable[[], Coroutine[Any, Any, int | None]]) -> int:
            started.append(main)
            return 0

        patch.setattr(running, "run", run)
        try:
            app(list(arguments), prog_name="asyncbatch")
        except SystemExit as end:
            if not started:
                return int(end.code or 0)
        try:
            with anyio.CancelScope() as self._scope:
                return await running.raise_first(started[0]) or 0
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
            return exit_codes.INTERRUPTED  # as `running.run` after SIGINT
        except Exception as error:  # noqa: BLE001 - as `running.run` does
            return running.report(error)
        return exit_codes.INTERRUPTED

    def interrupt(self) -> None:
        """Stop the command that runs in another task, as Ctrl-C does."""
        assert self._scope is not None
        self._scope.cancel()


def _client_of(bench: Bench) -> Callable[[Connection, dict[str, Any]], AsyncBatchClient]:
    def new_client(connection: Connection, settings: dict[str, Any]) -> AsyncBatchClient:
        if connection.queue is not None:
            settings = {"defaults": JobDefaults(queue=connection.queue), **settings}
        return AsyncBatchClient(session=bench.local.session, **settings)

    return new_client


def _now() -> datetime:
    """Return the time of the event loop, which is the same in every run."""
    loop = asyncio.get_running_loop()
    return datetime.fromtimestamp(getattr(loop, "epoch", EPOCH) + loop.time(), UTC)


def golden(name: str, text: str) -> None:
    """Compare text with a golden file, or write it; marks of submissions are random."""
    text = re.sub(r'(asyncbatch-submission(?:=|": "))[0-9a-f]+', r"\1MARK", text)
    path = GOLDEN / name
    if os.environ.get("ASYNCBATCH_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"differs from {path}"
