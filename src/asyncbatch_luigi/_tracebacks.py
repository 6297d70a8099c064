"""Tracebacks that show the user's code, and not how this package calls it.

A job that FAILED, a job queue that does not exist: such an expected error says itself what is
wrong. Luigi logs it with its traceback, and the frames of this package, of threads and of the event
loop would be thirty lines of it.
"""

import itertools
import types
from collections.abc import Iterator

from asyncbatch import AsyncBatchError, InternalError

# Packages whose frames are hidden in the traceback of an expected error, and in that of all errors
# as long as no other code has been called.
_EXPECTED = ("asyncbatch", "asyncbatch_luigi", "asyncio", "concurrent.futures", "anyio")
_CALLERS = ("asyncbatch_luigi.worker", "asyncio", "concurrent.futures")


def trim(error: BaseException) -> None:
    """Remove frames from the traceback of an error that a task has raised.

    An expected error keeps the frames of the user's code only, and no cause: its message contains
    what the SDK said. All other errors, which may be bugs of the user or of this package, lose only
    the frames of the worker that called the task.
    """
    frames = list(_frames(error.__traceback__))
    if is_expected(error):
        error.__suppress_context__ = True
        error.__cause__ = None
        kept = [frame for frame in frames if not _is_of(frame, _EXPECTED)]
    else:
        called = itertools.dropwhile(lambda frame: _is_of(frame, _CALLERS), frames)
        kept = list(called) or frames
    error.__traceback__ = _linked(kept)


def is_expected(error: BaseException) -> bool:
    """Return whether an error is one of those that the documentation lists for a task."""
    return isinstance(error, AsyncBatchError) and not isinstance(error, InternalError)


def _frames(traceback: types.TracebackType | None) -> Iterator[types.TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _is_of(frame: types.TracebackType, packages: tuple[str, ...]) -> bool:
    """Return whether the code of a frame belongs to one of the packages."""
    module = str(frame.tb_frame.f_globals.get("__name__", ""))
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _linked(frames: list[types.TracebackType]) -> types.TracebackType | None:
    """Return a traceback of these frames."""
    linked: types.TracebackType | None = None
    for frame in reversed(frames):
        linked = types.TracebackType(linked, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return linked
