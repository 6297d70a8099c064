"""The context of a trace as environment variables, and back.

The names are those of OpenTelemetry's environment variable carriers, and the values those of W3C
Trace Context. Baggage is not passed on: everybody who may describe the job would see it.

Sources: https://opentelemetry.io/docs/specs/otel/context/env-carriers/ and
https://www.w3.org/TR/trace-context/
"""

from collections.abc import Mapping

from opentelemetry.trace import Span, SpanContext, TraceState, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from asyncbatch._values.additions import TRACE_STATE_KEY, has_added_trace

_PARENT, _STATE = "TRACEPARENT", "TRACESTATE"
_MOST_MEMBERS = 32  # of a trace state, by W3C


def variables_of(span: Span) -> dict[str, str]:
    """Return the variables for a span; none for a span without a context.

    A member of the state distinguishes them from variables that a request has set.
    """
    context = span.get_span_context()
    if not context.is_valid:
        return {}
    others = [(key, value) for key, value in context.trace_state.items() if key != TRACE_STATE_KEY]
    state = TraceState([(TRACE_STATE_KEY, "1"), *others[: _MOST_MEMBERS - 1]])
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    return {_PARENT: parent, _STATE: state.to_header()}


def added_context(environment: Mapping[str, str]) -> SpanContext | None:
    """Return the context that a client has added to the environment of a job, if one has."""
    if not has_added_trace(environment):
        return None
    carrier = {name.lower(): environment.get(name, "") for name in (_PARENT, _STATE)}
    context = TraceContextTextMapPropagator().extract(carrier)
    span_context = get_current_span(context).get_span_context()
    return span_context if span_context.is_valid else None
