"""Ends a command on a signal: closes what it has opened and leaves no job running."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

# SIGPIPE: the reader has closed the pipe, as in `asyncbatch demo | head`.
_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
# A shell reports 128 plus the signal number for a program that was ended by a signal.
_ENDED_BY_SIGNAL = 128


def run_until_signal(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a coroutine function until it returns or is stopped by Ctrl-C or another signal.

    The first signal cancels it, and its `async with` blocks close what they have opened. A second
    signal ends the process without waiting for that.

    Returns:
        The exit code of the coroutine function; 130 after SIGINT, 143 after SIGTERM, 141 after
        SIGPIPE.
    """
    received: list[signal.Signals] = []

    async def guarded() -> int:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()

        def stop(number: signal.Signals) -> None:
            received.append(number)
            for handled in _HANDLED:
                loop.remove_signal_handler(handled)
            if task is not None:
                task.cancel()

        for number in _HANDLED:
            loop.add_signal_handler(number, stop, number)
        return await main()

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        if not received:
            raise
    import typer

    if signal.SIGPIPE not in received:
        typer.echo(f"Stopped by {received[0].name}: no job was left running.", err=True)
    return _ENDED_BY_SIGNAL + received[0]
