"""An event loop for a thread that runs a task, as the main thread of Luigi's workers has one.

There, ``asyncio.get_event_loop()`` returns an event loop. In other threads it raises, unless one
was set. An event loop uses three file descriptors, and there may be thousands of these threads, so
each gets one that is only created when it is used.
"""

import asyncio
import contextlib
from collections.abc import Iterator


class _LazyEventLoop(asyncio.SelectorEventLoop):
    """An event loop that is created when the first of its attributes is used."""

    def __init__(self) -> None:  # pylint: disable=super-init-not-called
        """Create nothing yet."""

    def __getattr__(self, name: str) -> object:
        """Create the event loop; called for an attribute that does not exist."""
        if self.is_created:
            raise AttributeError(name)
        super().__init__()
        return getattr(self, name)

    @property
    def is_created(self) -> bool:
        """Whether the event loop was used."""
        return bool(vars(self))

    def __del__(self) -> None:
        """Warn if it was not closed, unless it was never created."""
        if self.is_created:
            super().__del__()


@contextlib.contextmanager
def thread_event_loop() -> Iterator[None]:
    """Set an event loop for this thread while the block runs."""
    loop = _LazyEventLoop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        if loop.is_created:
            loop.close()
