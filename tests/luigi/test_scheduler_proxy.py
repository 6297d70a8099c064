"""`SchedulerProxy` registers one worker as two, here at Luigi's own scheduler."""

from typing import Any

import pytest
from luigi.scheduler import Scheduler

from asyncbatch_luigi.worker._registration import id_for_batch_tasks
from asyncbatch_luigi.worker._scheduler_proxy import SchedulerProxy
from tests.luigi.support import make

ME = "me"
MY_BATCH = id_for_batch_tasks(ME)


class CountingScheduler:
    """Luigi's scheduler, with a list of the requests for work that it gets."""

    def __init__(self) -> None:
        self.scheduler: Any = make(Scheduler)
        self.requests: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> object:
        if name in {"get_work", "count_pending"}:
            return lambda **values: self._request(name, values)
        return getattr(self.scheduler, name)

    def _request(self, name: str, values: dict[str, Any]) -> object:
        self.requests.append((name, values["worker"]))
        return getattr(self.scheduler, name)(**values)


@pytest.fixture
def luigis() -> CountingScheduler:
    return CountingScheduler()


@pytest.fixture
def proxy(luigis: CountingScheduler) -> Any:  # noqa: ANN401 - has the methods of the scheduler too
    """Return a proxy for which tasks are `BatchTask`s if their id says so."""
    proxy = SchedulerProxy(luigis, ME, 2, lambda task_id: "job" in task_id, max_pause=0.0)
    proxy.add_worker(ME, [("workers", 2), ("host", "here")])
    return proxy


def add(scheduler: Any, *task_ids: str, **values: object) -> None:  # noqa: ANN401 - as above
    for task_id in task_ids:
        values = {"family": "Some", "params": {}, "worker": ME, **values}
        scheduler.add_task(task_id=task_id, **values)


def take_all(proxy: Any, **values: object) -> list[str]:  # noqa: ANN401 - as above
    """Request work as Luigi's worker does, until there is none."""
    running: list[str] = []
    while True:
        response = proxy.get_work(worker=ME, current_tasks=list(running), **values)
        if response["task_id"] is None:
            return running
        running.append(response["task_id"])


def test_worker_without_batch_tasks_registers_once(
    proxy: Any,  # noqa: ANN401 - as above
    luigis: CountingScheduler,
) -> None:
    add(proxy, "plain")
    take_all(proxy)
    assert [worker["name"] for worker in luigis.scheduler.worker_list()] == [ME]
    assert {worker for _, worker in luigis.requests} == {ME}


def test_each_kind_of_tasks_is_added_to_its_registration(
    proxy: Any,  # noqa: ANN401 - as above
    luigis: CountingScheduler,
) -> None:
    add(proxy, "plain", "job")
    workers = {worker["name"]: worker for worker in luigis.scheduler.worker_list()}
    assert {name: worker["num_pending"] for name, worker in workers.items()} == {
        ME: 1,
        MY_BATCH: 1,
    }
    assert workers[MY_BATCH]["host"] == "here"
    assert workers[MY_BATCH]["workers"] > 10_000


def test_ordinary_tasks_are_limited_and_batch_tasks_are_not(proxy: Any) -> None:  # noqa: ANN401 - as above
    add(proxy, *[f"plain-{number}" for number in range(5)])
    add(proxy, *[f"job-{number}" for number in range(5)])
    assert sorted(take_all(proxy)) == [*[f"job-{n}" for n in range(5)], "plain-0", "plain-1"]
    add(proxy, "plain-0", status="DONE")
    assert proxy.get_work(worker=ME, current_tasks=["plain-1"])["task_id"] == "plain-2"


def test_batch_tasks_come_first_if_ordinary_ones_block_the_main_thread(proxy: Any) -> None:  # noqa: ANN401 - as above
    proxy.add_worker(ME, {"workers": 1})
    add(proxy, "plain", priority=9)
    add(proxy, "job")
    assert take_all(proxy) == ["job", "plain"]


def test_reply_without_work_has_the_counts_of_both(proxy: Any) -> None:  # noqa: ANN401 - as above
    add(proxy, "plain", "job", deps=["missing"])
    response = proxy.get_work(worker=ME, current_tasks=[])
    for count in ("n_pending_tasks", "n_unique_pending", "n_pending_last_scheduled"):
        assert response[count] == 2
    assert proxy.count_pending(worker=ME)["n_pending_tasks"] == 2


def test_running_tasks_of_other_workers_are_listed_and_own_ones_are_not(
    proxy: Any,  # noqa: ANN401 - as above
    luigis: CountingScheduler,
) -> None:
    add(proxy, "mine", "my job")
    take_all(proxy)
    add(luigis, "theirs", worker="you")
    add(proxy, "theirs")
    luigis.scheduler.get_work(worker="you", current_tasks=[])
    response = proxy.get_work(worker=ME, current_tasks=["mine", "my job"])
    assert [task["task_id"] for task in response["running_tasks"]] == ["theirs"]


@pytest.mark.parametrize("disabled", [ME, MY_BATCH])
def test_worker_is_disabled_if_one_registration_is(
    proxy: Any,  # noqa: ANN401 - as above
    luigis: CountingScheduler,
    disabled: str,
) -> None:
    """Also while no ordinary task can be requested."""
    add(proxy, "plain-0", "plain-1", "plain-2", "job")
    running = take_all(proxy)
    luigis.scheduler.disable_worker(disabled)
    response = proxy.get_work(worker=ME, current_tasks=running)
    assert response["worker_state"] == "disabled"
    assert response["task_id"] is None


def test_each_registration_has_a_limit_that_the_page_can_set(
    proxy: Any,  # noqa: ANN401 - as above
    luigis: CountingScheduler,
) -> None:
    add(proxy, *[f"job-{number}" for number in range(3)])
    luigis.scheduler.set_worker_processes(MY_BATCH, 2)
    luigis.scheduler.set_worker_processes(ME, 5)
    messages = proxy.ping(worker=ME)["rpc_messages"]
    assert messages == [{"name": "set_worker_processes", "kwargs": {"n": 5}}]  # for Luigi's worker
    assert take_all(proxy) == ["job-0", "job-1"]


def test_messages_to_batch_tasks_reach_luigis_worker(
    proxy: Any,  # noqa: ANN401 - as above
    luigis: CountingScheduler,
) -> None:
    add(proxy, "job")
    luigis.scheduler._config.send_messages = True
    luigis.scheduler.send_scheduler_message(MY_BATCH, "job", "hello")
    [message] = proxy.ping(worker=ME)["rpc_messages"]
    assert message["name"] == "dispatch_scheduler_message"
    assert message["kwargs"]["content"] == "hello"


def test_batches_are_combined_in_either_registration(proxy: Any) -> None:  # noqa: ANN401 - as above
    for family, prefix in (("Jobs", "job"), ("Plains", "plain")):
        batcher = {"task_family": family, "batched_args": ["k"], "max_batch_size": 9}
        proxy.add_task_batcher(worker=ME, **batcher)
        for number in range(2):
            values = {"family": family, "params": {"k": str(number)}, "batchable": True}
            add(proxy, f"{prefix}-{number}", **values)
    running: list[str] = []
    for expected in ("plain", "job"):
        response = proxy.get_work(worker=ME, current_tasks=list(running))
        assert response["batch_task_ids"] == [f"{expected}-0", f"{expected}-1"]
        combined = f"{expected} 0 and 1"
        add(proxy, combined, status="RUNNING", batch_id=response["batch_id"])
        running.append(combined)
    for combined in running:
        add(proxy, combined, status="DONE", batch_id=None)
    statuses = {name: task["status"] for name, task in proxy.task_list(status="DONE").items()}
    assert {"job-0", "job-1", "plain-0", "plain-1"} <= set(statuses)


def test_assistant_runs_batch_tasks_of_others_beyond_the_limit_of_ordinary_ones(
    proxy: Any,  # noqa: ANN401 - as above
    luigis: CountingScheduler,
) -> None:
    """It is only given any task while fewer than N ordinary ones run."""
    luigis.scheduler.add_worker("you", {"workers": 1})
    add(luigis, "their job-0", "their job-1", "their job-2", worker="you", priority=9)
    add(luigis, *[f"their plain-{number}" for number in range(4)], worker="you")
    assert take_all(proxy, assistant=True) == [
        *[f"their job-{number}" for number in range(3)],
        *[f"their plain-{number}" for number in range(2)],
    ]


def test_registration_without_pending_tasks_is_asked_once_per_pause(
    luigis: CountingScheduler,
) -> None:
    """Requests to `luigid` do not double if there are `BatchTask`s only."""
    proxy: Any = SchedulerProxy(luigis, ME, 2, lambda task_id: "job" in task_id, max_pause=600.0)
    add(proxy, *[f"job-{number}" for number in range(20)])
    take_all(proxy)
    assert luigis.requests.count(("get_work", ME)) == 1
    assert luigis.requests.count(("get_work", MY_BATCH)) >= 20
