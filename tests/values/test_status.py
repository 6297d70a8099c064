"""`JobStatus`: AWS's words, their order, and states that this version does not know."""

import copy
import pickle

import pytest

from asyncbatch import JobStatus
from asyncbatch._values.status import LIVE, TERMINAL

UNKNOWN = "HIBERNATING"


@pytest.mark.parametrize("status", JobStatus)
def test_a_status_equals_its_name_at_aws(status: JobStatus) -> None:
    assert status == status.name == status.value == f"{status}"
    assert JobStatus(status.value) is status
    assert status.is_known


def test_only_succeeded_and_failed_are_terminal() -> None:
    assert {s for s in JobStatus if s.is_terminal} == {JobStatus.SUCCEEDED, JobStatus.FAILED}
    assert {*LIVE, *TERMINAL} == set(JobStatus)


@pytest.mark.parametrize(
    ("status", "reached"),
    [
        ("SUBMITTED", "SUBMITTED"),
        ("PENDING", "SUBMITTED PENDING"),
        ("RUNNABLE", "SUBMITTED PENDING RUNNABLE"),
        ("STARTING", "SUBMITTED PENDING RUNNABLE STARTING"),
        ("RUNNING", "SUBMITTED PENDING RUNNABLE STARTING RUNNING"),
        ("SUCCEEDED", "SUBMITTED PENDING RUNNABLE STARTING RUNNING SUCCEEDED"),
        ("FAILED", "SUBMITTED PENDING RUNNABLE STARTING RUNNING FAILED"),
    ],
)
def test_status_reaches_itself_and_earlier_live_states(status: str, reached: str) -> None:
    here = JobStatus(status)
    assert " ".join(goal for goal in JobStatus if here.reaches(goal)) == reached


class TestUnknownState:
    def test_keeps_its_name_and_is_live(self) -> None:
        status = JobStatus(UNKNOWN)
        assert isinstance(status, JobStatus)
        assert status == UNKNOWN == f"{status}"
        assert (status.name, status.value) == (UNKNOWN, UNKNOWN)
        assert not status.is_known
        assert not status.is_terminal

    def test_equals_the_same_state_of_another_answer(self) -> None:
        assert JobStatus(UNKNOWN) == JobStatus(UNKNOWN)
        assert len({JobStatus(UNKNOWN), JobStatus(UNKNOWN)}) == 1

    def test_does_not_become_a_member(self) -> None:
        JobStatus(UNKNOWN)
        assert UNKNOWN not in JobStatus.__members__
        assert UNKNOWN not in list(JobStatus)

    @pytest.mark.parametrize("known", JobStatus)
    def test_reaches_only_itself(self, known: JobStatus) -> None:
        unknown = JobStatus(UNKNOWN)
        assert unknown.reaches(JobStatus(UNKNOWN))
        assert not unknown.reaches(known)
        assert not known.reaches(unknown)


@pytest.mark.parametrize("value", [None, 3])
def test_status_from_something_else_than_text_raises_value_error(value: object) -> None:
    with pytest.raises(ValueError, match="not a valid JobStatus"):
        JobStatus(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("word", [*JobStatus, UNKNOWN])
def test_status_is_equal_after_pickling_and_copying(word: str, protocol: int) -> None:
    status = JobStatus(word)
    pickled = pickle.loads(pickle.dumps(status, protocol))  # noqa: S301 - our own
    for twin in (pickled, copy.copy(status), copy.deepcopy(status)):
        assert isinstance(twin, JobStatus)
        assert (twin, twin.is_known) == (status, status.is_known)
    if status.is_known:
        assert pickled is status


def test_repr_of_an_unknown_status_has_no_control_characters() -> None:
    assert "\x1b" not in repr(JobStatus("\x1b]0;title\x07"))
