"""What a person reads about errors, and the exit codes."""

import asyncio
import signal
from contextlib import suppress

import pytest

from asyncbatch import (
    AccessDenied,
    AsyncBatchError,
    ConnectionFailed,
    InternalError,
    InvalidRequest,
    JobDefinitionNotFound,
    JobQueueNotFound,
    JobVanished,
    JournalError,
    NoCredentials,
    NoRegion,
)
from asyncbatch._cli import exit_codes, running, stdout
from asyncbatch._cli.errors import UsageError, exit_code_of, message_of
from asyncbatch.local import Fault
from tests.cli.harness import Terminal
from tests.fixtures.bench import MakeBench

UNREACHABLE = ConnectionFailed("ListJobs", "EndpointConnectionError", "no", may_have_arrived=False)


@pytest.mark.parametrize(
    ("error", "code", "next_step"),
    [
        (UsageError("wrong. Do this."), 2, "Do this."),
        (InvalidRequest("queue", "a b", "no spaces"), 2, "--queue='a b': no spaces"),
        (InvalidRequest("region_name", "?", "a name"), 2, "--region='?': a name"),
        (JournalError("run.db", "is locked", "Wait."), 2, "Wait."),
        (JobQueueNotFound("ListJobs", "ClientException", "none"), 2, "`asyncbatch queues`"),
        (JobDefinitionNotFound("SubmitJob", "X", "none"), 2, "`asyncbatch definitions`"),
        (JobVanished("etl", ever_seen=True, grace=60.0), 1, "etl"),
        (NoRegion(), 3, "--region"),
        (NoCredentials("Unable to locate credentials"), 3, "--profile"),
        (AccessDenied("ListJobs", "AccessDeniedException", "no"), 3, "IAM"),
        (UNREACHABLE, 3, "--endpoint-url"),
        (InternalError("etl", ValueError("odd")), 70, "odd"),
        (ZeroDivisionError("1/0"), 70, "ASYNCBATCH_DEBUG=1"),
    ],
)
def test_error_is_a_message_with_a_next_step_and_an_exit_code(
    error: Exception, code: int, next_step: str
) -> None:
    assert exit_code_of(error) == code
    assert next_step in message_of(error)
    assert len(message_of(error).splitlines()) <= 2


def test_every_error_of_the_package_has_an_exit_code_of_its_own() -> None:
    """A new class of errors without one would count as a bug."""
    of_programs = {"ClientClosed", "GroupClosed", "InternalError"}  # a command causes none of them
    for kind in AsyncBatchError.__subclasses__():
        code = exit_code_of(kind.__new__(kind))
        assert (code == exit_codes.INTERNAL) == (kind.__name__ in of_programs), kind


def test_message_is_safe_for_terminals() -> None:
    assert "\x1b" not in message_of(ValueError("\x1b[31m"))
    assert "\x1b" not in message_of(UsageError("\x1b[31m"))


@pytest.mark.virtual_time
async def test_refused_call_is_one_line(bench: MakeBench, terminal: Terminal) -> None:
    async with bench() as opened:
        opened.local.faults.add("ListJobs", Fault.error("AccessDeniedException", "no", status=403))
        called = await terminal.call(opened, "ls", "--queue", "default")
    assert (called.code, called.out) == (3, "")
    assert called.err.startswith("asyncbatch: ListJobs: AccessDeniedException")
    assert called.err.count("\n") == 1


@pytest.mark.virtual_time
async def test_unexpected_error_is_two_lines_without_a_traceback(
    bench: MakeBench, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asyncbatch._cli import choosing

    monkeypatch.setattr(choosing, "find_jobs", None)
    async with bench() as opened:
        called = await terminal.call(opened, "ls")
    assert called.code == 70
    assert called.err.startswith("asyncbatch: internal error: TypeError")
    assert len(called.err.splitlines()) == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.may_block
def test_signal_stops_a_command_and_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], number: signal.Signals, code: int
) -> None:
    async def main() -> None:
        with running.message_when_stopped(lambda: "Go on: asyncbatch wait 7"):
            signal.raise_signal(number)
            await asyncio.Event().wait()

    before = signal.getsignal(number)
    try:
        assert running.run(main) == code
    finally:
        signal.signal(number, before)
    assert capsys.readouterr().err == "Go on: asyncbatch wait 7\n"


@pytest.mark.may_block
def test_signal_decides_the_exit_code_of_a_command_that_ends_well_after_it() -> None:
    async def main() -> None:
        signal.raise_signal(signal.SIGTERM)
        with suppress(asyncio.CancelledError):  # as textual does
            await asyncio.Event().wait()

    before = signal.getsignal(signal.SIGTERM)
    try:
        assert running.run(main) == 143
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.may_block
def test_failed_output_stops_a_command_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    class ClosedPipe:
        def write(self, text: str) -> int:
            raise BrokenPipeError

    guarded = stdout.GuardedStdout(ClosedPipe())  # type: ignore[arg-type] # as much as it needs
    monkeypatch.setattr("sys.stdout", guarded)

    async def main() -> None:
        with running.message_when_stopped(lambda: "not printed"):
            print("a line")  # noqa: T201 - any code may print
            print("another line, which is dropped")  # noqa: T201
            await asyncio.Event().wait()

    assert running.run(main) == exit_codes.CLOSED_PIPE


def test_error_of_one_of_several_tasks_is_reported_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def main() -> None:
        raise ExceptionGroup("tasks", [ExceptionGroup("inner", [UsageError("wrong. Do this.")])])

    assert running.run(main) == exit_codes.USAGE
    assert capsys.readouterr().err == "asyncbatch: wrong. Do this.\n"
