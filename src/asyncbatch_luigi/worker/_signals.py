"""Ctrl-C and SIGTERM end a worker: what runs is cancelled and gets some time to clean up.

Where the process has handlers of its own, they stay. The first signal makes the main thread leave
the worker; what follows at once is an echo of it, since Ctrl-C reaches a whole process group and
others send SIGTERM after it. During the cleanup signals change nothing. When that has ended,
SIGTERM is raised again for the handler that was there before, so the process dies of it, as it
would without us. Forked children have the handlers from before.
"""

import os
import signal
import threading
import time
from types import FrameType

_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)
_ECHO_SECONDS = 1.0


class Terminated(SystemExit):
    """SIGTERM arrived: the main thread leaves the worker."""


class SignalHandlers:
    """The signals of the main thread, while a worker runs in it."""

    def __init__(self) -> None:
        """Change nothing yet."""
        self._previous: dict[signal.Signals, object] = {}
        self._first: int | None = None
        self._last_at = 0.0

    def begin(self) -> None:
        """Take over the signals, where that is possible and nobody else has."""
        if threading.current_thread() is threading.main_thread():
            self._take_over(self._interrupt)
            _watched.append(self)

    def check(self) -> None:
        """Leave, if a signal arrived and what ran in the main thread took it for an error.

        Raises:
            KeyboardInterrupt: It was SIGINT.
            Terminated: It was SIGTERM.
        """
        if self._first == signal.SIGINT:
            raise KeyboardInterrupt
        if self._first is not None:
            raise Terminated(128 + self._first)

    def hold(self) -> None:
        """From now on, let no signal cut the cleanup short."""
        if threading.current_thread() is threading.main_thread():
            self._take_over(_ignore)

    def end(self) -> None:
        """Put back what was there; die of SIGTERM if it arrived."""
        if self in _watched:
            _watched.remove(self)
        self.restore()
        if self._first == signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)

    def restore(self) -> None:
        """Put back the handlers that were there."""
        while self._previous:
            number, handler = self._previous.popitem()
            signal.signal(number, handler)  # type: ignore[arg-type] # it was one before

    def _take_over(self, handler: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            current = signal.getsignal(number)
            if number in self._previous or current in _DEFAULTS:
                self._previous.setdefault(number, current)
                signal.signal(number, handler)  # type: ignore[arg-type] # one of ours

    def _interrupt(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        is_echo = self._first is not None and now - self._last_at < _ECHO_SECONDS
        self._first = self._first or number
        self._last_at = now
        if not is_echo:
            self.check()


_watched: list[SignalHandlers] = []


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Let the cleanup go on."""


def _restore_in_child() -> None:
    while _watched:
        _watched.pop().restore()


os.register_at_fork(after_in_child=_restore_in_child)
