"""Whatever AWS says of a job's state, the rules about states agree with each other."""

import pickle

from hypothesis import assume, given
from hypothesis import strategies as st

from asyncbatch import JobStatus

known = st.sampled_from(JobStatus)
statuses = known | st.text().map(JobStatus.from_aws)


@st.composite
def histories(draw: st.DrawFn) -> list[JobStatus]:
    """Draw snapshots of a job, one after the other."""
    history = [draw(known)]
    for _ in range(draw(st.integers(0, 12))):
        history.append(draw(known.filter(history[-1].may_become)))
    return history


@given(st.text())
def test_any_word_is_kept_and_travels(word: str) -> None:
    status = JobStatus.from_aws(word)
    assert status == word
    assert status.is_known is (word in JobStatus.__members__)
    assert pickle.loads(pickle.dumps(status)) == status  # noqa: S301 - our own


@given(statuses, statuses, statuses)
def test_how_far_a_job_has_come_is_an_order(a: JobStatus, b: JobStatus, c: JobStatus) -> None:
    assert a.reaches(a)
    assert not (a.reaches(b) and b.reaches(a)) or a == b
    assert a.reaches(c) or not (a.reaches(b) and b.reaches(c))


@given(known, known, known)
def test_snapshots_may_be_left_out(a: JobStatus, b: JobStatus, c: JobStatus) -> None:
    """A poller sees some states only: what two steps may lead to, one may."""
    assert a.may_become(c) or not (a.may_become(b) and b.may_become(c))


@given(statuses)
def test_a_job_may_stay_as_it_is(status: JobStatus) -> None:
    assert status.may_become(status)


@given(histories())
def test_an_end_is_the_end(history: list[JobStatus]) -> None:
    ends = {status for status in history if status.is_terminal}
    assert len(ends) <= 1
    if ends:
        first = next(i for i, status in enumerate(history) if status.is_terminal)
        assert set(history[first:]) == ends


@given(known, known)
def test_what_was_not_reached_and_cannot_come_is_a_success_or_failure(
    status: JobStatus, goal: JobStatus
) -> None:
    """Whoever waits for a live state gets there: every end has come as far."""
    assume(not status.reaches(goal) and not status.may_become(goal))
    assert goal.is_terminal
    assert status.is_terminal
