"""`instrument`: arguments, and telemetry that fails hurts only itself."""

import builtins
import logging
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.metrics import (
    NoOpCounter,
    NoOpHistogram,
    NoOpMeterProvider,
    NoOpUpDownCounter,
)
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import NoOpTracerProvider

from asyncbatch import AsyncBatchClient, InvalidRequest, JobRequest
from asyncbatch.telemetry import instrument
from tests.fixtures.bench import MakeBench
from tests.telemetry.recorded import Recorded


@pytest.mark.parametrize(
    ("clients", "options"),
    [((), {}), (("batch",), {}), ((AsyncBatchClient(),), {"propagate": "yes"})],
)
def test_wrong_argument_raises_invalid_request(
    clients: tuple[Any, ...], options: Mapping[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        instrument(*clients, **options)


def test_client_is_instrumented_once_at_a_time() -> None:
    batch, other = AsyncBatchClient(), AsyncBatchClient()
    with instrument(batch):
        with pytest.raises(InvalidRequest, match="instrumented already"):
            instrument(other, batch)
        instrument(other).remove()  # the failed call has left nothing behind
    instrument(batch).remove()


def test_missing_opentelemetry_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> object:  # noqa: ANN401 - passed on
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments, **options)

    for name in [name for name in sys.modules if name.startswith("asyncbatch.telemetry._")]:
        if name != "asyncbatch.telemetry._instrument":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'opentelemetry-api>="):
        instrument(AsyncBatchClient())


class Broken(SpanProcessor):
    """A processor whose methods raise, as one of an application may."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        raise OSError("no exporter")

    def on_end(self, span: ReadableSpan) -> None:
        raise OSError("no exporter")


@pytest.mark.virtual_time
async def test_broken_processor_is_logged_once_and_ends_nothing(
    bench: MakeBench, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    recorded.tracers.add_span_processor(Broken())
    async with bench() as b:
        with instrument(b.batch, **recorded.providers, propagate=True):
            results = await b.batch.run([JobRequest("hello")] * 5)
    assert [result.succeeded for result in results] == [True] * 5
    logged = [each for each in caplog.records if "telemetry failed" in each.message]
    assert [each.levelno for each in logged] == [logging.ERROR]
    assert sum(recorded.points("asyncbatch.jobs.ended").values()) == 5


def broken(*_arguments: object, **_options: object) -> None:
    raise OSError("no exporter")


@pytest.mark.virtual_time
async def test_broken_meter_leaves_jobs_and_spans_complete(
    bench: MakeBench, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, method in (
        (NoOpCounter, "add"),
        (NoOpUpDownCounter, "add"),
        (NoOpHistogram, "record"),
    ):
        monkeypatch.setattr(kind, method, broken)
    options = {**recorded.providers, "meter_provider": NoOpMeterProvider()}
    async with bench() as b:
        with instrument(b.batch, **options):
            await b.batch.run([JobRequest("hello")] * 2)
    assert len(recorded.spans) == 2


@pytest.mark.virtual_time
async def test_without_an_sdk_nothing_is_recorded_and_nothing_is_added(bench: MakeBench) -> None:
    async with bench() as b:
        with instrument(
            b.batch,
            tracer_provider=NoOpTracerProvider(),
            meter_provider=NoOpMeterProvider(),
            propagate=True,
        ):
            job = await b.batch.submit("hello")
            result = await job
    assert "TRACEPARENT" not in result.description.containers[0].environment
