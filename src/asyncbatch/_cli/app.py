"""The commands and their options.

The implementation of a command is imported when the command runs, so that `--help` is fast.
"""

import os
from typing import Annotated

import typer

app = typer.Typer(
    help="An async-first AWS Batch client for Python.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: faster, and paragraphs are wrapped
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


@app.command()
def demo() -> None:
    """Run 46 small jobs on this machine and follow them.

    Takes about ten seconds and needs neither an AWS account nor network access. One job fails on
    purpose, to show how failures are reported; the exit code is still 0.
    """
    if os.name != "posix":
        typer.echo("asyncbatch demo requires Linux or macOS: its jobs are `sh` commands.", err=True)
        raise typer.Exit(1)
    from asyncbatch._cli.signals import run_until_signal

    raise typer.Exit(run_until_signal(_demo))


async def _demo() -> int:
    from asyncbatch._cli.demo import run_demo

    return await run_demo()
