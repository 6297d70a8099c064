"""Which states of a queue are listed: those where listing is known to take clearly fewer calls."""

from typing import cast

import pytest

from asyncbatch import JobStatus
from asyncbatch._polling.followed import FollowedJob, Pollable
from asyncbatch._polling.queues import Queue
from asyncbatch._values.status import LIVE

# Here only the number of jobs counts.
_ANY_JOB = FollowedJob(cast("Pollable", None))

SUBMITTED, RUNNABLE, RUNNING = JobStatus.SUBMITTED, JobStatus.RUNNABLE, JobStatus.RUNNING


@pytest.mark.parametrize(
    ("counts", "listed"),
    [
        ({}, set()),
        ({RUNNING: 199}, set()),
        ({RUNNING: 200}, {RUNNING}),
        ({RUNNING: 200, RUNNABLE: 50}, {RUNNING}),
        ({RUNNING: 5_000, RUNNABLE: 700}, {RUNNING, RUNNABLE}),
        ({SUBMITTED: 660}, set()),
        ({SUBMITTED: 670}, set(LIVE)),
        ({SUBMITTED: 200, RUNNING: 300}, {RUNNING}),
    ],
)
def test_choose_lists_states_with_enough_jobs(
    counts: dict[JobStatus, int], listed: set[JobStatus]
) -> None:
    queue = Queue()
    assert queue.choose(counts, 0.0) == frozenset()
    assert queue.states == listed


def test_choose_keeps_listing_a_state_until_it_has_clearly_too_few_jobs() -> None:
    queue = Queue()
    queue.choose({RUNNING: 200, RUNNABLE: 300}, 0.0)
    queue.note_cost(RUNNING, 1, 0.0)
    assert queue.choose({RUNNING: 140, RUNNABLE: 300}, 2.0) == frozenset()
    assert queue.choose({RUNNING: 119, RUNNABLE: 300}, 4.0) == {RUNNING}
    assert queue.states == {RUNNABLE}
    assert queue.choose({RUNNING: 140, RUNNABLE: 300}, 6.0) == frozenset()
    assert queue.states == {RUNNABLE}


def test_choose_tries_a_state_crowded_by_others_again_later_or_with_more_jobs() -> None:
    queue = Queue()
    queue.choose({RUNNING: 400}, 0.0)
    queue.note_cost(RUNNING, 4, 0.0)
    assert queue.choose({RUNNING: 400}, 2.0) == {RUNNING}
    queue.choose({RUNNING: 530}, 4.0)
    assert queue.states == set()
    queue.choose({RUNNING: 540}, 6.0)
    assert queue.states == {RUNNING}
    queue.choose({RUNNING: 400}, 8.0)
    assert queue.states == set()
    queue.choose({RUNNING: 400}, 601.0)
    assert queue.states == {RUNNING}


def test_choose_does_not_look_for_new_jobs_in_states_crowded_by_others() -> None:
    queue = Queue()
    queue.choose({SUBMITTED: 1_000}, 0.0)
    queue.note_cost(RUNNABLE, 16, 0.0)
    assert queue.choose({SUBMITTED: 1_000, RUNNING: 500}, 2.0) == set(LIVE) - {RUNNING}
    assert queue.states == {RUNNING}


def test_max_calls_is_twice_the_calls_that_a_list_is_worth() -> None:
    queue = Queue()
    queue.jobs = dict.fromkeys(map(str, range(200)), _ANY_JOB)
    assert queue.max_calls == 3


def test_next_sweep_is_scheduled_once_a_queue_has_enough_jobs() -> None:
    queue = Queue()
    queue.jobs = dict.fromkeys(map(str, range(199)), _ANY_JOB)
    assert queue.next_sweep_at == float("inf")
    queue.jobs["another"] = _ANY_JOB
    assert queue.next_sweep_at == float("-inf")


@pytest.mark.parametrize(
    ("listed", "state", "before", "expected"),
    [
        ({RUNNING}, SUBMITTED, 11.0, True),
        ({RUNNING}, RUNNABLE, 11.0, True),
        ({RUNNING}, RUNNABLE, 10.0, False),  # the list comes later
        ({RUNNABLE}, RUNNING, 11.0, False),
        ({}, SUBMITTED, 11.0, False),
    ],
)
def test_may_list_expects_jobs_in_lists_of_later_states(
    listed: set[JobStatus],
    state: JobStatus,
    before: float,
    *,
    expected: bool,
) -> None:
    queue = Queue(states=frozenset(listed), due=10.0)
    assert queue.may_list(state, before=before) is expected
