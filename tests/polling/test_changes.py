"""What counts as a change of a job: it starts the intervals of looking at it anew."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from asyncbatch import ArrayProperties, Attempt, Container, JobDescription, JobStatus
from asyncbatch._polling.changes import moves_on

DETAIL = JobDescription(job_id="1", status=JobStatus.RUNNING)
SUMMARY = dataclasses.replace(DETAIL, is_summary=True)


@pytest.mark.parametrize("known", [DETAIL, SUMMARY], ids=["described", "listed"])
@pytest.mark.parametrize(
    "change",
    [
        {"status": JobStatus.RUNNABLE},
        {"status_reason": "no capacity"},
        {"started_at": datetime(2026, 1, 1, tzinfo=UTC)},
        {"array": ArrayProperties(size=2, status_summary={JobStatus.RUNNING: 2})},
    ],
)
def test_a_job_that_does_something_moves_on(known: JobDescription, change: dict[str, Any]) -> None:
    assert moves_on(known, dataclasses.replace(DETAIL, **change))


def test_an_attempt_of_a_described_job_is_one_more() -> None:
    tried = dataclasses.replace(DETAIL, attempts=(Attempt(number=1),))
    assert moves_on(DETAIL, tried)
    assert not moves_on(SUMMARY, tried)  # lists tell of no attempts


def test_details_that_are_learnt_are_no_change() -> None:
    assert moves_on(None, SUMMARY)
    assert not moves_on(SUMMARY, DETAIL)
    assert not moves_on(
        DETAIL, dataclasses.replace(DETAIL, containers=(Container(log_stream_name="a/b/c"),))
    )
