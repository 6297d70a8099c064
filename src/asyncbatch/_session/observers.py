"""Reporting events: to the journal first, then to the client's observers."""

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

    def report(self, event: Event) -> None:
        """Pass an event to all observers; an exception of one is logged."""
        if self.journal is not None and not self.journal(event):
            return
        for observer in self._observers:
            try:
                observer(event)
            except Exception:  # a progress bar's bug must not stop the jobs from being followed
                logger.exception("observer %r raised on %r", observer, event)
