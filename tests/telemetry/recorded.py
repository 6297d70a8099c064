"""What a client records with OpenTelemetry, kept in memory."""

from collections.abc import Iterator
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext


class Recorded:
    """Providers whose spans and metrics can be read."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader])

    @property
    def providers(self) -> dict[str, Any]:
        """The arguments of `instrument` for these providers."""
        return {"tracer_provider": self.tracers, "meter_provider": self.meters}

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended."""
        return list(self._exporter.get_finished_spans())

    @property
    def span(self) -> ReadableSpan:
        """The only span."""
        (span,) = self.spans
        return span

    def points(self, metric: str) -> dict[tuple[Any, ...], Any]:
        """Return the values of a metric, or its data points, by the values of their attributes."""
        return dict(self._points(metric))

    def _points(self, metric: str) -> Iterator[tuple[tuple[Any, ...], Any]]:
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for each in scope.metrics:
                    if each.name == metric:
                        for point in each.data.data_points:
                            values = tuple((point.attributes or {}).values())
                            yield values, getattr(point, "value", point)


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """Return the attributes of a span."""
    return dict(span.attributes or {})


def context(span: ReadableSpan) -> SpanContext:
    """Return the context of a span."""
    found = span.get_span_context()
    assert found is not None
    return found


def events(span: ReadableSpan) -> list[tuple[str, dict[str, Any]]]:
    """Return names and attributes of the events of a span."""
    return [(event.name, dict(event.attributes or {})) for event in span.events]


def states(span: ReadableSpan) -> list[str]:
    """Return the states that a span reports, in order."""
    return [facts["aws.batch.job.status"] for name, facts in events(span) if name == "status"]
