"""The metrics of a client. Their attributes have few values: queues, states, operations, codes."""

from collections.abc import Mapping

from opentelemetry.metrics import MeterProvider, get_meter_provider

from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.events import RequestCompleted, RequestThrottled
from asyncbatch._values.results import JobResult
from asyncbatch._values.status import JobStatus
from asyncbatch.telemetry import _attributes as names

# Those of the semantic conventions for RPC.
_CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_DELAY_SECONDS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 30, 60, 120, 300)

Shares = Mapping[str, int]
"""Number of jobs by state: one job, or the children of an array."""


class Metrics:
    """Instruments of one meter."""

    def __init__(self, provider: MeterProvider | None) -> None:
        """Make the instruments; a provider returns the same ones for each client."""
        meter = (provider or get_meter_provider()).get_meter("asyncbatch")
        self._codes = names.Codes()
        self._calls = meter.create_histogram(
            "rpc.client.call.duration",
            unit="s",
            description="Duration of calls to AWS, without the wait for the rate limit.",
            explicit_bucket_boundaries_advisory=_CALL_SECONDS,
        )
        self._throttled = meter.create_counter(
            "asyncbatch.calls.throttled", unit="{call}", description="Calls that AWS throttled."
        )
        self._submissions = meter.create_counter(
            "asyncbatch.submissions",
            unit="{submission}",
            description="Submissions that AWS accepted; an array is one.",
        )
        self._active = meter.create_up_down_counter(
            "asyncbatch.jobs.active",
            unit="{job}",
            description="Jobs that have not ended, by state; an array is its children.",
        )
        self._ended = meter.create_counter(
            "asyncbatch.jobs.ended",
            unit="{job}",
            description="Jobs that have ended, by state and failure; an array is its children.",
        )
        self._delay = meter.create_histogram(
            "asyncbatch.job.end.delay",
            unit="s",
            description="Time from the end of a job, by AWS, until the client reports it.",
            explicit_bucket_boundaries_advisory=_DELAY_SECONDS,
        )

    def call(self, event: RequestCompleted) -> None:
        """Count a call to AWS."""
        attributes = {names.SYSTEM: "aws-api", names.METHOD: event.operation}
        if event.code is not None:
            attributes[names.ERROR_TYPE] = self._codes.bounded(event.code)
        self._calls.record(event.seconds, attributes)

    def throttled(self, event: RequestThrottled) -> None:
        """Count a call that was throttled."""
        self._throttled.add(1, {names.METHOD: event.operation})

    def submitted(self, queue: str) -> None:
        """Count a submission."""
        self._submissions.add(1, {names.QUEUE: queue})

    def moved(self, queue: str, before: Shares, after: Shares) -> None:
        """Count jobs that have changed their state, begin to be followed, or are so no more."""
        for state in {**before, **after}:
            change = after.get(state, 0) - before.get(state, 0)
            if change:
                self._active.add(change, {names.QUEUE: queue, names.STATUS: state})

    def ended(self, queue: str, result: JobResult, size: int, delay: float | None) -> None:
        """Count a job that has ended, or the children of an array.

        Args:
            queue: Its queue.
            result: Its result.
            size: Number of children; 1 for a job that is no array.
            delay: Seconds since its end; None where that is not known.
        """
        for state, count in _counts(result.description, size).items():
            attributes = {names.QUEUE: queue, names.STATUS: str(state)}
            if state != JobStatus.SUCCEEDED and result.failure is not None:
                attributes[names.ERROR_TYPE] = names.error_type(result.failure)
            self._ended.add(count, attributes)
        if delay is not None:
            self._delay.record(delay, {names.QUEUE: queue})


def shares(description: JobDescription, size: int) -> Shares:
    """Return the number of jobs that have not ended by state: one, or the children of an array."""
    counts = _counts(description, size)
    return {str(state): count for state, count in counts.items() if not state.is_terminal}


def _counts(description: JobDescription, size: int) -> dict[JobStatus, int]:
    """Return the number of jobs by state.

    AWS counts children with a delay; those that it does not count yet have the array's state.
    """
    summary = description.array.status_summary if description.array else {}
    counts = {state: count for state, count in summary.items() if count}
    missing = size - sum(counts.values())
    if missing > 0:
        counts[description.status] = counts.get(description.status, 0) + missing
    return counts
