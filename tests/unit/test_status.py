"""The words for a job's state, and what may follow what."""

import copy
import itertools
import pickle

import pytest

from asyncbatch import JobStatus
from asyncbatch._values.status import LIVE, TERMINAL

STRANGE = "HIBERNATING"
NEVER_AGAIN = {
    *itertools.product(TERMINAL, LIVE),
    (JobStatus.SUCCEEDED, JobStatus.FAILED),
    (JobStatus.FAILED, JobStatus.SUCCEEDED),
    # Only jobs that are retried go back, and those were RUNNABLE before.
    *((later, JobStatus.SUBMITTED) for later in JobStatus if later != JobStatus.SUBMITTED),
    *((later, JobStatus.PENDING) for later in LIVE[2:]),
}


@pytest.mark.parametrize("status", JobStatus)
def test_a_status_is_awss_word(status: JobStatus) -> None:
    assert status == status.name == status.value == f"{status}"
    assert JobStatus.from_aws(status.value) is status
    assert status.is_known


def test_a_job_has_ended_when_it_succeeded_or_failed() -> None:
    assert {s for s in JobStatus if s.is_terminal} == {JobStatus.SUCCEEDED, JobStatus.FAILED}
    assert {*LIVE, *TERMINAL} == set(JobStatus)


@pytest.mark.parametrize(("before", "after"), [*itertools.product(JobStatus, JobStatus)])
def test_what_may_follow_what(before: JobStatus, after: JobStatus) -> None:
    assert before.may_become(after) is ((before, after) not in NEVER_AGAIN)


def test_a_retried_job_goes_back_to_runnable() -> None:
    assert JobStatus.RUNNING.may_become(JobStatus.RUNNABLE)


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
def test_how_far_a_job_has_come(status: str, reached: str) -> None:
    here = JobStatus(status)
    assert " ".join(goal for goal in JobStatus if here.reaches(goal)) == reached


class TestAStateThatIsNewToUs:
    def test_is_kept_by_its_name_and_counts_as_live(self) -> None:
        status = JobStatus.from_aws(STRANGE)
        assert status == STRANGE == f"{status}"
        assert (status.name, status.value) == (STRANGE, STRANGE)
        assert not status.is_known
        assert not status.is_terminal

    def test_equals_itself_wherever_it_comes_from(self) -> None:
        assert JobStatus.from_aws(STRANGE) == JobStatus.from_aws(STRANGE)
        assert len({JobStatus.from_aws(STRANGE), JobStatus.from_aws(STRANGE)}) == 1

    def test_does_not_join_the_states_that_are_known(self) -> None:
        JobStatus.from_aws(STRANGE)
        assert STRANGE not in JobStatus.__members__
        with pytest.raises(ValueError, match=STRANGE):
            JobStatus(STRANGE)

    @pytest.mark.parametrize("known", JobStatus)
    def test_may_come_after_and_before_every_live_state(self, known: JobStatus) -> None:
        strange = JobStatus.from_aws(STRANGE)
        assert strange.may_become(known)
        assert known.may_become(strange) is not known.is_terminal

    @pytest.mark.parametrize("known", JobStatus)
    def test_reaches_only_itself(self, known: JobStatus) -> None:
        strange = JobStatus.from_aws(STRANGE)
        assert strange.reaches(JobStatus.from_aws(STRANGE))
        assert not strange.reaches(known)
        assert not known.reaches(strange)


@pytest.mark.parametrize("word", [*JobStatus, STRANGE])
def test_a_status_survives_pickling_and_copying(word: str) -> None:
    status = JobStatus.from_aws(word)
    for twin in (pickle.loads(pickle.dumps(status)), copy.copy(status), copy.deepcopy(status)):  # noqa: S301 - our own
        assert isinstance(twin, JobStatus)
        assert (twin, twin.is_known) == (status, status.is_known)
    if status.is_known:
        assert pickle.loads(pickle.dumps(status)) is status  # noqa: S301 - our own
