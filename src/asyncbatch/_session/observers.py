"""Reporting events: to the journal first, then to the client's observers."""

import contextlib
import inspect
import logging
from collections.abc import Callable, Iterable

from asyncbatch._values.events import Event, Observer

logger = logging.getLogger("asyncbatch")


class Observers:
    """The observers of one client.

    Attributes:
        journal: Called with each event before the observers; returns whether they get it. Set while
            a client with a journal is open.
    """

    def __init__(self, observers: Iterable[Observer]) -> None:
        """Report to these, in their order."""
        self.journal: Callable[[Event], bool] | None = None
        self._observers = tuple(observers)

    def add(self, observer: Observer) -> None:
        """Report to one more observer from now on; one that is known already stays as it is."""
        if not any(each is observer for each in self._observers):
            self._observers += (observer,)

    def remove(self, observer: Observer) -> None:
        """Report to an observer no more; one that is not known is ignored."""
        self._observers = tuple(each for each in self._observers if each is not observer)

    def report(self, event: Event) -> None:
        """Pass an event to all observers; an exception of one is logged."""
        if self.journal is not None and not self.journal(event):
            return
        for observer in self._observers:
            try:
                outcome: object = observer(event)  # type: ignore[func-returns-value] # wrong ones do
            except (KeyboardInterrupt, SystemExit):
                raise
            # A progress bar's bug must not stop the jobs from being followed, and an observer's
            # CancelledError is no cancellation of the task that reports.
            except BaseException:
                logger.exception("observer %r raised on %r", observer, event)
            else:
                if inspect.iscoroutine(outcome):
                    outcome.close()
                    logger.error("observer %r is async, so it did not get %r", observer, event)


def makes_a_context(observer: object) -> bool:
    """Return whether an observer is `display()` or `display`: calling these shows nothing."""
    is_context = isinstance(
        observer, contextlib.ContextDecorator | contextlib.AsyncContextDecorator
    )
    function = inspect.unwrap(observer) if callable(observer) else None
    return (
        is_context or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    )
