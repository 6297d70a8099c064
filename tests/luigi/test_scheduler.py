"""The local scheduler for many tasks hands out what Luigi's does, and ranks less often."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from luigi.scheduler import Scheduler

from asyncbatch_luigi.worker._local_scheduler import LocalScheduler
from tests.luigi.support import make

ME = "me"


class Clock:
    """A clock that goes on by a step at each look."""

    def __init__(self, step: float) -> None:
        self.step = step
        self.now = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def luigis() -> Any:  # noqa: ANN401 - it has types in part
    return make(Scheduler, prune_on_get_work=True, record_task_history=False)


def quick(step: float) -> Any:  # noqa: ANN401 - as above
    return make(LocalScheduler, clock=Clock(step))


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
) -> list[str | None]:
    """Ask for work again and again, and let what is running end; return all answers."""
    scheduler.update_resources(scarce=2, plenty=9)
    scheduler.add_worker(ME, {"workers": 4})
    for task in tasks:
        scheduler.add_task(worker=ME, **task)
    answers: list[str | None] = []
    running: list[str] = []
    while len(answers) < 10 * len(tasks):
        answer = scheduler.get_work(worker=ME, host="here", current_tasks=list(running))
        answers.append(answer["task_id"])
        if answer["task_id"] is not None:
            running.append(answer["task_id"])
        elif not running:
            break
        while running and rng.random() < (0.4 if answer["task_id"] else 0.9):
            ended = running.pop(rng.randrange(len(running)))
            status = "DONE" if rng.random() < 0.9 else "FAILED"
            scheduler.add_task(worker=ME, task_id=ended, status=status)
    return answers


@pytest.mark.parametrize("seed", range(25))
def test_it_hands_out_what_luigis_does_in_the_same_order(seed: int) -> None:
    tasks = some_tasks(random.Random(seed), count=40)
    told = [play(scheduler, tasks, random.Random(seed)) for scheduler in (luigis(), quick(1.0))]
    assert told[0] == told[1]
    assert len([answer for answer in told[0] if answer]) > 10


@pytest.mark.parametrize("make_scheduler", [luigis, lambda: quick(0.0)])
def test_all_that_can_run_does_run(make_scheduler: Callable[[], Any]) -> None:
    """Also where the ranking is never too old."""
    rng = random.Random(1)
    tasks = some_tasks(rng, count=200)
    answers = play(make_scheduler(), tasks, rng)
    scheduled = {answer for answer in answers if answer}
    assert len(scheduled) > 100


def test_tasks_are_not_ranked_for_each_that_is_handed_out() -> None:
    scheduler = quick(0.001)
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
    assert ranked < 10
    assert scheduler.get_work(worker=ME, current_tasks=running)["task_id"] is None


def test_with_a_second_worker_it_is_luigis() -> None:
    scheduler = quick(1.0)
    for worker in (ME, "you"):
        scheduler.add_task(worker=worker, task_id=f"of {worker}", family="Some", params={})
    answer = scheduler.get_work(worker=ME, current_tasks=[])
    assert answer["task_id"] == "of me"
    answer = scheduler.get_work(worker=ME, current_tasks=["of me"])
    assert [task["task_id"] for task in answer["running_tasks"]] == ["of me"]


def test_batches_are_luigis() -> None:
    scheduler = quick(1.0)
    scheduler.add_task_batcher(worker=ME, task_family="Some", batched_args=["k"], max_batch_size=9)
    for number in range(3):
        scheduler.add_task(
            worker=ME,
            task_id=f"task-{number}",
            family="Some",
            params={"k": str(number)},
            batchable=True,
        )
    answer = scheduler.get_work(worker=ME, current_tasks=["another"])
    assert sorted(answer["batch_task_ids"]) == ["task-0", "task-1", "task-2"]
