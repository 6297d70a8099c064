"""What a progress display counts: pure, without a client or a clock."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncbatch import (
    ArrayProperties,
    Event,
    Failure,
    FailureKind,
    JobBlocked,
    JobDescription,
    JobFinished,
    JobLost,
    JobResubmitted,
    JobResult,
    JobStatus,
    JobSubmitted,
    StatusChanged,
)
from asyncbatch._values.failures import wait_reason_of
from asyncbatch.progress import Progress, Snapshot

FAILURE = Failure(kind=FailureKind.SPOT_INTERRUPTION, transient=True, message="Spot")
SUCCEEDED, FAILED, RUNNING = JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.RUNNING


def counted(*events: Event, only: Sequence[str] | None = None) -> Snapshot:
    progress = Progress(lambda: 0.0, only=only)
    for event in events:
        progress(event)
    return progress.snapshot()


def submitted(job_id: str, size: int | None = None) -> JobSubmitted:
    return JobSubmitted(job_id=job_id, name=job_id, queue="q", array_size=size)


def changed(
    job_id: str, status: JobStatus, *, again: bool = False, is_summary: bool = False
) -> StatusChanged:
    description = JobDescription(job_id=job_id, status=status, is_summary=is_summary)
    return StatusChanged(
        job_id=job_id, previous=None, description=description, may_be_resubmitted=again
    )


def array(status: JobStatus, size: int, *, again: bool = False, **children: int) -> StatusChanged:
    summary = {JobStatus(state): count for state, count in children.items()}
    description = JobDescription(
        job_id="array", status=status, array=ArrayProperties(size=size, status_summary=summary)
    )
    return StatusChanged(
        job_id="array", previous=None, description=description, may_be_resubmitted=again
    )


def resubmitted(job_id: str, previous_id: str) -> JobResubmitted:
    return JobResubmitted(job_id=job_id, previous_id=previous_id, submission=2, failure=FAILURE)


def finished(job_id: str, status: JobStatus) -> JobFinished:
    failure = FAILURE if status is FAILED else None
    description = JobDescription(job_id=job_id, status=status, name=job_id)
    return JobFinished(job_id=job_id, result=JobResult(description=description, failure=failure))


def test_job_that_may_be_submitted_again_has_not_ended() -> None:
    events: list[Event] = [submitted("a"), changed("a", FAILED, again=True)]
    assert counted(*events).ended == 0
    assert counted(*events).counts == {FAILED: 1}
    assert counted(*events, finished("a", FAILED)).ended == 1


def test_job_that_an_error_keeps_from_being_submitted_again_has_ended() -> None:
    end = finished("a", FAILED)
    lost = JobLost(job_id="a", result=end.result)
    shown = counted(submitted("a"), changed("a", FAILED, again=True), lost)
    assert (shown.ended, shown.total, shown.failed) == (1, 1, 1)
    assert shown.counts == {FAILED: 1}
    again = counted(submitted("a"), changed("a", FAILED, again=True), lost, end)
    assert (again.ended, again.failed, again.failures) == (1, 1, shown.failures)


def test_submissions_of_one_job_count_once() -> None:
    shown = counted(
        submitted("a"),
        changed("a", FAILED, again=True),
        submitted("b"),
        resubmitted("b", "a"),
        changed("b", SUCCEEDED, again=True),
        finished("b", SUCCEEDED),
    )
    assert (shown.ended, shown.total, shown.resubmitted) == (1, 1, 1)
    assert shown.counts == {SUCCEEDED: 1}


def test_children_that_run_again_are_counted_in_their_part_only() -> None:
    events: list[Event] = [
        submitted("array", 10),
        array(FAILED, 10, again=True, SUCCEEDED=7, FAILED=3),
        submitted("part", 2),
        resubmitted("part", "array"),
    ]
    shown = counted(*events)
    assert (shown.ended, shown.total) == (7, 10)
    assert shown.counts == {JobStatus.SUBMITTED: 2, SUCCEEDED: 7, FAILED: 1}
    part = JobDescription(job_id="part", status=SUCCEEDED, array=ArrayProperties(size=2))
    done = StatusChanged(job_id="part", previous=None, description=part, may_be_resubmitted=True)
    shown = counted(*events, done, finished("part", SUCCEEDED), finished("array", FAILED))
    assert (shown.ended, shown.total, shown.counts) == (10, 10, {SUCCEEDED: 9, FAILED: 1})
    assert shown.arrays == ()


def test_part_of_an_array_that_an_earlier_program_submitted_is_counted_once() -> None:
    progress = Progress(lambda: 0.0)
    summary = {SUCCEEDED: 7, FAILED: 3}
    whole = ArrayProperties(size=10, status_summary=summary)
    parent = JobDescription(job_id="array", status=FAILED, array=whole)
    part = JobDescription(job_id="part", status=RUNNING, array=ArrayProperties(size=3))
    progress.add(parent, array_size=10, may_be_resubmitted=True)
    progress.add(part, array_size=3, may_be_resubmitted=True, previous_id="array")
    shown = progress.snapshot()
    assert (shown.ended, shown.total) == (7, 10)
    assert FAILED not in shown.counts


@pytest.mark.parametrize("only", [None, ["array"]])
def test_part_of_an_array_that_is_found_after_the_array_is_counted_once(
    only: list[str] | None,
) -> None:
    """As when a program resumes a journal while a display is open."""
    part = JobDescription(job_id="part", status=RUNNING, array=ArrayProperties(size=3))
    found = StatusChanged(job_id="part", previous=None, description=part, previous_id="array")
    shown = counted(array(FAILED, 10, again=True, SUCCEEDED=7, FAILED=3), found, only=only)
    assert (shown.ended, shown.total, shown.resubmitted) == (7, 10, 0)
    assert shown.counts == {JobStatus.SUBMITTED: 3, SUCCEEDED: 7}


def test_status_in_a_list_does_not_end_a_job() -> None:
    listed = changed("a", SUCCEEDED, is_summary=True)
    assert counted(listed).ended == 0
    assert counted(listed, changed("a", RUNNING)).counts == {RUNNING: 1}
    assert counted(listed, finished("a", SUCCEEDED)).ended == 1


def test_children_stay_ended_when_an_older_count_arrives() -> None:
    shown = counted(
        array(JobStatus.PENDING, 10, SUCCEEDED=6, FAILED=2, RUNNING=2),
        array(JobStatus.PENDING, 10, SUCCEEDED=4, FAILED=1, RUNNING=5),
    )
    assert shown.ended == 8
    assert shown.counts == {RUNNING: 2, SUCCEEDED: 6, FAILED: 2}


def test_events_of_other_jobs_are_ignored() -> None:
    shown = counted(
        submitted("other"),
        changed("other", FAILED),
        finished("other", FAILED),
        JobLost(job_id="third"),
        blocked("other"),
        resubmitted("fourth", "other"),
        only=["a"],
    )
    assert shown == Snapshot(elapsed=0.0, counts={}, ended=0, total=0)


def test_reasons_are_counted_until_their_jobs_start() -> None:
    events: list[Event] = [blocked(job_id) for job_id in "abc"]
    (waiting,) = counted(*events).waiting
    assert (waiting.jobs, waiting.example) == (3, "a")
    (waiting,) = counted(*events, changed("a", JobStatus.STARTING), JobLost(job_id="b")).waiting
    assert waiting.jobs == 1
    assert not counted(*events, *(changed(job_id, RUNNING) for job_id in "abc")).waiting


def test_newest_failures_come_first_and_are_bounded() -> None:
    events: list[Event] = []
    for number in range(50):
        events += [submitted(f"{number}"), finished(f"{number}", FAILED)]
    shown = counted(*events)
    assert shown.failed == 50
    assert [each.job_id for each in shown.failures] == [str(number) for number in range(49, 39, -1)]


def test_throughput_and_remaining_time_follow_the_last_quarter_of_the_run() -> None:
    now = 0.0
    progress = Progress(lambda: now, expected=2000)
    for second in range(1000):
        now = float(second)
        for number in range(1 if second < 800 else 2):
            progress(changed(f"{second}.{number}", SUCCEEDED))
    shown = progress.snapshot()
    assert shown.per_second is not None
    assert shown.remaining is not None
    assert 1.7 < shown.per_second < 2
    assert 400 < shown.remaining < 480
    now = 1e6
    later = progress.snapshot().per_second
    assert later is not None
    assert abs(later - 1200 / 1e6) < 1e-6  # nothing ended lately: over the whole time


def test_throughput_stays_when_all_jobs_have_ended() -> None:
    now = 0.0
    progress = Progress(lambda: now)
    for second in range(1, 11):
        now = float(second)
        progress(changed(f"{second}", SUCCEEDED))
    now = 1000.0
    shown = progress.snapshot()
    assert (shown.per_second, shown.remaining) == (1.0, None)


def test_unchanged_event_is_not_a_change() -> None:
    progress = Progress(lambda: 0.0)
    changes: list[None] = []
    progress.on_change(lambda: changes.append(None))
    for _ in range(3):
        progress(changed("a", RUNNING))
    assert len(changes) == 1


def blocked(job_id: str) -> JobBlocked:
    reason = Failure(kind=FailureKind.CAPACITY, transient=True, message="no capacity")
    description = JobDescription(job_id=job_id, status=JobStatus.RUNNABLE, name=job_id)
    return JobBlocked(job_id=job_id, reason=reason, description=description)


def test_job_that_waited_before_the_display_opened_waits_in_it_once() -> None:
    progress = Progress(lambda: 0.0)
    description = JobDescription(
        job_id="a",
        status=JobStatus.RUNNABLE,
        name="huge",
        status_reason="MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too large",
    )
    reason = wait_reason_of(description)
    assert reason is not None
    progress.add(description)
    progress(JobBlocked(job_id="a", reason=reason, description=description))
    (waiting,) = progress.snapshot().waiting
    assert (waiting.jobs, waiting.example, waiting.reason) == (1, "huge", reason)
    progress(changed("a", RUNNING))
    assert not progress.snapshot().waiting


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_ended_never_goes_down_and_every_job_is_counted_once(data: st.DataObject) -> None:
    """Jobs and an array run, fail, are listed out of date, and are submitted again."""
    progress = Progress(lambda: 0.0)
    size = data.draw(st.integers(2, 9))
    live = {f"job{number}": 1 for number in range(3)}
    for job_id in live:
        progress(submitted(job_id))
    progress(submitted("array", size))
    ended = 0
    for step in range(data.draw(st.integers(1, 30))):
        job_id = data.draw(st.sampled_from(["array", *live]))
        if job_id == "array":
            succeeded = data.draw(st.integers(0, size))
            failed = data.draw(st.integers(0, size - succeeded))
            progress(array(JobStatus.PENDING, size, SUCCEEDED=succeeded, FAILED=failed))
        else:
            status = data.draw(st.sampled_from([JobStatus.RUNNABLE, RUNNING, FAILED]))
            is_summary = data.draw(st.booleans())
            progress(changed(job_id, status, again=True, is_summary=is_summary))
            if status is FAILED and not is_summary:
                del live[job_id]
                if data.draw(st.booleans()):
                    progress(submitted(f"again{step}"))
                    progress(resubmitted(f"again{step}", job_id))
                    live[f"again{step}"] = 1
                else:
                    progress(finished(job_id, FAILED))
        shown = progress.snapshot()
        assert shown.ended >= ended
        assert shown.total == sum(shown.counts.values()) == 3 + size
        ended = shown.ended
