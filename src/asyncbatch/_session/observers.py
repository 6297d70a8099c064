"""Reporting events: to the journal first, then to the client's observers."""

import abc
import contextlib
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.events import Event, Observer
from asyncbatch._values.requests import JobRequest

logger = logging.getLogger("asyncbatch")


class SubmissionTrace:
    """What a tracer does for one submission; this one does nothing.

    Attributes:
        variables: Environment variables to add to the request when it is sent.
    """

    variables: Mapping[str, str] = MappingProxyType({})

    def accepted(self, job_id: str) -> None:
        """Take the id of its job; called before `JobSubmitted` is reported."""

    def failed(self, error: BaseException) -> None:
        """Take the error for which it has no job."""


NO_TRACE = SubmissionTrace()


class Tracer(abc.ABC):
    """An observer that also learns of what is no event. Its methods never raise.

    They are called in the context (`contextvars`) of the caller who submits or follows a job.
    """

    @abc.abstractmethod
    def __call__(self, event: Event, /) -> None:
        """Handle an event."""

    @abc.abstractmethod
    def submitting(
        self, request: JobRequest, *, name: str, queue: str, previous_id: str | None
    ) -> SubmissionTrace:
        """Begin a submission, which is about to be sent.

        Args:
            request: What is submitted.
            name: Its job name.
            queue: Its job queue.
            previous_id: Id of the failed job that it follows, or of the array that it is a part of;
                None for the first submission of a job.
        """

    @abc.abstractmethod
    def followed(self, job_id: str, description: JobDescription | None, queue: str | None) -> None:
        """Note that the client follows a job from now on."""

    @abc.abstractmethod
    def closed(self) -> None:
        """Note that the client follows no job any more."""


class Observers:
    """The observers of one client.

    Attributes:
        journal: Called with each event before the observers; returns whether they get it. Set while
            a client with a journal is open.
        tracer: The observer that is a `Tracer`, if one was added.
    """

    def __init__(self, observers: Iterable[Observer]) -> None:
        """Report to these, in their order."""
        self.journal: Callable[[Event], bool] | None = None
        self.tracer: Tracer | None = None
        self._observers = tuple(observers)

    def add(self, observer: Observer) -> None:
        """Report to one more observer from now on; one that is known already stays as it is.

        Raises:
            InvalidRequest: It is a second tracer.
        """
        if any(each is observer for each in self._observers):
            return
        if isinstance(observer, Tracer):
            if self.tracer is not None:
                rule = "the client is instrumented already; remove() the other one first"
                raise InvalidRequest("observer", observer, rule)
            self.tracer = observer
        self._observers += (observer,)

    def remove(self, observer: Observer) -> None:
        """Report to an observer no more; one that is not known is ignored."""
        self._observers = tuple(each for each in self._observers if each is not observer)
        if self.tracer is observer:
            self.tracer = None

    def submitting(
        self, request: JobRequest, *, name: str, queue: str, previous_id: str | None
    ) -> SubmissionTrace:
        """Begin to trace a submission, if the client is instrumented."""
        if self.tracer is None:
            return NO_TRACE
        return self.tracer.submitting(request, name=name, queue=queue, previous_id=previous_id)

    def followed(self, job_id: str, description: JobDescription | None, queue: str | None) -> None:
        """Report to the tracer that a job is followed from now on."""
        if self.tracer is not None:
            self.tracer.followed(job_id, description, queue)

    def closed(self) -> None:
        """Report to the tracer that no job is followed any more."""
        if self.tracer is not None:
            self.tracer.closed()

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
