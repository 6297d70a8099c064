"""Invariants of the schedule under any sequence of operations, compared with a simple model."""

import itertools
import math
import random
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from asyncbatch import PollPolicy
from asyncbatch._polling.schedule import BATCH_SIZE, Schedule, Vanished

POLICY = PollPolicy(
    min_interval=1, max_interval=15, growth=0.05, jitter=0, missing_grace=60, unknown_grace=10
)
graces = st.sampled_from([0.0, POLICY.unknown_grace, POLICY.missing_grace])


@dataclass
class Followed:
    """The state of a job in the model."""

    due: float
    changed_at: float
    grace: float
    missing_since: float | None = None
    is_out: bool = False
    ever_seen: bool = False
    is_awaited: bool = False


class ScheduleMachine(RuleBasedStateMachine):
    """Follows jobs, lets time pass, takes batches, and returns them late and out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.jobs: dict[str, Followed] = {}
        self.calls: list[list[str]] = []
        self.count = 0

    @initialize()
    def start(self) -> None:
        self.schedule = Schedule(POLICY, random.Random(0))

    def waiting(self) -> dict[str, Followed]:
        return {job_id: job for job_id, job in self.jobs.items() if not job.is_out}

    # -- what happens -----------------------------------------------------------------------------

    @rule(number=st.integers(1, 130), delay=st.sampled_from([0.0, 1.0, 20.0]), grace=graces)
    def add(self, number: int, delay: float, grace: float) -> None:
        for _ in range(number):
            self.count += 1
            job_id = f"j-{self.count * 7919 % 10_007}"
            self.schedule.add(job_id, self.now, delay=delay, grace=grace)
            self.jobs[job_id] = Followed(self.now + delay, self.now, grace)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def add_one_that_is_followed_already(self, data: st.DataObject) -> None:
        self.schedule.add(data.draw(st.sampled_from(sorted(self.jobs))), self.now, grace=0.0)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        self.schedule.remove(job_id)
        del self.jobs[job_id]
        # The response to this call no longer concerns the job.
        self.calls = [[other for other in call if other != job_id] for call in self.calls]

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def make_due(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        self.schedule.make_due(job_id, self.now)
        job = self.jobs[job_id]
        if not job.is_out and job.due > self.now:
            job.due = job.changed_at = self.now

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def note_change(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        self.schedule.note_change(job_id, self.now)
        self.jobs[job_id].changed_at = self.now

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), seconds=st.sampled_from([-5.0, 0.5, 60.0]))
    def postpone(self, data: st.DataObject, seconds: float) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        self.schedule.postpone(job_id, self.now + seconds)
        job = self.jobs[job_id]
        if not job.is_out:
            job.due = max(job.due, self.now + seconds)

    @precondition(lambda self: self.jobs)
    @rule(seed=st.integers(0, 99), share=st.sampled_from([0.1, 0.5, 1.0]), awaited=st.booleans())
    def await_some(self, seed: int, share: float, awaited: bool) -> None:  # noqa: FBT001 - drawn
        rng = random.Random(seed)
        for job_id, job in self.jobs.items():
            if rng.random() < share:
                self.schedule.set_awaited(job_id, awaited=awaited)
                job.is_awaited = awaited

    @rule(seconds=st.sampled_from([0.25, 1.0, 5.0, 100.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds

    # -- invariants -------------------------------------------------------------------------------

    @rule()
    def take(self) -> None:
        waiting = self.waiting()
        is_due = any(job.due <= self.now for job in waiting.values())
        batch = self.schedule.take(self.now)
        # A call is full if any job is due.
        assert len(batch) == (min(BATCH_SIZE, len(waiting)) if is_due else 0)
        # No job twice, none that is in another call, none that was removed.
        assert len(set(batch)) == len(batch)
        assert set(batch) <= set(waiting)
        self.check_order([waiting.pop(job_id) for job_id in batch], list(waiting.values()))
        for job_id in batch:
            self.jobs[job_id].is_out = True
        if batch:
            self.calls.append(batch)

    def check_order(self, taken: list[Followed], left: list[Followed]) -> None:
        """Awaited jobs that are due get up to 90 places; all others come soonest first."""
        first = [job for job in taken[:90] if job.is_awaited and job.due <= self.now]
        head = list(itertools.takewhile(lambda job: any(job is other for other in first), taken))
        rest = [job.due for job in taken[len(head) :]]
        for group in ([job.due for job in head], rest):
            assert group == sorted(group)
        if rest:
            assert all(job.due >= rest[-1] for job in left)
        if any(job.is_awaited and job.due <= self.now for job in left):
            assert len(head) == 90 or len(taken) < BATCH_SIZE

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), seed=st.integers(0, 99))
    def respond(self, data: st.DataObject, seed: int) -> None:
        call = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        rng = random.Random(seed)
        for job_id in call:
            outcome = rng.choice(["changed", "unchanged", "missing"])
            if outcome == "missing":
                self.note_missing(job_id)
            else:
                self.note_seen(job_id, changed=outcome == "changed")

    def note_seen(self, job_id: str, *, changed: bool) -> None:
        job = self.jobs[job_id]
        self.schedule.note_seen(job_id, self.now, changed=changed)
        job.ever_seen, job.missing_since, job.is_out = True, None, False
        job.grace = max(job.grace, POLICY.missing_grace)
        job.changed_at = self.now if changed else job.changed_at
        job.due = self.now + POLICY.interval(self.now - job.changed_at, random.Random(0))

    def note_missing(self, job_id: str) -> None:
        """Check that a job vanishes when it was missing for its whole grace time, not before."""
        job = self.jobs[job_id]
        job.missing_since = self.now if job.missing_since is None else job.missing_since
        age = self.now - job.missing_since
        vanished = self.schedule.note_missing(job_id, self.now)
        if age >= job.grace:
            assert vanished == Vanished(job.ever_seen, job.grace)
            del self.jobs[job_id]
        else:
            assert vanished is None
            job.is_out, job.due = False, self.now + POLICY.interval(age, random.Random(0))

    @rule()
    def report_a_job_that_is_not_followed(self) -> None:
        self.schedule.note_seen("not-followed", self.now, changed=True)
        assert self.schedule.note_missing("not-followed", self.now) is None
        self.schedule.make_due("not-followed", self.now)
        self.schedule.postpone("not-followed", self.now + 1)
        self.schedule.note_change("not-followed", self.now)
        assert self.schedule.age("not-followed", self.now) == 0.0
        self.schedule.set_awaited("not-followed", awaited=True)
        self.schedule.remove("not-followed")

    @invariant()
    def followed_jobs_are_those_of_the_model(self) -> None:
        assert len(self.schedule) == len(self.jobs)
        assert all(job_id in self.schedule for job_id in self.jobs)

    @invariant()
    def age_is_the_time_since_the_last_change(self) -> None:
        for job_id, job in self.jobs.items():
            assert self.schedule.age(job_id, self.now) == self.now - job.changed_at

    @invariant()
    def next_due_is_the_soonest_due_time(self) -> None:
        dues = [job.due for job in self.waiting().values()]
        assert self.schedule.next_due() == min(dues, default=None)


def test_schedule_invariants_hold_for_any_sequence_of_operations() -> None:
    run_state_machine_as_test(ScheduleMachine, settings=settings(stateful_step_count=40))


@given(
    number=st.integers(1, 450),
    jitter=st.floats(0, 1),
    period=st.sampled_from([0.1, 0.25, 1.0]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=25)
def test_every_job_is_polled_within_a_bounded_number_of_calls(
    number: int, jitter: float, period: float, seed: int
) -> None:
    """A job waits at most its longest interval plus the calls that poll all jobs once.

    One call is made in each period, new jobs are added in each, and jobs change at random.
    """
    rng = random.Random(seed)
    policy = PollPolicy(max_interval=2, growth=0.5, jitter=jitter)
    longest = policy.max_interval * (1 + jitter / 2)
    schedule = Schedule(policy, rng)
    polled_at: dict[str, float] = {}
    ids = [f"j-{n}" for n in range(number)]
    for tick in range(80):
        now = tick * period
        ids.append(f"new-{tick}")
        for job_id in ids:
            schedule.add(job_id, now, grace=30)
            polled_at.setdefault(job_id, now)
        for job_id in schedule.take(now):
            polled_at[job_id] = now
            schedule.note_seen(job_id, now, changed=rng.random() < 0.1)
        sweep = math.ceil(len(ids) / BATCH_SIZE) * period
        assert now - min(polled_at.values()) <= longest + sweep
