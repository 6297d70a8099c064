"""Ends a command in good order on a signal: what it opened is closed, no job is left."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

# SIGPIPE: whoever read the output has left, as in `asyncbatch demo | head`.
_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
_ENDED_BY_SIGNAL = 128


def run_until_signal(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a coroutine function to its end, or until Ctrl-C or another signal asks it to stop.

    The first signal cancels it, and its `async with` blocks close what they opened. A second one
    does not wait for that.

    Returns:
        Its exit code; 130 after SIGINT, 143 after SIGTERM, 141 when its reader has left.
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
