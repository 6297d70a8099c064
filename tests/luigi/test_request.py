"""The request that a task's attributes describe, and its identity."""

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


def plan_of(task: BatchTask) -> RunPlan:
    settings = make(asyncbatch)
    return plan_run(task, build_request(task, settings), settings)


def task_with(**attributes: object) -> BatchTask:
    """Make a task of a new class: Luigi returns one instance per class and parameters."""
    special: type[BatchTask] = type(
        "Special", (BatchTask,), {"job_definition": "etl", **attributes}
    )
    return make(special)


class Everything(BatchTask):
    """Sets all attributes: as values, as properties, and as parameters."""

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

    @property  # type: ignore[misc] # mypy treats Luigi's tasks as dataclasses
    def job_command(self) -> list[str]:
        return ["load", str(self.day)]

    @property  # type: ignore[misc] # as above
    def job_environment(self) -> Mapping[str, object]:
        return {"DAY": self.day}


def test_request_has_the_values_of_all_task_attributes() -> None:
    request = plan_of(make(Everything)).request
    assert request == JobRequest(
        "etl",
        name=request.name,
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
    # botocore accepts dict and list only, and none of Luigi's immutable types.
    assert type(request.extra["nodeOverrides"]["nodePropertyOverrides"]) is list


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("consumable_resources", luigi.DictParameter(default={"license": 2}), {"license": 2}),
        ("instance_type", "p5.48xlarge", "p5.48xlarge"),
        (
            "node_overrides",
            luigi.DictParameter(default={"nodePropertyOverrides": [{"targetNodes": "0:"}]}),
            {"nodePropertyOverrides": [{"targetNodes": "0:"}]},
        ),
        ("ecs_properties_override", {"taskProperties": []}, {"taskProperties": []}),
        ("eks_properties_override", {"podProperties": {}}, {"podProperties": {}}),
    ],
)
def test_structures_of_a_request_are_attributes_of_a_task(
    name: str, value: object, expected: object
) -> None:
    given = getattr(plan_of(task_with(**{f"job_{name}": value})).request, name)
    assert given == expected
    assert type(given) is type(expected)


def test_request_of_a_task_without_attributes_has_defaults_only() -> None:
    request = plan_of(make(BatchTask, "etl")).request
    assert request == JobRequest("etl", name=request.name)


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
def test_job_retry_accepts_numbers_and_text(given: object, meant: RetryStrategy | None) -> None:
    request = plan_of(task_with(job_retry=given)).request
    assert request.retry in (meant, getattr(meant, "attempts", None))


def test_job_attempt_timeout_accepts_seconds() -> None:
    assert plan_of(task_with(job_attempt_timeout=90)).request.attempt_timeout == timedelta(
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
        ("job_attempt_timeout", float("nan")),
        ("job_attempt_timeout", float("inf")),
        ("job_attempt_timeout", True),
        ("job_command", 5),
        ("job_depends_on", 5),
        ("job_depends_on", None),
        ("on_interrupt", "panic"),
        ("job_tags", {"team": None}),
        ("parameters", ["a"]),
        ("job_extra", ["a"]),
        ("job_consumable_resources", {"license": 0}),
        ("job_instance_type", 5),
        ("job_node_overrides", {"nodes": 1}),
        ("job_ecs_properties_override", ["a"]),
        ("job_eks_properties_override", {"pods": []}),
    ],
)
def test_invalid_value_is_reported_with_the_attributes_name(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        task_with(**{name: value}).run()
    assert caught.value.field.partition("[")[0] == name


@pytest.mark.parametrize("environment", ["A=hunter2", [{"name": "A", "value": "hunter2"}]])
def test_invalid_environment_is_reported_without_its_values(environment: object) -> None:
    with pytest.raises(InvalidRequest, match="job_environment") as caught:
        task_with(job_environment=environment).run()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["parameters", "job_environment", "job_tags"])
def test_none_in_a_mapping_is_reported_with_its_key(name: str) -> None:
    with pytest.raises(InvalidRequest, match="leave out what the job definition decides") as caught:
        task_with(**{name: {"A": 1, "B": None}}).run()
    assert caught.value.field == f"{name}['B']"


def test_member_rejected_by_the_sdk_is_reported_as_job_extra(aws: Aws) -> None:
    with pytest.raises(InvalidRequest, match="nonsense") as caught:
        task_with(job_definition="succeeds", job_extra={"nonsense": 1}).run()
    assert (caught.value.field, caught.value.value) == ("job_extra", {"nonsense": 1})


def test_misspelt_attribute_causes_a_warning() -> None:
    with pytest.warns(
        UserWarning, match=r"Special\.job_comand .* did you mean job_command\?"
    ) as seen:

        class Special(BatchTask):
            job_comand = "true"

    assert seen[0].filename == __file__
    assert Special.job_command is None


@pytest.mark.filterwarnings("error")
def test_other_attributes_of_a_subclass_cause_no_warning() -> None:
    task_with(
        job_date=luigi.IntParameter(default=1),
        job_size=1,
        job_tag=luigi.Parameter(default="x"),
        job_command=["true"],
    )


# -- identity --------------------------------------------------------------------------------------


class Dated(BatchTask):
    day = luigi.IntParameter()
    note: Any = luigi.Parameter(default="", significant=False)

    @property
    def parameters(self) -> Mapping[str, object]:
        return {"note": self.note}


def test_generated_name_contains_the_task_and_is_reproducible() -> None:
    names = [plan_of(make(Dated, "etl", day=3)).request.name for _ in range(2)]
    assert names[0] == names[1]
    assert str(names[0]).startswith("Dated_")


@pytest.mark.parametrize(
    "other",
    [
        {"day": 4},
        {"day": 3, "note": "another content, though the same task id"},
        {"day": 3, "job_queue": "night"},
    ],
)
def test_different_requests_have_different_names(other: dict[str, Any]) -> None:
    one, two = make(Dated, "etl", day=3), make(Dated, "etl", **other)
    assert plan_of(one).request.name != plan_of(two).request.name


def test_very_long_task_family_makes_a_valid_name() -> None:
    family = type("Very" * 60, (Dated,), {"task_namespace": "a.b"})
    names = {str(plan_of(make(family, "etl", day=day)).request.name) for day in range(3)}
    assert len(names) == 3
    assert {len(name) for name in names} == {128}


def test_identity_tags_are_the_tasks_family_and_id() -> None:
    task = make(Dated, "etl", day=3)
    assert plan_of(task).identity == {"luigi:task-family": "Dated", "luigi:task-id": task.task_id}


def test_identity_tags_of_named_jobs_differ_with_the_request() -> None:
    tags = [
        plan_of(make(Dated, "etl", job_name="nightly", day=3, note=note)).identity
        for note in ("one", "two", "one")
    ]
    assert tags[0] == tags[2] != tags[1]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FutureRequest(JobRequest):
    """A request of a later version, which has one more field."""

    priority_boost: int | None = None


def test_content_hash_includes_a_field_added_later_only_if_it_is_set() -> None:
    today, unset, set_ = [
        _content_hash("Daily_3", request)
        for request in (
            JobRequest("etl", vcpus=2),
            FutureRequest("etl", vcpus=2),
            FutureRequest("etl", vcpus=2, priority_boost=1),
        )
    ]
    assert today == unset != set_
