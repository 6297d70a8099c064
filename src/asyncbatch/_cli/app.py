"""The table of commands, and the group that imports a command when it is used.

Wrong options and arguments are reported in one line, as all other errors are.

A new command is a row of `COMMANDS`, and a function of the same name in the module of the row; see
"How a command is made" in CONTRIBUTING.md. A test compares the line of help with the first line of
the function's docstring.
"""

import importlib
import itertools
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, cast

import typer
from typer.core import TyperCommand, TyperGroup

from asyncbatch._cli import help as help_texts
from asyncbatch._cli.exit_codes import SUCCEEDED

_UsageError = cast("type[Exception]", typer.BadParameter.__mro__[1])
"""click's class of wrong options and arguments, which typer has had in two places."""


@dataclass(frozen=True, slots=True)
class Row:
    """A command.

    Attributes:
        section: Heading under which the help lists it.
        name: Name of the command; its function has the same name, with underscores.
        module: Module of the function, in `asyncbatch._cli`.
        help: What the command does, in one line.
    """

    section: str
    name: str
    module: str
    help: str


_RUN = "Run jobs"
_SEE, _END = "See jobs", "End jobs"
_ACCOUNT, _LOCAL = "See the account", "Without AWS"

COMMANDS = (
    Row(_RUN, "submit", "submit", "Submit a job."),
    Row(_RUN, "run", "run", "Submit the jobs of a file, and wait until all have ended."),
    Row(_RUN, "resume", "resume", "Follow the jobs of a journal until all have ended."),
    Row(_RUN, "rerun", "rerun", "Submit failed jobs again."),
    Row(
        *(_RUN, "report", "report"),
        "Write a report of a run: timeline, failures, hours and cost.",
    ),
    Row(_SEE, "ls", "ls", "List jobs of a queue, the newest first."),
    Row(_SEE, "show", "show", "Show everything about jobs: attempts, containers, links, reasons."),
    Row(_SEE, "explain", "explain", "Explain why jobs wait or failed, and what to do."),
    Row(_SEE, "logs", "logs", "Print the logs of jobs, and follow them with -f."),
    Row(_SEE, "watch", "watch", "Watch jobs or a queue live: counts, throughput, failures."),
    Row(_SEE, "top", "top", "Show queues, jobs and logs on a full screen."),
    Row(_SEE, "wait", "wait", "Wait until jobs have ended; the exit code reports the outcome."),
    Row(_END, "cancel", "ending", "Cancel jobs that have not started."),
    Row(_END, "terminate", "ending", "Terminate jobs, whether they run or wait."),
    Row(_ACCOUNT, "queues", "queues", "Show job queues: state, depth, front, where jobs run."),
    Row(_ACCOUNT, "definitions", "definitions", "List job definitions, newest revisions only."),
    Row(
        *(_ACCOUNT, "doctor", "doctor"),
        "Check credentials, permissions, queues and versions, and say how to fix them.",
    ),
    Row(_LOCAL, "local", "local", "Serve a local AWS Batch, or run a command in one."),
    Row(_LOCAL, "demo", "demo", "Run 46 small jobs on this machine and follow them."),
)
"""All commands, in the order of the help."""


class _Commands(MutableMapping[str, Any]):
    """The commands by name; each is imported when it is looked up."""

    def __init__(self) -> None:
        self._rows = {row.name: row for row in COMMANDS}
        self._built: dict[str, TyperCommand] = {}

    def __getitem__(self, name: str) -> TyperCommand:
        if name not in self._built:
            self._built[name] = _built(self._rows[name])
        return self._built[name]

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __setitem__(self, name: str, command: TyperCommand) -> None:
        raise TypeError("commands are rows of COMMANDS")

    def __delitem__(self, name: str) -> None:
        raise TypeError("commands are rows of COMMANDS")


def _built(row: Row) -> TyperCommand:
    module = importlib.import_module(f"asyncbatch._cli.{row.module}")
    single = _typer()
    single.command(row.name, cls=_Command)(getattr(module, row.name.replace("-", "_")))
    command = typer.main.get_command(single)
    assert isinstance(command, TyperCommand)  # noqa: S101 - for type checkers
    return command


class _Formatter(Protocol):
    """What this module needs of click's HelpFormatter, which typer has had in two places."""

    def section(self, name: str) -> AbstractContextManager[None]: ...

    def write_dl(self, rows: list[tuple[str, str]]) -> None: ...


class _Command(TyperCommand):
    """A command whose help names values by their metavars alone."""

    def collect_usage_pieces(self, ctx: object) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return what follows the name of the command."""
        return [help_texts.usage_of(self)]

    def format_options(self, ctx: object, formatter: _Formatter) -> None:  # noqa: ARG002 - typer's signature
        """Write the arguments and the options."""
        options = [*help_texts.options_of(self), ("-h, --help", "Show this message and exit.")]
        for section, rows in (
            ("Arguments", [*help_texts.arguments_of(self)]),
            ("Options", options),
        ):
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)


class LazyGroup(TyperGroup):
    """The command itself: lists its commands from the table, without importing them."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - typer's own arguments
        super().__init__(**settings)
        self.commands = _Commands()

    def format_commands(self, ctx: object, formatter: _Formatter) -> None:  # noqa: ARG002 - typer's signature
        """Write the commands by section."""
        for section, rows in itertools.groupby(COMMANDS, key=lambda row: row.section):
            with formatter.section(section):
                formatter.write_dl([(row.name, row.help) for row in rows])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - as above
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002 - as above
        **extra: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        """Run the command; without arguments, show the help.

        Raises:
            SystemExit: It has ended, unless `standalone_mode` is False.
        """
        given = list(sys.argv[1:] if args is None else args) or ["--help"]
        settings = {"windows_expand_args": windows_expand_args, **extra}
        try:
            code = super().main(given, prog_name, complete_var, False, **settings)  # noqa: FBT003 - raises errors
        except _UsageError as error:
            if not standalone_mode:
                raise
            sys.exit(_reported(error))
        if not standalone_mode:
            return code
        sys.exit(SUCCEEDED if code is None else code)


def _reported(error: Any) -> int:  # noqa: ANN401 - click's class, as above
    """Print a line about wrong options or arguments, and return the exit code."""
    from asyncbatch._values.text import one_line

    command = error.ctx.command_path if error.ctx is not None else "asyncbatch"
    message = one_line(error.format_message()).rstrip(".")
    typer.echo(f"asyncbatch: {message}. See `{command} --help`.", err=True)
    return int(error.exit_code)


def _typer(**settings: Any) -> typer.Typer:  # noqa: ANN401 - typer's own arguments
    return typer.Typer(
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help: faster, and paragraphs are wrapped
        **{"add_completion": False, **settings},
    )


app = _typer(
    help="See, steer and explain jobs of AWS Batch.",
    cls=LazyGroup,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - the signature of typer's callbacks
    if wanted:
        from importlib.metadata import version

        typer.echo(f"asyncbatch {version('asyncbatch')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Declare the options of the command itself."""
