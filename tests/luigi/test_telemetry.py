"""OpenTelemetry for the jobs of tasks: one line of Luigi's configuration."""

import pytest

from asyncbatch import InvalidRequest
from asyncbatch.telemetry import _jobs as telemetry
from asyncbatch_luigi.config import new_client
from tests.luigi.support import Aws, make
from tests.luigi.tasks import Quick
from tests.telemetry.recorded import Recorded, context


def test_job_has_a_span_in_that_of_the_caller_and_the_same_identity(
    aws: Aws, section: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = Recorded()
    monkeypatch.setattr(telemetry, "get_tracer_provider", lambda: recorded.tracers)
    task = make(Quick, job_definition="succeeds")
    for mode in ("off", "on", "propagate"):
        section["telemetry"] = mode
        with recorded.tracers.get_tracer("test").start_as_current_span(mode):
            task.run()
    jobs = aws.local.ledger.submissions
    assert len({job.name for job in jobs}) == 1
    spans = {span.name: span for span in recorded.spans}
    parents = [span.parent for span in recorded.spans if span.name == "job succeeds"]
    callers = [context(spans[mode]) for mode in ("on", "propagate")]
    assert [each and each.span_id for each in parents] == [each.span_id for each in callers]
    assert [launch.environment.get("TRACESTATE") for launch in aws.started] == [
        None,
        None,
        "asyncbatch=1",
    ]


def test_unknown_mode_raises_invalid_request(section: dict[str, str]) -> None:
    section["telemetry"] = "yes"
    with pytest.raises(InvalidRequest, match="telemetry='yes': must be 'off', 'on' or 'propagate'"):
        new_client()
