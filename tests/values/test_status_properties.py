"""`JobStatus` for any text that AWS may send as a state."""

import pickle

from hypothesis import given
from hypothesis import strategies as st

from asyncbatch import JobStatus

statuses = st.sampled_from(JobStatus) | st.text().map(JobStatus)


@given(st.text())
def test_any_text_is_kept_as_a_status_and_survives_pickling(word: str) -> None:
    status = JobStatus(word)
    assert status == word
    assert status.is_known is (word in JobStatus.__members__)
    assert pickle.loads(pickle.dumps(status)) == status  # noqa: S301 - our own


@given(statuses, statuses, statuses)
def test_reaches_is_a_partial_order(a: JobStatus, b: JobStatus, c: JobStatus) -> None:
    assert a.reaches(a)
    assert not (a.reaches(b) and b.reaches(a)) or a == b
    assert a.reaches(c) or not (a.reaches(b) and b.reaches(c))
