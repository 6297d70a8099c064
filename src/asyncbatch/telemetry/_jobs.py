"""The spans of a client's jobs, and what its metrics count.

Theory of operation
-------------------
A span belongs to a job with all its submissions. It begins before the first submission is sent, so
that the request can contain its context; a job that the client did not submit has a span from when
the client follows it. It ends when the job's end is known and nothing submits it again.

Of an array, children that fail may be submitted again as *parts*, which are jobs of their own to
AWS: they are events of the array's span and count in no metric but that of submissions.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import (
    INVALID_SPAN,
    Span,
    SpanKind,
    Status,
    StatusCode,
    TracerProvider,
    get_tracer_provider,
)

from asyncbatch._client import AsyncBatchClient
from asyncbatch._session.observers import SubmissionTrace, Tracer
from asyncbatch._submitting.marks import wall_clock
from asyncbatch._values.descriptions import Attempt, JobDescription
from asyncbatch._values.errors import APIError
from asyncbatch._values.events import (
    Event,
    JobBlocked,
    JobFinished,
    JobLost,
    JobResubmitted,
    RequestCompleted,
    RequestThrottled,
    StatusChanged,
)
from asyncbatch._values.requests import JobRequest
from asyncbatch._values.results import Failure, JobResult
from asyncbatch._values.status import JobStatus
from asyncbatch.telemetry import _attributes as names
from asyncbatch.telemetry._context import added_context, variables_of
from asyncbatch.telemetry._guard import Guard
from asyncbatch.telemetry._metrics import Metrics, Shares, shares


@dataclass(slots=True)
class _JobSpan:
    """The span of a job.

    Attributes:
        span: The span.
        began_at: When it began, in seconds since the epoch.
        submissions: Number of submissions so far.
        has_facts: Whether it has the attributes of the job: from the request, else a description.
    """

    span: Span
    began_at: float
    submissions: int = 1
    has_facts: bool = True


@dataclass(slots=True)
class _Submitted:
    """A job of AWS that the client follows: a submission of a job, or a part of an array.

    Attributes:
        job: The span that it belongs to.
        queue: Name of its queue.
        size: Number of children; 1 for a job that is no array.
        is_part: Whether it is a part of an array.
        status: Its state when last seen; None before.
        shares: How it counts by state.
        attempts: Number of attempts that have ended.
    """

    job: _JobSpan
    queue: str
    size: int
    is_part: bool = False
    status: JobStatus | None = None
    shares: Shares = field(default_factory=dict)
    attempts: int = 0


class JobTracer(Tracer):
    """Records the jobs and calls of one client."""

    def __init__(
        self,
        client: AsyncBatchClient,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        *,
        propagate: bool,
    ) -> None:
        """Make the tracer and the instruments."""
        self.guard = Guard()
        self.propagate = propagate
        self.sending: set[_Trace] = set()  # those that are not decided
        self.metrics = Metrics(meter_provider)
        self._client = client
        self._tracer = (tracer_provider or get_tracer_provider()).get_tracer("asyncbatch")
        self._live: dict[str, _Submitted] = {}

    # -- what the client reports ------------------------------------------------------------------

    def __call__(self, event: Event, /) -> None:
        """Record an event."""
        with self.guard:
            match event:
                case RequestCompleted():
                    self.metrics.call(event)
                case RequestThrottled():
                    self.metrics.throttled(event)
                case StatusChanged():
                    self._status_changed(event)
                case JobBlocked():
                    self._event(event.job_id, "blocked", _reason(event.reason))
                case JobResubmitted():
                    self._resubmitted(event)
                case JobFinished():
                    self._finished(event.result)
                case JobLost(result=None):
                    self._lost(event.job_id)
                case JobLost(result=JobResult() as result):  # FAILED, and not submitted again
                    self._finished(result)
                case _:
                    pass  # submissions are recorded by `accepted`, retries by their calls

    def submitting(
        self, request: JobRequest, *, name: str, queue: str, previous_id: str | None
    ) -> SubmissionTrace:
        """Begin the span of a job, or continue that of a job that is submitted again."""
        previous = self._live.get(previous_id) if previous_id is not None else None
        job = self._begun(request, name, queue) if previous is None else previous.job
        submitted = _Submitted(
            job,
            names.queue_name(queue),
            request.array_size or 1,
            # An array is not submitted again as a whole: what follows it is a part of it.
            is_part=previous is not None and (previous.size > 1 or previous.is_part),
        )
        trace = _Trace(self, submitted, name, previous_id, begins_span=previous is None)
        self.sending.add(trace)
        return trace

    def followed(self, job_id: str, description: JobDescription | None, queue: str | None) -> None:
        """Begin the span of a job that was not submitted by this client, or earlier."""
        if job_id in self._live or ":" in job_id or "#" in job_id:
            return
        with self.guard:
            now = _now()
            span = self._start("job", {names.JOB_ID: job_id}, now)
            submitted = _Submitted(_JobSpan(span, now, has_facts=False), names.queue_name(queue), 1)
            self._live[job_id] = submitted
            if description is not None:
                self._describe(submitted, description)

    def closed(self) -> None:
        """End all spans: what becomes of the jobs is not known."""
        live, self._live = self._live, {}
        sending, self.sending = self.sending, set()
        for submitted in live.values():
            with self.guard:
                self.metrics.moved(submitted.queue, submitted.shares, {})
        open_jobs = [each.job for each in live.values() if not each.is_part]
        open_jobs += [each.submitted.job for each in sending if each.begins_span]
        for job in open_jobs:
            with self.guard:
                _end_with_event(job.span, "no longer followed")

    # -- submissions ------------------------------------------------------------------------------

    def accepted(
        self, submitted: _Submitted, job_id: str, *, name: str, previous_id: str | None
    ) -> None:
        """Take the job of a submission; `JobResubmitted` has the failure before a further one."""
        self._live[job_id] = submitted
        with self.guard:
            self.metrics.submitted(submitted.queue)
        previous = None if previous_id is None else self._live.get(previous_id)
        if previous_id is not None and previous is not None and not submitted.is_part:
            self._forget(previous_id, previous)
        self._move(submitted, {str(JobStatus.SUBMITTED): submitted.size})
        if not submitted.is_part:
            # A submission of a recovery policy may have another queue, and a generated name.
            facts = {names.JOB_ID: job_id, names.NAME: name, names.QUEUE: submitted.queue}
            submitted.job.span.set_attributes(_known(facts))
        if previous_id is None:
            self._event(job_id, "submitted", {names.JOB_ID: job_id, names.SUBMISSION: 1})

    def _resubmitted(self, event: JobResubmitted) -> None:
        submitted = self._live.get(event.job_id)
        if submitted is None:
            return
        # A job that the client follows since a later submission has had more than are known here.
        submitted.job.submissions = max(submitted.job.submissions + 1, event.submission)
        attributes = {
            names.JOB_ID: event.job_id,
            names.PREVIOUS_ID: event.previous_id,
            names.SUBMISSION: event.submission,
            **_reason(event.failure),
        }
        self._event(event.job_id, "submitted", attributes)

    def _begun(self, request: JobRequest, name: str, queue: str) -> _JobSpan:
        """Begin a span in the caller's context."""
        now = _now()
        attributes: dict[str, Any] = {
            names.NAME: name,
            names.QUEUE: names.queue_name(queue),
            names.DEFINITION: str(request.job_definition),
        }
        if request.array_size is not None:
            attributes[names.ARRAY_SIZE] = request.array_size
        span: Span = INVALID_SPAN
        with self.guard:
            span = self._start(names.span_name(str(request.job_definition)), attributes, now)
        return _JobSpan(span, now)

    def _start(self, name: str, attributes: Mapping[str, Any], now: float) -> Span:
        about_aws = {names.PROVIDER: "aws", names.REGION: self._client.region_name}
        return self._tracer.start_span(
            name,
            kind=SpanKind.CLIENT,
            attributes=_known({**about_aws, **attributes}),
            start_time=names.nanoseconds(now),
        )

    # -- states -----------------------------------------------------------------------------------

    def _status_changed(self, event: StatusChanged) -> None:
        submitted = self._live.get(event.job_id)
        if submitted is not None:
            self._describe(submitted, event.description)

    def _describe(self, submitted: _Submitted, description: JobDescription) -> None:
        """Take a description: attempts that have ended, and a state that is new."""
        if description.array is not None and description.array.size is not None:
            submitted.size = description.array.size
        if not submitted.job.has_facts and not description.is_summary:
            submitted.job.has_facts = True
            self._add_facts(submitted, description)
        for attempt in description.attempts[submitted.attempts :]:
            submitted.job.span.add_event(
                "attempt",
                _attempt(attempt),
                None if attempt.stopped_at is None else names.nanoseconds(attempt.stopped_at),
            )
        submitted.attempts = max(submitted.attempts, len(description.attempts))
        self._move(submitted, shares(description, submitted.size))
        if description.status is not submitted.status:
            submitted.status = description.status
            attributes = {
                names.JOB_ID: description.job_id,
                names.STATUS: str(description.status),
                names.REASON: description.status_reason,
            }
            submitted.job.span.add_event("status", _known(attributes), _ns())

    def _add_facts(self, submitted: _Submitted, description: JobDescription) -> None:
        """Add the attributes of a job whose request is unknown, and a link to its earlier span."""
        span = submitted.job.span
        submitted.queue = submitted.queue or names.queue_name(description.queue)
        span.update_name(names.span_name(description.job_definition))
        facts: dict[str, Any] = {
            names.NAME: description.name,
            names.QUEUE: submitted.queue,
            names.DEFINITION: description.job_definition,
        }
        if submitted.size > 1:
            facts[names.ARRAY_SIZE] = submitted.size
        span.set_attributes(_known(facts))
        environment = description.containers[0].environment if description.containers else {}
        earlier = added_context(environment)
        if earlier is not None:
            span.add_link(earlier)

    def _move(self, submitted: _Submitted, now: Shares) -> None:
        before, submitted.shares = submitted.shares, {} if submitted.is_part else now
        with self.guard:
            self.metrics.moved(submitted.queue, before, submitted.shares)

    def _event(self, job_id: str, name: str, attributes: Mapping[str, Any]) -> None:
        submitted = self._live.get(job_id)
        if submitted is not None:
            with self.guard:
                submitted.job.span.add_event(name, attributes, _ns())

    # -- ends -------------------------------------------------------------------------------------

    def _finished(self, result: JobResult) -> None:
        description = result.description
        submitted = self._live.get(result.job_id)
        if submitted is None:
            return
        with self.guard:
            self._describe(submitted, description)
        self._forget(result.job_id, submitted)
        if submitted.is_part:
            return
        delay = None
        if description.stopped_at is not None:
            stopped_at = description.stopped_at.timestamp()
            # A job that had ended before the client followed it says nothing about the client.
            delay = max(_now() - stopped_at, 0.0) if stopped_at >= submitted.job.began_at else None
        with self.guard:
            self.metrics.ended(submitted.queue, result, submitted.size, delay)
        self._end(submitted.job, description, result.failure)

    def _end(self, job: _JobSpan, description: JobDescription, failure: Failure | None) -> None:
        attempts = len(description.attempts)
        facts = {
            names.STATUS: str(description.status),
            names.SUBMISSIONS: job.submissions,
            names.ATTEMPTS: attempts or None,
            names.EXIT_CODE: description.attempts[-1].exit_code if attempts else None,
            names.CREATED_AT: _iso(description.created_at),
            names.STARTED_AT: _iso(description.started_at),
            names.STOPPED_AT: _iso(description.stopped_at),
        }
        job.span.set_attributes(_known(facts))
        if failure is not None:
            job.span.set_attribute(names.ERROR_TYPE, names.error_type(failure))
            job.span.set_status(Status(StatusCode.ERROR, names.text(str(failure))))
        job.span.end(_ns())

    def _lost(self, job_id: str) -> None:
        submitted = self._live.get(job_id)
        if submitted is None:
            return
        self._forget(job_id, submitted)
        if not submitted.is_part:
            _end_with_error(submitted.job.span, "JobVanished", "AWS Batch no longer knows the job")

    def _forget(self, job_id: str, submitted: _Submitted) -> None:
        self._live.pop(job_id, None)
        self._move(submitted, {})


class _Trace(SubmissionTrace):
    """One submission, until it is accepted or has failed."""

    def __init__(
        self,
        tracer: JobTracer,
        submitted: _Submitted,
        name: str,
        previous_id: str | None,
        *,
        begins_span: bool,
    ) -> None:
        self.submitted = submitted
        self.begins_span = begins_span
        self._tracer = tracer
        self._name = name
        self._previous_id = previous_id
        with tracer.guard:
            if tracer.propagate:
                self.variables = variables_of(submitted.job.span)

    def accepted(self, job_id: str) -> None:
        """Take the id of its job."""
        if self._is_recorded():
            with self._tracer.guard:
                self._tracer.accepted(
                    self.submitted, job_id, name=self._name, previous_id=self._previous_id
                )

    def failed(self, error: BaseException) -> None:
        """End the span of a job that does not exist; a job that failed before ends by itself."""
        if not self._is_recorded() or not self.begins_span:
            return
        with self._tracer.guard:
            span = self.submitted.job.span
            if isinstance(error, Exception):
                kind = error.code if isinstance(error, APIError) else type(error).__name__
                _end_with_error(span, kind, str(error))
            else:  # its caller was cancelled before it was sent
                _end_with_event(span, "withdrawn")

    def _is_recorded(self) -> bool:
        """Return whether the end of the submission is recorded, which happens once."""
        if self not in self._tracer.sending:
            return False  # the instrumentation was removed while the request was on its way
        self._tracer.sending.remove(self)
        return True


def _end_with_error(span: Span, kind: str, message: str) -> None:
    """End the span of a job for another reason than its own end."""
    span.set_attribute(names.ERROR_TYPE, names.text(kind))
    span.set_status(Status(StatusCode.ERROR, names.text(message)))
    span.end(_ns())


def _end_with_event(span: Span, name: str) -> None:
    span.add_event(name, timestamp=_ns())
    span.end(_ns())


def _reason(failure: Failure) -> dict[str, Any]:
    return _known({names.ERROR_TYPE: names.error_type(failure), names.REASON: failure.message})


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return _known(
        {
            names.ATTEMPT: attempt.number,
            names.EXIT_CODE: attempt.exit_code,
            names.REASON: attempt.reason or attempt.status_reason,
            names.STARTED_AT: _iso(attempt.started_at),
            names.STOPPED_AT: _iso(attempt.stopped_at),
            names.LOG_STREAMS: tuple(map(names.text, attempt.log_stream_names)) or None,
        }
    )


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes whose values are known, as an exporter can send them."""
    return {
        name: names.text(value) if isinstance(value, str) else value
        for name, value in attributes.items()
        if value not in (None, "")
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _now() -> float:
    """Return seconds since the epoch, on the clock of the event loop where one runs."""
    try:
        return wall_clock()
    except RuntimeError:  # `remove` may be called outside of a loop
        return time.time()


def _ns() -> int:
    return names.nanoseconds(_now())
