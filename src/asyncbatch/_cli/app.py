"""The commands and their options. What a command does is imported when it runs: help is quick."""

import os
from typing import Annotated

import typer

app = typer.Typer(
    help="An async-first AWS Batch client for Python.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: quicker, and paragraphs are filled
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer's way to call it
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
    """Take the options of the command itself."""


@app.command()
def demo() -> None:
    """Run 46 small jobs on this machine and follow them.

    Needs neither an AWS account nor the network, and takes about ten seconds. One of the jobs
    fails on purpose, to show how that is explained; the exit code is 0 all the same.
    """
    if os.name != "posix":
        typer.echo("asyncbatch demo needs Linux or macOS: its jobs are `sh` commands.", err=True)
        raise typer.Exit(1)
    from asyncbatch._cli.signals import run_until_signal

    raise typer.Exit(run_until_signal(_demo))


async def _demo() -> int:
    from asyncbatch._cli.demo import run_demo

    return await run_demo()
