"""Standard output that may be closed by its reader, or on a disk that is full.

Writing never raises: the first failure is kept, whatever is written afterwards is dropped, and the
command is stopped. Otherwise the error would surface wherever something happens to print: in a
callback of the event loop, in a thread that draws, or when Python flushes its buffers at exit.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from asyncbatch._cli.exit_codes import CLOSED_PIPE, USAGE


class GuardedStdout:
    """A text stream that keeps its first failure instead of raising it.

    Attributes:
        failure: The first failure; None while there is none.
        on_failure: Called at the first failure, possibly in another thread.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None
        self.on_failure: Callable[[], object] = lambda: None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the attributes of any stream
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text, unless an earlier write failed."""
        if self.failure is None:
            try:
                return self._stream.write(text)
            except UnicodeEncodeError:  # a terminal of another encoding than UTF-8
                encoding = self._stream.encoding
                return self._stream.write(
                    text.encode(encoding, "backslashreplace").decode(encoding)
                )
            except OSError as error:
                self._fail(error)
        return len(text)

    def writelines(self, lines: Any) -> None:  # noqa: ANN401 - as of any stream
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what is buffered, unless an earlier write failed."""
        if self.failure is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._fail(error)

    @property
    def exit_code(self) -> int:
        """Exit code of a command whose output failed."""
        return CLOSED_PIPE if self._is_closed_pipe else USAGE

    @property
    def message(self) -> str:
        """Message about the failure; empty for a closed pipe, which the reader wanted."""
        if self.failure is None or self._is_closed_pipe:
            return ""
        reason = self.failure.strerror or str(self.failure)
        return f"cannot write to standard output: {reason}. Free the disk, or write elsewhere."

    @property
    def _is_closed_pipe(self) -> bool:
        return isinstance(self.failure, BrokenPipeError)

    def _fail(self, error: OSError) -> None:
        self.failure = error
        self.on_failure()


@contextmanager
def guarded_stdout() -> Iterator[GuardedStdout]:
    """Replace `sys.stdout` by a guarded one while the block runs."""
    original = sys.stdout
    guarded = GuardedStdout(original)
    sys.stdout = cast("TextIO", guarded)
    try:
        yield guarded
    finally:
        guarded.flush()
        sys.stdout = original
        if guarded.failure is not None:
            _discard(original)


def _discard(stream: TextIO) -> None:
    """Let Python's flush at exit succeed: what is still buffered goes nowhere."""
    with suppress(OSError, ValueError):  # a stream without a file descriptor
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, stream.fileno())
        os.close(sink)


def current() -> GuardedStdout:
    """Return `sys.stdout`, guarded; in tests and notebooks it is not guarded already."""
    stream: object = sys.stdout
    return stream if isinstance(stream, GuardedStdout) else GuardedStdout(cast("TextIO", stream))
