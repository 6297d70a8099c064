"""The ways in which users subclass `BatchTask`; each of them exists in public code."""

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import luigi
import luigi.util
import pytest
from luigi.task_register import Register

from asyncbatch import InvalidRequest
from asyncbatch_luigi import BatchTask
from tests.luigi.support import Aws, Run, make
from tests.luigi.tasks import Quick
from tests.luigi.workers import Workers, configured


class DefinitionAsAttribute(Quick):
    job_definition = "succeeds"


class NameAsProperty(Quick):
    job_definition = "succeeds"
    date = luigi.DateParameter()

    @property  # type: ignore[misc] # mypy treats Luigi's tasks as dataclasses
    def job_name(self) -> str:
        return f"report-{self.date}"


class ParametersAsProperty(Quick):
    job_definition = "succeeds"
    date = luigi.DateParameter(default=dt.date(2024, 1, 15))
    count = luigi.IntParameter(default=3)

    @property
    def parameters(self) -> Mapping[str, object]:
        return {"date": self.date, "count": self.count, "path": Path("a/b"), "flag": True}


class AnotherPollTime(Quick):
    job_definition = "succeeds"
    poll_time = luigi.IntParameter(default=300)


class MarkerAfterwards(BatchTask):
    job_definition = "succeeds"
    poll_time = 0

    def run(self) -> None:
        super().run()
        with self.output().open("w") as marker:
            marker.write("done")

    def output(self) -> Any:  # noqa: ANN401 - Luigi declares a list, and accepts anything
        return make(luigi.LocalTarget, "marker")


class YieldsBefore(BatchTask):
    job_definition = "succeeds"
    poll_time = 0

    def run(self) -> Iterator[luigi.Task]:  # type: ignore[override]
        yield make(MarkerAfterwards)
        super().run()
        Path("both").touch()

    def complete(self) -> bool:
        return Path("both").exists()


@pytest.mark.parametrize(
    "task_class",
    [DefinitionAsAttribute, ParametersAsProperty, AnotherPollTime, MarkerAfterwards],
)
def test_subclass_runs_as_with_luigi_contrib_batch(
    aws: Aws, run: Run, task_class: type[BatchTask]
) -> None:
    assert run(make(task_class))
    assert [job.job_definition for job in aws.started] == ["succeeds"]


def test_job_name_can_be_a_property(aws: Aws, run: Run) -> None:
    assert run(make(NameAsProperty, date=dt.date(2024, 1, 15)))
    assert [job.name for job in aws.started] == ["report-2024-01-15"]


def test_parameters_are_converted_to_text(aws: Aws, run: Run) -> None:
    assert run(make(ParametersAsProperty))
    assert [job.parameters for job in aws.started] == [
        {"date": "2024-01-15", "count": "3", "path": "a/b", "flag": "True"}
    ]


def test_run_may_yield_other_tasks_before_its_job(aws: Aws, run: Run) -> None:
    assert run(make(YieldsBefore))
    assert len(aws.started) == 2
    assert Path("marker").read_text(encoding="utf-8") == "done"


def test_parameter_without_a_value_is_rejected() -> None:
    class WithoutDate(Quick):
        @property
        def parameters(self) -> Mapping[str, object]:
            return {"date": None}

    with pytest.raises(InvalidRequest, match="parameters"):
        make(WithoutDate, job_definition="succeeds").run()


def test_negative_poll_time_is_rejected() -> None:
    with pytest.raises(InvalidRequest, match="poll_time=-1: must be 0 or more seconds"):
        make(BatchTask, job_definition="etl", poll_time=-1).run()


def test_luigi_parameters_added_to_a_class_later_are_found() -> None:
    """`luigi.util.inherits` reads the parameters, and then adds some."""

    class Early(BatchTask):
        job_definition = "succeeds"
        early: Any = luigi.Parameter()

    class Heir(BatchTask):
        job_definition = "succeeds"

    assert "early" not in dict(Heir.get_params())
    heir = make(luigi.util.inherits, Early)(Heir)
    assert "early" in dict(heir.get_params())
    assert make(heir, early="bird").early == "bird"


# Each replaces an attribute of a class of which there is an instance: what tests do with mocks.
REPLACEMENTS: Mapping[str, tuple[Any, Any]] = {
    "parameter by value": (luigi.Parameter(default="a"), "b"),
    "parameter by parameter": (luigi.Parameter(default="a"), luigi.Parameter(default="b")),
    "value by parameter": ("a", luigi.Parameter(default="b")),
    "value by value": ("a", "b"),
    "parameter by property": (luigi.Parameter(default="a"), property(lambda _: "b")),
}


@pytest.mark.parametrize("place", ["class", "base"])
@pytest.mark.parametrize("case", REPLACEMENTS)
def test_attribute_replaced_after_an_instance_was_made_is_used(case: str, place: str) -> None:
    first, second = REPLACEMENTS[case]
    base: Any = type("Base", (BatchTask,), {"job_definition": first})
    own = {"job_definition": first} if place == "class" else {"job_queue": "day"}
    task_class: Any = type("Replaced", (base,), own)
    changed = base if place == "base" else task_class
    if hasattr(second, "__set_name__"):  # parameters of newer Luigi have to be told their name
        second.__set_name__(changed, "job_definition")
    assert make(task_class).job_definition == "a"
    changed.job_definition = second
    assert make(task_class).job_definition == "b"
    changed.job_definition = first
    assert make(task_class).job_definition == "a"


def test_replaced_attribute_is_submitted(
    aws: Aws, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert workers.run(make(AnotherPollTime)).status == luigi.LuigiStatusCode.SUCCESS
    workers.renew_scheduler()
    monkeypatch.setattr(AnotherPollTime, "job_definition", "fails")
    monkeypatch.setattr(AnotherPollTime, "poll_time", 0)
    assert workers.run(make(AnotherPollTime)).status == luigi.LuigiStatusCode.FAILED
    assert [job.job_definition for job in aws.started] == ["succeeds", "fails"]


def test_parameters_are_read_once_while_a_class_is_unchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads: list[type] = []
    original: Any = luigi.Task.__dict__["get_params"]

    def get_params(cls: type) -> Any:  # noqa: ANN401 - as Luigi's
        reads.append(cls)
        return original.__func__(cls)

    monkeypatch.setattr(luigi.Task, "get_params", classmethod(get_params))

    class Often(BatchTask):
        job_definition = "etl"
        day = luigi.IntParameter()

    make(Often, day=0)  # Luigi adds an attribute to the class then
    reads.clear()
    for day in range(1, 5):
        assert make(Often, day=day).day == day
    assert len(reads) <= 1


class Defaulted(BatchTask):
    """Counts how often the default of a parameter is read."""

    class Counted(luigi.Parameter):
        """A parameter whose default is always 0."""

        reads = 0

        def task_value(self, task_name: str, param_name: str) -> Any:  # noqa: ANN401 - as Luigi's
            """Count the call."""
            type(self).reads += 1
            return super().task_value(task_name, param_name)  # type: ignore[no-untyped-call]

    job_definition = "etl"
    day = luigi.IntParameter()
    counted = Counted(default="0")


def test_defaults_are_read_once_for_each_new_task() -> None:
    """Luigi reads them to look for an equal task, and again when there is none."""
    Defaulted.Counted.reads = 0
    tasks = [make(Defaulted, day=day) for day in range(3)]
    assert Defaulted.Counted.reads == 3
    assert [(task.day, task.counted) for task in tasks] == [(0, "0"), (1, "0"), (2, "0")]
    assert make(Defaulted, day=1) is tasks[1]


def test_configuration_changed_between_two_equal_tasks_is_used() -> None:
    """Also if the arguments of both are the same objects."""
    day = 10_000
    first = make(Defaulted, day=day)
    with configured("Defaulted", {"counted": "1"}):
        second = make(Defaulted, day=day)
        make(Register.clear_instance_cache)
        third = make(Defaulted, day=day)
    assert [task.counted for task in (first, second, third)] == ["0", "1", "1"]


def test_task_created_in_the_constructor_of_another_has_values_of_its_own() -> None:
    class Outer(Defaulted):
        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as Luigi's
            self.inner = make(Defaulted, day=kwargs["day"], counted="inner")
            super().__init__(*args, **kwargs)

    outer = make(Outer, day=77)
    assert (outer.day, outer.counted) == (77, "0")
    assert (outer.inner.day, outer.inner.counted) == (77, "inner")


def test_attribute_of_a_mixin_replaced_later_is_used() -> None:
    class Plain:
        job_queue: Any = luigi.Parameter(default="night")

    class Mixed(BatchTask, Plain):
        job_definition = "etl"
        size: Any = luigi.Parameter(default="a")

    class Before(Plain, BatchTask):
        job_definition = "etl"

    assert [make(Before).job_queue, make(Mixed).size] == ["night", "a"]
    for name, value in (("job_queue", "day"), ("extra", "x"), ("extra", "y")):
        replacement: Any = luigi.Parameter(default=value)
        if hasattr(replacement, "__set_name__"):
            replacement.__set_name__(Plain, name)
        setattr(Plain, name, replacement)
        assert getattr(make(Mixed if name == "extra" else Before), name) == value
