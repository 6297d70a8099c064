"""`instrument`: attaches spans and metrics to clients."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from asyncbatch._client import AsyncBatchClient
from asyncbatch._session.observers import Tracer
from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider


class Instrumentation:
    """Spans and metrics of some clients, until it is removed; returned by `instrument`.

    It is a context manager that calls `remove`.
    """

    def __init__(self, tracers: list[tuple[AsyncBatchClient, Tracer]]) -> None:
        """Made by `instrument`."""
        self._tracers = tracers

    def remove(self) -> None:
        """Record no more; spans of jobs that have not ended are ended as no longer followed."""
        for client, tracer in self._tracers:
            client.remove_observer(tracer)
            tracer.closed()
        self._tracers = []

    def __enter__(self) -> Self:
        """Return the instrumentation, which records already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Record no more."""
        self.remove()


def instrument(
    *clients: AsyncBatchClient,
    tracer_provider: "TracerProvider | None" = None,
    meter_provider: "MeterProvider | None" = None,
    propagate: bool = False,
) -> Instrumentation:
    """Record the jobs and calls of clients with OpenTelemetry, from now on.

    Each job has one span, whatever happens to it; jobs that are followed already have one from now
    on. Its submissions, attempts, states and the reasons why it waits are events of the span, and a
    failure is its status. Its parent is the span that is current where the job is submitted. Spans
    and metrics make no API calls. An exception of a provider or an exporter is logged once and ends
    nothing.

    Args:
        *clients: What to record; they may be open or not. A client is instrumented once at a time.
        tracer_provider: Makes the spans; None takes the global one.
        meter_provider: Makes the metrics; None takes the global one.
        propagate: Whether containers get the context of their job's span, in the environment
            variables ``TRACEPARENT`` and ``TRACESTATE``, so that spans of the program in the
            container become children of it. Requests with one of these variables keep their own.

    Returns:
        What removes it again; ``with`` does that at the end of a block. Without, the clients are
        recorded as long as they are used.

    Raises:
        InvalidRequest: There is no client, one is no client or is instrumented already, or
            `propagate` is no bool.
        ClientClosed: A client is open on another event loop.
        ModuleNotFoundError: The API of OpenTelemetry is not installed.

    Example:
        ```python
        from asyncbatch.telemetry import instrument

        async with AsyncBatchClient() as batch:
            with instrument(batch, propagate=True):
                await batch.run([JobRequest("etl"), JobRequest("etl")])
        ```
    """
    check.flag("propagate", propagate)
    rule = "must be an AsyncBatchClient"
    if not clients:
        raise InvalidRequest("clients", clients, "give at least one AsyncBatchClient")
    for client in clients:
        if not isinstance(client, AsyncBatchClient):
            raise InvalidRequest("clients", client, rule)
    try:
        from asyncbatch.telemetry._jobs import JobTracer
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "opentelemetry":
            raise
        raise ModuleNotFoundError(
            "asyncbatch.telemetry needs OpenTelemetry: pip install 'opentelemetry-api>=1.30'",
            name="opentelemetry",
        ) from error
    instrumentation = Instrumentation([])
    try:
        for client in clients:
            tracer = JobTracer(client, tracer_provider, meter_provider, propagate=propagate)
            client.add_observer(tracer)
            instrumentation._tracers.append((client, tracer))  # noqa: SLF001 - of this module
            for job in client.followed_jobs if client.is_open else ():
                tracer.followed(job.id, job.description, queue=None)
    except BaseException:
        instrumentation.remove()
        raise
    return instrumentation
