"""SIGINT and SIGTERM end a worker: running tasks are cancelled and have some time to clean up.

Theory of operation
-------------------
Handlers that the application installed are left alone; only Python's defaults are replaced.

1. The first signal raises in the main thread, which leaves the worker.
2. A signal within a second of the one before is taken for the same event: Ctrl-C reaches a whole
   process group, and process managers often send SIGTERM right after it.
3. While the worker leaves (`leave`), signals have no effect, as that has a time limit of its own,
   except a second Ctrl-C: where the worker waits (`raising`), it leaves at once.
4. After the cleanup (`restore_all`), SIGTERM is raised again for the handler that was there before,
   so that the process dies of it as it would without this worker. If an exception were raised
   instead, Luigi would take it for a failed task and start the next one.

Luigi catches BaseException around some user code, so it may swallow what a handler raised. `check`
raises it again before each request for work.

Forked children get the handlers back that were there before: a child must die of SIGTERM at once,
since Luigi waits for a terminated child without a time limit. Until then signals are blocked in the
child: Python drops one that arrives before it has called the functions for forked children.
"""

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType, SimpleNamespace
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_DEFAULT_HANDLERS = (signal.SIG_DFL, signal.default_int_handler)
_SAME_EVENT_SECONDS = 1.0


class Terminated(SystemExit):
    """SIGTERM was received: the main thread leaves the worker."""


class LeaveAtOnce(KeyboardInterrupt):
    """Ctrl-C was pressed a second time, or time is up: the worker waits no longer.

    A KeyboardInterrupt, as Luigi passes no other exception of an event handler on.
    """


def _handle_in_main_thread(number: int, handler: Any) -> object:  # noqa: ANN401 - as in `signal`
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(number, handler)


# The module `signal` for code that installs handlers in any thread: in all but the main thread,
# where Python does not allow it, nothing happens.
MAIN_THREAD_SIGNALS = SimpleNamespace(**{**vars(signal), "signal": _handle_in_main_thread})


class SignalHandlers:
    """Handlers of SIGINT and SIGTERM while a worker runs in the main thread."""

    def __init__(self) -> None:
        """Change nothing yet; `install` does."""
        self._previous: dict[signal.Signals, object] = {}
        self._first: int | None = None
        self._last_at = -math.inf
        self._second: type[BaseException] | None = None

    def install(self) -> None:
        """Install the handlers, if this is the main thread and the application has none."""
        if threading.current_thread() is threading.main_thread():
            self._replace_defaults(self._on_signal)
            _installed.append(self)

    def check(self) -> None:
        """Raise if a signal was received, even if its first exception was swallowed.

        Raises:
            KeyboardInterrupt: It was SIGINT.
            Terminated: It was SIGTERM.
        """
        if self._first == signal.SIGINT:
            raise KeyboardInterrupt
        if self._first is not None:
            raise Terminated(128 + self._first)

    def leave(self) -> None:
        """Ignore further signals, except within `raising`."""
        if threading.current_thread() is threading.main_thread():
            self._replace_defaults(self._on_signal_while_leaving)

    @contextlib.contextmanager
    def raising(self, error: type[BaseException]) -> Iterator[None]:
        """While the block runs, let Ctrl-C raise an error in the main thread, once."""
        self._second = error
        try:
            yield
        finally:
            self._second = None

    @property
    def is_installed(self) -> bool:
        """Whether this handles SIGINT."""
        return signal.SIGINT in self._previous

    def interrupt(self) -> None:
        """Raise the error of `raising` in the main thread; callable from any thread."""
        self._last_at = -math.inf
        main = threading.main_thread().ident
        if self._second is not None and main is not None:
            signal.pthread_kill(main, signal.SIGINT)

    def restore_all(self) -> None:
        """Restore the previous handlers; raise SIGTERM again if it was received."""
        if self in _installed:
            _installed.remove(self)
        self.restore()
        if self._first == signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)

    def restore(self) -> None:
        """Restore the previous handlers."""
        while self._previous:
            number, handler = self._previous.popitem()
            signal.signal(number, handler)  # type: ignore[arg-type] # from getsignal

    def _replace_defaults(self, handler: object) -> None:
        for number in _SIGNALS:
            current = signal.getsignal(number)
            if number in self._previous or current in _DEFAULT_HANDLERS:
                self._previous.setdefault(number, current)
                signal.signal(number, handler)  # type: ignore[arg-type] # one of this module

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if not self._note(number):
            self.check()

    def _on_signal_while_leaving(self, number: int, _frame: FrameType | None) -> None:
        is_same_event = self._note(number)
        if number == signal.SIGINT and not is_same_event and self._second is not None:
            error, self._second = self._second, None
            raise error

    def _note(self, number: int) -> bool:
        """Note a signal; return whether it is the same event as the one before."""
        now = time.monotonic()
        is_same_event = now - self._last_at < _SAME_EVENT_SECONDS
        self._first = self._first or number
        self._last_at = now
        return is_same_event


_installed: list[SignalHandlers] = []


class _Fork(threading.local):
    """The fork that a thread is doing; `mask` has the signals that were blocked before."""

    mask: set[signal.Signals] | None = None


_fork = _Fork()


def _before_fork() -> None:
    if _installed:
        _fork.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # type: ignore[assignment] # all have names


def _after_fork() -> None:
    if _fork.mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _fork.mask)
        _fork.mask = None


def _after_fork_in_child() -> None:
    while _installed:
        _installed.pop().restore()
    _after_fork()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child
)
