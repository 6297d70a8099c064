"""SIGTERM for asyncio programs, as `asyncio.run` has it for SIGINT: it cancels the main task."""

from collections.abc import Iterator
from contextlib import contextmanager

_ENDED_BY_SIGNAL = 128


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Let SIGTERM cancel the block, as Ctrl-C cancels what `asyncio.run` runs.

    `asyncio.run` turns Ctrl-C into a cancellation, so that ``async with`` blocks close what they
    opened: a client says how to pick up the jobs that run on, a group terminates its jobs. SIGTERM,
    which supervisors, containers and ``kill`` send, ends a program at once instead. Within this
    block it cancels the task that is in it, and when that has come to its end, the program ends
    with exit code 143 (`SystemExit`). A second SIGTERM ends it at once. After the block, SIGTERM is
    what it was.

    Use it inside the coroutine that `asyncio.run` runs, around everything that is to be closed.

    Raises:
        RuntimeError: This is not the main thread, no event loop runs here, or something else
            handles SIGTERM already: it is not taken away from it.

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
        raise RuntimeError("signals come to the main thread: use stop_on_sigterm() in a task there")
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        raise RuntimeError(
            "something else handles SIGTERM already: have that cancel your task instead of using "
            "stop_on_sigterm()"
        )
    has_come = False

    def stop() -> None:
        nonlocal has_come
        has_come = True
        loop.remove_signal_handler(signal.SIGTERM)  # the next one does not wait for any cleanup
        task.cancel("SIGTERM")

    loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        yield
    except asyncio.CancelledError:
        if not has_come or task.uncancel() > 0:
            raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    if has_come:
        raise SystemExit(_ENDED_BY_SIGNAL + signal.SIGTERM)
