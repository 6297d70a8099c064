"""The text of a task's values in `parameters`, environment and tags."""

import datetime as dt
import enum
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.date_interval import Week

from asyncbatch import InvalidRequest
from asyncbatch_luigi import BatchArrayTask, BatchClient, BatchTask
from asyncbatch_luigi._conversions import as_text
from tests.luigi.support import Aws, make
from tests.luigi.workers import Marked, Workers


class Colour(enum.Enum):
    RED = "red"
    BOTH = ("red", 1)


class Level(enum.IntEnum):
    HIGH = 2


class Unit(enum.StrEnum):
    DAY = "day"


class Mixed(str, enum.Enum):  # noqa: UP042 - as users of Python 3.10 wrote it
    DAY = "day"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Spoken(enum.Enum):
    ONE = 1

    def __str__(self) -> str:
        return "one"


class Index:
    """An integer of another package, such as numpy's."""

    def __index__(self) -> int:
        return 7

    def __repr__(self) -> str:
        return "Index(7)"


# These had the same text before containers became JSON. Live jobs are found by it.
UNCHANGED = {
    "text": ("ab c", "ab c"),
    "integer": (3, "3"),
    "number": (0.5, "0.5"),
    "true": (True, "True"),
    "date": (dt.date(2024, 1, 15), "2024-01-15"),
    "hour": (make(luigi.DateHourParameter().parse, "2024-01-15T06"), "2024-01-15 06:00:00"),
    "duration": (dt.timedelta(hours=25), "1 day, 1:00:00"),
    "week": (make(Week, 2024, 3), "2024-W03"),
    "path": (Path("a/b"), "a/b"),
    "StrEnum": (Unit.DAY, "day"),
    "IntEnum": (Level.HIGH, "2"),
    "enum with __str__": (Spoken.ONE, "one"),
    "object with __repr__": (Index(), "Index(7)"),
}
CONVERTED = {
    "tuple": (("echo", "x"), '["echo", "x"]'),
    "list": ([1, None, True], "[1, null, true]"),
    "dict": ({"a": {"b": [1]}, 2: "c"}, '{"a": {"b": [1]}, "2": "c"}'),
    "set": ({"b", "c", "a"}, '["a", "b", "c"]'),
    "range": (range(2), "[0, 1]"),
    "enum": (Colour.RED, "red"),
    "str enum": (Mixed.DAY, "day"),
    "enum of a tuple": (Colour.BOTH, '["red", 1]'),
    "flags": (Rights.READ | Rights.WRITE, "3"),
    "enums": ((Colour.RED, Level.HIGH, Unit.DAY, Spoken.ONE), '["red", 2, "day", "one"]'),
    "keys": ({Colour.RED: 1, dt.date(2024, 1, 15): 2}, '{"red": 1, "2024-01-15": 2}'),
    "inside": ([dt.date(2024, 1, 15), Path("a"), Index()], '["2024-01-15", "a", 7]'),
    "other numbers": ([Fraction(1, 3)], '["1/3"]'),
    "not ASCII": (["grün"], '["gr\\u00fcn"]'),
}


@pytest.mark.parametrize("case", UNCHANGED)
def test_text_of_a_value_never_changes(case: str) -> None:
    value, text = UNCHANGED[case]
    assert as_text("parameters", {"it": value}) == {"it": text}


@pytest.mark.parametrize("case", CONVERTED)
def test_containers_become_json_and_enums_their_value(case: str) -> None:
    value, text = CONVERTED[case]
    assert as_text("parameters", {"it": value}) == {"it": text}


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (None, "must have a value"),
        ([float("nan")], "no NaN"),
        ({"a": float("inf")}, "no infinite numbers"),
        (object(), "no text of its own"),
        ([object()], "no text of its own"),
    ],
)
def test_value_without_text_is_reported_with_its_name(value: object, rule: str) -> None:
    with pytest.raises(InvalidRequest, match=rule) as caught:
        as_text("parameters", {"it": value})
    assert caught.value.field == "parameters['it']"
    assert "0x" not in str(caught.value)


class OfEachKind(Marked):
    """Passes the value of each kind of Luigi parameter on."""

    words: Any = luigi.ListParameter(default=("echo", "x"))
    options: Any = luigi.DictParameter(default={"retries": 3, "tables": ["a", "b"]})
    pairs: Any = luigi.TupleParameter(default=((1, 2), (3, 4)))
    colour: Any = luigi.EnumParameter(enum=Colour, default=Colour.RED)
    colours: Any = luigi.EnumListParameter(enum=Colour, default=(Colour.RED,))
    day: Any = luigi.DateParameter(default=dt.date(2024, 1, 15))
    pause: Any = luigi.TimeDeltaParameter(default=dt.timedelta(minutes=5))
    is_on: Any = luigi.BoolParameter(default=True)

    @property
    def parameters(self) -> Mapping[str, object]:
        names = ("words", "options", "pairs", "colour", "colours", "day", "pause", "is_on")
        return {name: getattr(self, name) for name in names}

    @property  # type: ignore[misc] # mypy treats Luigi's tasks as dataclasses
    def job_environment(self) -> Mapping[str, object]:
        return {"WORDS": self.words, "COLOUR": self.colour}


def test_each_kind_of_luigi_parameter_can_be_passed_on(aws: Aws, workers: Workers) -> None:
    workers.run(make(OfEachKind))
    [job] = aws.started
    assert job.parameters == {
        "words": '["echo", "x"]',
        "options": '{"retries": 3, "tables": ["a", "b"]}',
        "pairs": "[[1, 2], [3, 4]]",
        "colour": "red",
        "colours": '["red"]',
        "day": "2024-01-15",
        "pause": "0:05:00",
        "is_on": "True",
    }
    assert (job.environment["WORDS"], job.environment["COLOUR"]) == ('["echo", "x"]', "red")


def test_children_and_batch_client_convert_in_the_same_way(aws: Aws) -> None:
    class Load(BatchArrayTask):
        job_definition = "succeeds"
        job_command = ("true",)
        poll_time = 0
        children = ({"WORDS": ["a"]},)

    make(Load).run()
    BatchClient(poll_time=0).submit_job("succeeds", {"words": ["a"]})
    assert aws.started[0].environment["WORDS"] == '["a"]'
    submitted = aws.call("describe_jobs", jobs=[aws.local.ledger.submissions[1].job_id])
    assert submitted["jobs"][0]["parameters"] == {"words": '["a"]'}


def test_object_that_is_shown_by_its_address_is_refused_in_a_task() -> None:
    class Shown(BatchTask):
        job_definition = "etl"

        @property
        def parameters(self) -> Mapping[str, object]:
            return {"it": object()}

    with pytest.raises(InvalidRequest, match="no text of its own"):
        make(Shown).run()
