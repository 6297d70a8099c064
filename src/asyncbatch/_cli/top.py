"""`asyncbatch top`: queues, jobs and logs on a full screen."""

import os
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from asyncbatch._cli import output
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.running import command


@command
async def top(
    connection: Connection,
    *,
    write: Annotated[
        bool,
        typer.Option("--write", help="Allow to terminate jobs and to run failed ones again."),
    ] = False,
) -> None:
    """Show queues, jobs and logs on a full screen.

    It reads at most twice per second, also with 10,000 jobs. Without --write it changes nothing.
    """
    if find_spec("textual") is None:
        raise UsageError("asyncbatch top needs textual: pip install 'textual>=8'")
    if not (output.is_terminal() and sys.stdin.isatty()):
        raise UsageError("asyncbatch top needs a terminal. `asyncbatch ls` prints jobs anywhere.")
    if os.environ.get("TERM") == "dumb":
        raise UsageError(
            "asyncbatch top needs a terminal with cursor movement (TERM=dumb has none)."
            " `asyncbatch ls` prints jobs anywhere."
        )
    from asyncbatch._cli.top_app import TopApp
    from asyncbatch._cli.top_board import RATES

    async with connection.open(limits=RATES) as batch:
        app = TopApp(batch, queue=connection.queue, may_write=write)
        await app.run_async()
    if app.failure is not None:
        raise app.failure
