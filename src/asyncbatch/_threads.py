"""Resources that a thread acquires for a caller that may be cancelled meanwhile."""

import threading
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")

_RELEASE_SECONDS = 5.0
"""How long a cancelled caller waits for the release of what the thread acquired just before."""


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
            with anyio.move_on_after(_RELEASE_SECONDS, shield=True):
                await anyio.to_thread.run_sync(release, resource, abandon_on_cancel=True)
        raise
