"""Resources that a thread acquires for a caller that may be cancelled meanwhile."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")


async def acquire_in_thread(acquire: Callable[[], T], release: Callable[[T], object]) -> T:
    """Call a function that acquires a resource in a thread, and return the resource.

    A caller that is cancelled does not wait for the function. A resource that does not reach its
    caller is released in a thread: it would leak otherwise, and a file would stay open.

    Args:
        acquire: Acquires the resource; may block.
        release: Releases it; may block, too.
    """
    lock = threading.Lock()
    undelivered: list[T] = []
    is_abandoned = False

    def work() -> T:
        resource = acquire()
        with lock:
            is_late = is_abandoned
            if not is_late:
                undelivered.append(resource)
        if is_late:
            release(resource)
        return resource

    try:
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    except BaseException:
        with lock:
            is_abandoned = True
        # A cancellation may arrive between the end of the function and the return of its result.
        for resource in undelivered:
            await release_in_thread(partial(release, resource))
        raise


async def release_in_thread(release: Callable[[], object], *, seconds: float = 5.0) -> None:
    """Call a function that releases a resource in a thread, whatever is cancelled meanwhile.

    Unlike `anyio.to_thread.run_sync`, which drops a call that it has not started when the caller
    is cancelled, the thread calls the function in any case. An error of it is dropped: the caller
    already has one, or was cancelled.

    Args:
        release: Releases the resource; may block.
        seconds: How long to wait for its end; the thread goes on after that.
    """

    def work() -> None:
        with suppress(OSError):
            release()

    thread = threading.Thread(target=work, name="asyncbatch release", daemon=True)
    thread.start()
    with anyio.move_on_after(seconds, shield=True):
        await anyio.to_thread.run_sync(thread.join, abandon_on_cancel=True)
