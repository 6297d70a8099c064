"""SIGTERM for asyncio programs: cancels the task, as `asyncio.run` does for SIGINT."""

from collections.abc import Iterator
from contextlib import contextmanager

# A shell reports 128 plus the signal number for a program that was ended by a signal.
_ENDED_BY_SIGNAL = 128


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Cancel the block on SIGTERM, as `asyncio.run` cancels its coroutine on Ctrl-C.

    Cancellation lets ``async with`` blocks close what they have opened: a client logs how to resume
    the jobs that are still running, and a group terminates its jobs. By default, SIGTERM, which
    supervisors, containers and ``kill`` send, ends a program without that. Within this block,
    SIGTERM cancels the current task. When its cleanup has finished, the program exits with code 143
    (`SystemExit`). A second SIGTERM ends the program immediately. When the block exits, the default
    action of SIGTERM is restored.

    Use it inside the coroutine that is passed to `asyncio.run`, around everything to be closed.

    Raises:
        RuntimeError: The caller is not a task in the main thread, no event loop is running, or
            SIGTERM already has a handler.

    Example:
        ```python
        with stop_on_sigterm():
            async with AsyncBatchClient() as batch:
                await batch.run(JobRequest("etl") for _ in range(3))
        ```
    """
    import asyncio
    import signal
    import threading

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if threading.current_thread() is not threading.main_thread() or task is None:
        raise RuntimeError(
            "stop_on_sigterm() must be used by a task in the main thread, which receives signals"
        )
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        raise RuntimeError(
            "SIGTERM already has a handler: cancel the task in that handler instead of using "
            "stop_on_sigterm()"
        )
    received = False

    def stop() -> None:
        nonlocal received
        received = True
        # A second SIGTERM has its default action: it does not wait for cleanup.
        loop.remove_signal_handler(signal.SIGTERM)
        task.cancel("SIGTERM")

    loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        yield
    except asyncio.CancelledError:
        # Another cancellation, from outside, takes precedence over the exit code.
        if not received or task.uncancel() > 0:
            raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    if received:
        raise SystemExit(_ENDED_BY_SIGNAL + signal.SIGTERM)
