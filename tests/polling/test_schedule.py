"""Which jobs are polled next: cases that the property tests draw too rarely."""

import random

from asyncbatch import PollPolicy
from asyncbatch._polling.schedule import BATCH_SIZE, Schedule, Vanished

POLICY = PollPolicy(min_interval=1, max_interval=15, growth=0.05, jitter=0, missing_grace=60)


def followed(*job_ids: str, delay: float = 0.0, grace: float = 30.0) -> Schedule:
    """Return a schedule that follows some jobs from time 0 on."""
    schedule = Schedule(POLICY, random.Random(0))
    for job_id in job_ids:
        schedule.add(job_id, 0.0, delay=delay, grace=grace)
    return schedule


def test_empty_schedule_has_nothing_due() -> None:
    schedule = followed()
    assert (len(schedule), schedule.next_due(), schedule.take(0.0)) == (0, None, [])


def test_take_fills_a_call_with_jobs_that_are_not_due_yet() -> None:
    """A call for one id costs the same as one for a hundred: jobs that are not due fill it up."""
    schedule = followed("later", delay=100)
    assert schedule.take(0.0) == []
    schedule.add("now", 0.0, grace=30)
    assert schedule.take(0.0) == ["now", "later"]


def test_take_returns_the_hundred_soonest_jobs() -> None:
    schedule = followed(*(f"later-{n}" for n in range(BATCH_SIZE)), delay=1)
    schedule.add("now", 0.0, grace=30)
    batch = schedule.take(0.0)
    assert (batch[0], len(batch)) == ("now", BATCH_SIZE)
    assert schedule.next_due() == 1.0


def test_unchanged_job_is_polled_at_growing_intervals() -> None:
    schedule = followed("j-1")
    dues = []
    now = 0.0
    while now < 400:
        schedule.take(now)
        schedule.note_seen("j-1", now, changed=False)
        due = schedule.next_due()
        assert due is not None
        dues.append(due - now)
        now = due
    assert dues == sorted(dues)
    assert (dues[0], dues[-1]) == (1.0, 15.0)


def test_change_restarts_the_intervals() -> None:
    schedule = followed("j-1")
    schedule.take(300.0)
    schedule.note_seen("j-1", 300.0, changed=True)
    assert schedule.next_due() == 301.0


def test_missing_job_vanishes_after_its_grace() -> None:
    schedule = followed("j-1", grace=30)
    assert schedule.note_missing("j-1", 100.0) is None
    assert schedule.note_missing("j-1", 129.9) is None
    assert schedule.note_missing("j-1", 130.0) == Vanished(ever_seen=False, grace=30)
    assert "j-1" not in schedule


def test_job_that_reappears_has_its_whole_grace_again() -> None:
    schedule = followed("j-1", grace=60)
    assert schedule.note_missing("j-1", 0.0) is None
    schedule.note_seen("j-1", 50.0, changed=False)
    assert schedule.note_missing("j-1", 100.0) is None
    assert schedule.note_missing("j-1", 159.9) is None
    assert schedule.note_missing("j-1", 160.0) == Vanished(ever_seen=True, grace=60)


def test_job_that_was_seen_has_at_least_the_grace_of_a_known_one() -> None:
    """An attached id may be a typing error; an id that AWS has described is not."""
    schedule = followed("j-1", grace=1)
    schedule.note_seen("j-1", 0.0, changed=True)
    schedule.note_missing("j-1", 10.0)
    assert schedule.note_missing("j-1", 69.9) is None
    assert schedule.note_missing("j-1", 70.0) == Vanished(ever_seen=True, grace=60)


def test_missing_job_is_polled_again_soon() -> None:
    """Its interval does not depend on how long it was unchanged before."""
    schedule = followed("j-1")
    schedule.take(300.0)
    schedule.note_seen("j-1", 300.0, changed=False)
    schedule.take(315.0)
    schedule.note_missing("j-1", 315.0)
    assert schedule.next_due() == 316.0


def test_make_due_makes_a_job_due_once() -> None:
    """Its former due time has no effect, even when that time comes."""
    schedule = followed("j-1", delay=50)
    schedule.make_due("j-1", 10.0)
    assert schedule.take(10.0) == ["j-1"]
    schedule.note_seen("j-1", 49.5, changed=True)
    assert schedule.next_due() == 50.5
    assert schedule.take(50.0) == []


def test_make_due_ignores_a_job_in_a_call() -> None:
    schedule = followed("j-1")
    schedule.take(0.0)
    schedule.make_due("j-1", 0.0)
    assert schedule.next_due() is None


def test_removed_job_is_not_taken_and_may_be_added_again() -> None:
    schedule = followed("j-1")
    schedule.remove("j-1")
    assert (schedule.next_due(), schedule.take(0.0)) == (None, [])
    schedule.add("j-1", 0.0, grace=30)
    assert schedule.take(0.0) == ["j-1"]
    assert schedule.take(0.0) == []
