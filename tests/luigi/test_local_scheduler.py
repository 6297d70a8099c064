"""`LocalScheduler` hands out the same tasks as Luigi's scheduler, and ranks them less often."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from luigi.scheduler import Scheduler

from asyncbatch_luigi.worker._local_scheduler import LocalScheduler
from asyncbatch_luigi.worker._registration import id_for_batch_tasks
from tests.luigi.support import make

ME = "me"
BOTH = [ME, id_for_batch_tasks(ME)]


class Clock:
    """A clock that advances by a step before each request for work."""

    def __init__(self, step: float) -> None:
        self.step = step
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class SteppingScheduler(LocalScheduler):
    """A scheduler in whose clock time passes between requests only, unless a test says else."""

    def __init__(self, step: float) -> None:
        self.clock = Clock(step)
        super().__init__(self.clock)

    def get_work(self, **values: Any) -> dict[str, Any]:  # noqa: ANN401 - as Luigi's
        self.clock.now += self.clock.step
        return super().get_work(**values)


def luigi_scheduler() -> Any:  # noqa: ANN401 - Luigi's, with types only in part
    return make(Scheduler, prune_on_get_work=True, record_task_history=False)


def our_scheduler(step: float) -> Any:  # noqa: ANN401 - as above
    return SteppingScheduler(step)


def some_tasks(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """Draw tasks with priorities, requirements and resources."""
    names = [f"task-{number}" for number in range(count)]
    return [
        {
            "task_id": name,
            "family": "Some",
            "params": {},
            "priority": rng.choice([0, 0, 0, 5, 9]),
            "deps": rng.sample(names[:number], k=min(number, rng.choice([0, 0, 1, 2]))),
            "resources": rng.choice([{}, {}, {"scarce": 1}, {"scarce": 2}, {"plenty": 3}]),
        }
        for number, name in enumerate(names)
    ]


def play(
    scheduler: Any,  # noqa: ANN401 - as above
    tasks: list[dict[str, Any]],
    rng: random.Random,
    workers: list[str],
) -> list[str | None]:
    """Request work repeatedly and end running tasks at random; return the ids of all responses."""
    scheduler.update_resources(scarce=2, plenty=9)
    for number, worker in enumerate(workers):
        scheduler.add_worker(worker, {"workers": 4 + number})
    for number, task in enumerate(tasks):
        scheduler.add_task(worker=workers[number % len(workers)], **task)
    responses: list[str | None] = []
    running: list[tuple[str, str]] = []
    while len(responses) < 10 * len(tasks):
        worker = rng.choice(workers)
        current = [task_id for task_id, _ in running]
        response = scheduler.get_work(worker=worker, host="here", current_tasks=current)
        responses.append(response["task_id"])
        if response["task_id"] is not None:
            running.append((response["task_id"], worker))
        elif not running:
            break
        while running and rng.random() < (0.4 if response["task_id"] else 0.9):
            ended, by = running.pop(rng.randrange(len(running)))
            status = "DONE" if rng.random() < 0.9 else "FAILED"
            scheduler.add_task(worker=by, task_id=ended, status=status)
    return responses


@pytest.mark.parametrize("workers", [BOTH[:1], BOTH])
@pytest.mark.parametrize("seed", range(25))
def test_tasks_are_handed_out_in_the_same_order_as_by_luigi(seed: int, workers: list[str]) -> None:
    """Also to the two workers as which one process registers."""
    tasks = some_tasks(random.Random(seed), count=40)
    orders = [
        play(scheduler, tasks, random.Random(seed), workers)
        for scheduler in (luigi_scheduler(), our_scheduler(1.0))
    ]
    assert orders[0] == orders[1]
    assert len([response for response in orders[0] if response]) > 10 / len(workers)


@pytest.mark.parametrize("make_scheduler", [luigi_scheduler, lambda: our_scheduler(0.0)])
def test_all_tasks_that_can_run_are_handed_out(make_scheduler: Callable[[], Any]) -> None:
    """Also if the ranking never expires."""
    rng = random.Random(1)
    tasks = some_tasks(rng, count=200)
    responses = play(make_scheduler(), tasks, rng, [ME])
    scheduled = {response for response in responses if response}
    assert len(scheduled) > 100


def test_one_ranking_serves_many_requests() -> None:
    scheduler = our_scheduler(0.001)
    ranked = 0

    def count(worker: str) -> list[Any]:
        nonlocal ranked
        ranked += 1
        tasks: list[Any] = type(scheduler).ranked(scheduler, worker)
        return tasks

    scheduler.ranked = count
    for number in range(1_000):
        scheduler.add_task(worker=ME, task_id=f"task-{number}", family="Some", params={})
    running: list[str] = []
    for _ in range(1_000):
        running.append(scheduler.get_work(worker=ME, current_tasks=running)["task_id"])
    assert len(set(running)) == 1_000
    assert ranked <= 2  # the second one after pruning, which may make tasks PENDING
    assert scheduler.get_work(worker=ME, current_tasks=running)["task_id"] is None


def test_urgent_task_added_after_ranking_is_handed_out_when_that_has_expired() -> None:
    scheduler = our_scheduler(0.1)
    for number in range(10):
        scheduler.add_task(worker=ME, task_id=f"task-{number}", family="Some", params={})
    running = [scheduler.get_work(worker=ME, current_tasks=["another"])["task_id"]]
    scheduler.add_task(worker=ME, task_id="urgent", family="Some", params={}, priority=1)
    running += [scheduler.get_work(worker=ME, current_tasks=running)["task_id"] for _ in range(3)]
    assert running == ["task-0", "task-1", "task-2", "urgent"]


@pytest.mark.parametrize(("seconds", "rankings"), [(0.01, 40), (0.1, 10)])
def test_ranking_that_takes_long_is_kept_longer(seconds: float, rankings: int) -> None:
    """At most a tenth of the time is spent on rankings; here one task is never ready."""
    scheduler = our_scheduler(0.01)
    ranked = 0

    def rank(worker: str) -> list[Any]:
        nonlocal ranked
        ranked += 1
        scheduler.clock.now += seconds
        tasks: list[Any] = type(scheduler).ranked(scheduler, worker)
        return tasks

    scheduler.ranked = rank
    waiting = {"task_id": "waits", "deps": ["unknown"], "priority": 1}
    scheduler.add_task(worker=ME, family="Some", params={}, **waiting)
    for number in range(1_000):
        scheduler.add_task(worker=ME, task_id=f"task-{number}", family="Some", params={})
    running: list[str] = []
    for _ in range(1_000):
        running.append(scheduler.get_work(worker=ME, current_tasks=running)["task_id"])
    assert len(set(running)) == 1_000
    assert ranked == pytest.approx(rankings, abs=1)


def test_second_worker_is_left_to_luigis_code() -> None:
    scheduler = our_scheduler(1.0)
    for worker in (ME, "you"):
        scheduler.add_task(worker=worker, task_id=f"of {worker}", family="Some", params={})
    response = scheduler.get_work(worker=ME, current_tasks=[])
    assert response["task_id"] == "of me"
    response = scheduler.get_work(worker=ME, current_tasks=["of me"])
    assert [task["task_id"] for task in response["running_tasks"]] == ["of me"]


def test_batches_are_left_to_luigis_code() -> None:
    scheduler = our_scheduler(1.0)
    scheduler.add_task_batcher(worker=ME, task_family="Some", batched_args=["k"], max_batch_size=9)
    for number in range(3):
        scheduler.add_task(
            worker=ME,
            task_id=f"task-{number}",
            family="Some",
            params={"k": str(number)},
            batchable=True,
        )
    response = scheduler.get_work(worker=ME, current_tasks=["another"])
    assert sorted(response["batch_task_ids"]) == ["task-0", "task-1", "task-2"]
