"""Makes a command of a coroutine function: options, signals, errors and the exit code.

The function is the command: its parameters are the options. A parameter whose type is a dataclass
is a group of options, one for each field, so that several commands share them:

    @command
    async def ls(jobs: ChosenJobs, connection: Connection, as_json: AsJson = False) -> int:
        ...

A command returns its exit code, or None for 0. The first signal cancels it, so that its `async
with` blocks close what they have opened; a second signal ends the process at once.
"""

import asyncio
import dataclasses
import functools
import inspect
import logging
import os
import signal
import sys
import traceback
import typing
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, ParamSpec, cast

import typer

from asyncbatch._cli import exit_codes
from asyncbatch._cli.stdout import GuardedStdout, current
from asyncbatch._values.text import fit_for_terminal

P = ParamSpec("P")

_HANDLED = (signal.SIGINT, signal.SIGTERM)


def command(function: Callable[P, Coroutine[Any, Any, int | None]]) -> Callable[P, None]:
    """Return a coroutine function as a function that typer can register as a command."""
    hints = typing.get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    groups = {name: kind for name, kind in hints.items() if dataclasses.is_dataclass(kind)}

    @functools.wraps(function)
    def run_command(*args: P.args, **options: P.kwargs) -> None:
        arguments = cast("Any", with_groups(groups, options))
        raise typer.Exit(run(lambda: cast("Any", function)(*args, **arguments)))

    # What is special to the command comes first in its help, shared groups after that.
    own_first = sorted(signature.parameters.values(), key=lambda each: each.name in groups)
    parameters = [each for own in own_first for each in _options(own, hints[own.name])]
    run_command.__dict__["__signature__"] = signature.replace(
        parameters=parameters, return_annotation=None
    )
    run_command.__annotations__ = {each.name: each.annotation for each in parameters}
    return run_command


def with_groups(groups: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a command: values of options, those of a group in its dataclass."""
    arguments = dict(options)
    for name, kind in groups.items():
        fields = [field.name for field in dataclasses.fields(kind)]
        arguments[name] = kind(**{field: arguments.pop(field) for field in fields})
    return arguments


def _options(parameter: inspect.Parameter, hint: Any) -> Iterator[inspect.Parameter]:  # noqa: ANN401 - any annotation
    """Yield the options that a parameter stands for, all of them by keyword."""
    if not dataclasses.is_dataclass(hint):
        yield parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hint)
        return
    hints = typing.get_type_hints(hint, include_extras=True)
    for field in dataclasses.fields(hint):
        has_default = field.default is not dataclasses.MISSING
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default if has_default else inspect.Parameter.empty,
            annotation=hints[field.name],
        )


def run(main: Callable[[], Coroutine[Any, Any, int | None]]) -> int:
    """Run a coroutine function to its end, an error, or a signal, and return the exit code."""
    stdout = current()
    received: list[signal.Signals] = []
    try:
        with warnings_shown():
            code = asyncio.run(_until_signal(main, stdout, received))
    except asyncio.CancelledError:
        if not received and stdout.failure is None:
            raise
        return exit_codes.SIGNAL + received[0] if received else stdout.exit_code
    except Exception as error:  # noqa: BLE001 - whatever it is, a person reads one line
        return report(error)
    if code is None and received:  # `asyncbatch top` ends by itself when it is cancelled
        return exit_codes.SIGNAL + received[0]
    return exit_codes.SUCCEEDED if code is None else code


async def _until_signal(
    main: Callable[[], Coroutine[Any, Any, int | None]],
    stdout: GuardedStdout,
    received: list[signal.Signals],
) -> int | None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - for type checkers: this is a coroutine of a task

    def stop(number: signal.Signals) -> None:
        received.append(number)
        for handled in _HANDLED:
            loop.remove_signal_handler(handled)
            signal.signal(handled, signal.SIG_DFL)
        task.cancel()

    for number in _HANDLED:
        with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
            loop.add_signal_handler(number, stop, number)
    stdout.on_failure = lambda: loop.call_soon_threadsafe(task.cancel)
    try:
        return await raise_first(main)
    finally:
        stdout.on_failure = lambda: None


async def raise_first(main: Callable[[], Coroutine[Any, Any, int | None]]) -> int | None:
    """Await a coroutine function; of an ExceptionGroup, raise the first error itself."""
    try:
        return await main()
    except ExceptionGroup as group:
        # One task of the command failed; the others were cancelled.
        raise _first(group) from None


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


@contextmanager
def message_when_stopped(message: Callable[[], str]) -> Iterator[None]:
    """Print how to go on if a signal stops the block.

    Args:
        message: Returns the message; called when the block is stopped. Empty prints nothing.
    """
    try:
        yield
    except asyncio.CancelledError:
        if current().failure is None and (text := message()):
            note(text)
        raise


def report(error: Exception) -> int:
    """Print the message of an error, and return its exit code."""
    from asyncbatch._cli.errors import exit_code_of, message_of

    code = exit_code_of(error)
    if os.environ.get("ASYNCBATCH_DEBUG"):
        traceback.print_exception(error)
    note(f"asyncbatch: {message_of(error)}")
    return code


def note(text: str) -> None:
    """Print a line to standard error, which may be closed.

    It is not wrapped: messages have commands to copy, and addresses.
    """
    with suppress(OSError):
        typer.echo(text, err=True)


@contextmanager
def warnings_shown() -> Iterator[None]:
    """Print warnings of the library to standard error, like other messages of the command."""
    logger = logging.getLogger("asyncbatch")
    handler, propagate = _Warnings(logging.WARNING), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        text = fit_for_terminal(record.getMessage())
        for call, command in _AS_COMMANDS.items():
            text = text.replace(call, command)
        note(f"asyncbatch: {text}")


_AS_COMMANDS = {"`await batch.cancel(jobs)`": "`asyncbatch cancel JOB`"}
"""Calls of the library that its warnings name, as commands."""


async def ask(question: str) -> bool:
    """Ask on standard error, and return whether the answer is yes; no is the default.

    It waits on the event loop, so that Ctrl-C is noticed.
    """
    with suppress(OSError):
        typer.echo(f"{question} [y/N] ", err=True, nl=False)
    await wait_for_answer()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


async def wait_for_answer() -> None:
    """Wait until a line can be read from standard input."""
    import anyio

    if os.name == "posix":
        await anyio.wait_readable(sys.stdin)


def is_terminal() -> bool:
    """Return whether a person can answer a question: both streams are terminals."""
    return sys.stdin.isatty() and sys.stderr.isatty()
