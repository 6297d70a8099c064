"""From the attributes of a task to the job that is submitted."""

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import luigi
import pytest

from asyncbatch import InvalidRequest, JobRequest, RetryStrategy
from asyncbatch_luigi import BatchTask
from asyncbatch_luigi._request import RunPlan, _content_hash, build_request, plan_run
from asyncbatch_luigi.config import asyncbatch
from tests.luigi.support import Aws, make


def assign(task: BatchTask) -> RunPlan:
    settings = make(asyncbatch)
    return plan_run(task, build_request(task, settings), settings)


def task_with(**attributes: object) -> BatchTask:
    """Make a task of a class of its own, as Luigi gives out the same task for the same values."""
    special: type[BatchTask] = type(
        "Special", (BatchTask,), {"job_definition": "etl", **attributes}
    )
    return make(special)


class Everything(BatchTask):
    """Says all that can be said: as values, as properties, and as parameters."""

    job_definition = "etl"
    job_queue = "night"
    job_memory_mib = 4096
    job_gpus = 1
    job_array_size = 10
    job_depends_on = ("11111111-2222-3333-4444-555555555555",)
    job_retry: Any = luigi.Parameter(default="spot:3", significant=False)
    job_attempt_timeout = luigi.TimeDeltaParameter(default=timedelta(hours=1), significant=False)
    job_share_identifier = "research"
    job_scheduling_priority = 7
    job_tags = luigi.DictParameter(default={"team": "data"}, significant=False)
    job_propagate_tags = True
    job_extra = luigi.DictParameter(
        default={"nodeOverrides": {"nodePropertyOverrides": [{"targetNodes": "0:"}]}},
        significant=False,
    )
    job_vcpus = luigi.FloatParameter(default=0.5, significant=False)
    day = luigi.IntParameter(default=3)

    @property  # type: ignore[misc] # mypy takes Luigi's tasks for dataclasses
    def job_command(self) -> list[str]:
        return ["load", str(self.day)]

    @property  # type: ignore[misc] # as above
    def job_environment(self) -> Mapping[str, object]:
        return {"DAY": self.day}


def test_what_a_task_says_is_what_is_asked_for() -> None:
    asked = assign(make(Everything)).request
    assert asked == JobRequest(
        "etl",
        name=asked.name,
        queue="night",
        command=["load", "3"],
        environment={"DAY": "3"},
        vcpus=0.5,
        memory_mib=4096,
        gpus=1,
        array_size=10,
        depends_on=["11111111-2222-3333-4444-555555555555"],
        retry=RetryStrategy.for_spot(3),
        attempt_timeout=timedelta(hours=1),
        tags={"team": "data"},
        propagate_tags=True,
        share_identifier="research",
        scheduling_priority=7,
        extra={"nodeOverrides": {"nodePropertyOverrides": [{"targetNodes": "0:"}]}},
    )
    # botocore takes plain dictionaries and lists only, not Luigi's frozen ones.
    assert type(asked.extra["nodeOverrides"]["nodePropertyOverrides"]) is list


def test_what_a_task_does_not_say_is_left_to_the_job_definition() -> None:
    asked = assign(make(BatchTask, "etl")).request
    assert asked == JobRequest("etl", name=asked.name)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, None),
        (3, RetryStrategy(attempts=3)),
        ("3", RetryStrategy(attempts=3)),
        ("spot:2", RetryStrategy.for_spot(2)),
        (RetryStrategy.for_spot(4), RetryStrategy.for_spot(4)),
    ],
)
def test_a_retry_strategy_may_be_short(given: object, meant: RetryStrategy | None) -> None:
    request = assign(task_with(job_retry=given)).request
    assert request.retry in (meant, getattr(meant, "attempts", None))


def test_a_timeout_may_be_seconds() -> None:
    assert assign(task_with(job_attempt_timeout=90)).request.attempt_timeout == timedelta(
        seconds=90
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("job_retry", "often"),
        ("job_command", "echo hello"),
        ("job_environment", {"AWS_BATCH_JOB_ID": "1"}),
        ("job_vcpus", -1),
        ("job_attempt_timeout", 3),
        ("on_interrupt", "panic"),
        ("job_tags", {"team": None}),
        ("parameters", ["a"]),
        ("job_extra", ["a"]),
    ],
)
def test_a_wrong_value_is_named_as_in_the_task(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        task_with(**{name: value}).run()
    assert caught.value.field.partition("[")[0] == name


@pytest.mark.parametrize("name", ["parameters", "job_environment", "job_tags"])
def test_a_missing_value_is_named_with_its_key(name: str) -> None:
    with pytest.raises(InvalidRequest, match="leave out what the definition decides") as caught:
        task_with(**{name: {"A": 1, "B": None}}).run()
    assert caught.value.field == f"{name}['B']"


def test_what_the_sdk_refuses_was_in_job_extra(aws: Aws) -> None:
    with pytest.raises(InvalidRequest, match="nonsense") as caught:
        task_with(job_definition="succeeds", job_extra={"nonsense": 1}).run()
    assert (caught.value.field, caught.value.value) == ("job_extra", {"nonsense": 1})


def test_an_attribute_that_seems_misspelt_is_warned_of() -> None:
    with pytest.warns(
        UserWarning, match=r"Special\.job_comand .* did you mean job_command\?"
    ) as seen:

        class Special(BatchTask):
            job_comand = "true"

    assert seen[0].filename == __file__
    assert Special.job_command is None


@pytest.mark.filterwarnings("error")
def test_attributes_of_ones_own_are_not_warned_of() -> None:
    task_with(
        job_date=luigi.IntParameter(default=1),
        job_size=1,
        job_tag=luigi.Parameter(default="x"),
        job_command=["true"],
    )


# -- whose job it is -------------------------------------------------------------------------------


class Daily(BatchTask):
    day = luigi.IntParameter()
    note: Any = luigi.Parameter(default="", significant=False)

    @property
    def parameters(self) -> Mapping[str, object]:
        return {"note": self.note}


def test_a_generated_name_tells_the_task_and_comes_out_the_same_each_time() -> None:
    names = [assign(make(Daily, "etl", day=3)).request.name for _ in range(2)]
    assert names[0] == names[1]
    assert str(names[0]).startswith("Daily_")


@pytest.mark.parametrize(
    "other",
    [
        {"day": 4},
        {"day": 3, "note": "another content, though the same task id"},
        {"day": 3, "job_queue": "night"},
    ],
)
def test_another_job_has_another_name(other: dict[str, Any]) -> None:
    one, two = make(Daily, "etl", day=3), make(Daily, "etl", **other)
    assert assign(one).request.name != assign(two).request.name


def test_a_very_long_family_makes_a_valid_name() -> None:
    family = type("Very" * 60, (Daily,), {"task_namespace": "a.b"})
    names = {str(assign(make(family, "etl", day=day)).request.name) for day in range(3)}
    assert len(names) == 3
    assert {len(name) for name in names} == {128}


def test_a_job_carries_the_family_and_the_id_of_its_task() -> None:
    task = make(Daily, "etl", day=3)
    assert assign(task).identity == {"luigi:task-family": "Daily", "luigi:task-id": task.task_id}


def test_a_name_of_ones_own_is_told_apart_by_tags() -> None:
    tags = [
        assign(make(Daily, "etl", job_name="nightly", day=3, note=note)).identity
        for note in ("one", "two", "one")
    ]
    assert tags[0] == tags[2] != tags[1]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FutureRequest(JobRequest):
    """A request of a later version, which has one more field."""

    priority_boost: int | None = None


def test_a_field_added_later_changes_the_content_hash_only_where_it_is_set() -> None:
    today, unset, set_ = [
        _content_hash("Daily_3", request)
        for request in (
            JobRequest("etl", vcpus=2),
            FutureRequest("etl", vcpus=2),
            FutureRequest("etl", vcpus=2, priority_boost=1),
        )
    ]
    assert today == unset != set_
