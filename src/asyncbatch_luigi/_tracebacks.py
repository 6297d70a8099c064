"""Tracebacks that show the user's code, and not how this package calls it.

A job that FAILED, a job queue that does not exist, Ctrl-C: such an expected error says itself what
is wrong. Luigi logs it with its traceback, and the frames of this package, of threads and of the
event loop would be thirty lines of it.
"""

import itertools
import sys
import types
from collections.abc import Iterator

from asyncbatch import AsyncBatchError, InternalError

# Packages whose frames are hidden in the traceback of an expected error, as are those of Python's
# own modules, such as `asyncio` and `contextlib`.
_EXPECTED = frozenset({"asyncbatch", "asyncbatch_luigi", "anyio", *sys.stdlib_module_names})
# Modules whose frames are hidden in that of all errors, as long as no other code has been called.
_CALLERS = ("asyncbatch_luigi.worker", "asyncio", "concurrent.futures")


def trim(error: BaseException) -> None:
    """Remove frames from the traceback of an error that a task or the worker has raised.

    An expected error keeps the frames of the user's code only, and no cause: its message contains
    what the SDK said. All other errors, which may be bugs of the user or of this package, lose only
    the frames of the worker that called the task.
    """
    frames = list(_frames(error.__traceback__))
    if is_expected(error):
        error.__suppress_context__ = True
        error.__cause__ = None
        kept = [frame for frame in frames if _module(frame).partition(".")[0] not in _EXPECTED]
    else:
        called = itertools.dropwhile(_is_of_a_caller, frames)
        kept = list(called) or frames
    error.__traceback__ = _linked(kept)


def is_expected(error: BaseException) -> bool:
    """Return whether an error is one of those that the documentation lists for a task."""
    if isinstance(error, KeyboardInterrupt):
        return True
    return isinstance(error, AsyncBatchError) and not isinstance(error, InternalError)


def _frames(traceback: types.TracebackType | None) -> Iterator[types.TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _module(frame: types.TracebackType) -> str:
    """Return the name of the module whose code a frame runs."""
    return str(frame.tb_frame.f_globals.get("__name__", ""))


def _is_of_a_caller(frame: types.TracebackType) -> bool:
    return any(f"{_module(frame)}.".startswith(f"{caller}.") for caller in _CALLERS)


def _linked(frames: list[types.TracebackType]) -> types.TracebackType | None:
    """Return a traceback of these frames."""
    linked: types.TracebackType | None = None
    for frame in reversed(frames):
        linked = types.TracebackType(linked, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return linked
