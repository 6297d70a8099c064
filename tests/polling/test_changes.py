"""What counts as a change of a job, which restarts its polling intervals."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from asyncbatch import ArrayProperties, Attempt, Container, JobDescription, JobStatus
from asyncbatch._polling.changes import is_progress

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
def test_is_progress_is_true_for_a_change_of_state_counts_or_start(
    known: JobDescription, change: dict[str, Any]
) -> None:
    assert is_progress(known, dataclasses.replace(DETAIL, **change))


def test_is_progress_counts_attempts_only_between_full_descriptions() -> None:
    tried = dataclasses.replace(DETAIL, attempts=(Attempt(number=1),))
    assert is_progress(DETAIL, tried)
    assert not is_progress(SUMMARY, tried)  # lists have no attempts


def test_is_progress_is_false_for_details_learnt_later() -> None:
    assert is_progress(None, SUMMARY)
    assert not is_progress(SUMMARY, DETAIL)
    assert not is_progress(
        DETAIL, dataclasses.replace(DETAIL, containers=(Container(log_stream_name="a/b/c"),))
    )
