"""SIGTERM ends a worker as Ctrl-C does: what runs is cancelled and gets some time to clean up.

Where the process has handlers of its own, they stay. Signals that arrive during the cleanup change
nothing. When it has ended, SIGTERM is raised again for the handler that was there before, so the
process dies of it, as it would without us. Forked children have the handler from before.
"""

import os
import signal
import threading
from types import FrameType
from typing import NoReturn

_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)
_EXIT_CODE = 128 + signal.SIGTERM


class Terminated(SystemExit):
    """SIGTERM arrived: the main thread leaves the worker."""


class Interrupts:
    """The signals of the main thread, while a worker runs in it."""

    def __init__(self) -> None:
        """Change nothing yet."""
        self._previous: dict[signal.Signals, object] = {}
        self._is_terminated = False
        self._pid = os.getpid()

    def begin(self) -> None:
        """Take over SIGTERM, where that is possible and nobody else has."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._take_over(signal.SIGTERM, self._terminate)
        _watched.append(self)

    def check(self) -> None:
        """Leave, if SIGTERM arrived while a task ran in the main thread and took it for an error.

        Raises:
            Terminated: It did.
        """
        if self._is_terminated:
            raise Terminated(_EXIT_CODE)

    def hold(self) -> None:
        """From now on, let no signal cut the cleanup short."""
        if threading.current_thread() is threading.main_thread():
            self._take_over(signal.SIGTERM, _ignore)
            self._take_over(signal.SIGINT, _ignore)

    def end(self) -> None:
        """Put back what was there; die of SIGTERM if it arrived."""
        if self in _watched:
            _watched.remove(self)
        self.restore()
        if self._is_terminated and self._pid == os.getpid():
            signal.raise_signal(signal.SIGTERM)

    def restore(self) -> None:
        """Put back the handlers that were there."""
        while self._previous:
            number, handler = self._previous.popitem()
            signal.signal(number, handler)  # type: ignore[arg-type] # it was one before

    def _take_over(self, number: signal.Signals, handler: object) -> None:
        current = signal.getsignal(number)
        if number in self._previous or current in _DEFAULTS:
            self._previous.setdefault(number, current)
            signal.signal(number, handler)  # type: ignore[arg-type] # one of ours

    def _terminate(self, _number: int, _frame: FrameType | None) -> NoReturn:
        self._is_terminated = True
        raise Terminated(_EXIT_CODE)


_watched: list[Interrupts] = []


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Let the cleanup go on."""


def _restore_in_child() -> None:
    while _watched:
        _watched.pop().restore()


os.register_at_fork(after_in_child=_restore_in_child)
