"""Values of wrong types or beyond all limits raise InvalidRequest with field, value and rule."""

import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from asyncbatch import AsyncBatchClient, InvalidRequest, Job, JobRequest, PollPolicy, RetryStrategy
from asyncbatch._values import checks as check
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time

HUGE = 10**400

FIELDS: list[tuple[str, Any]] = [
    *(("command", value) for value in (5, b"sh", {"sh": "-c"}, [5], "")),
    *(("depends_on", value) for value in (5, None, {"a": 1}, b"x", [5])),
    *(("environment", value) for value in (5, None, ["A=1"])),
    *(("parameters", value) for value in (5, None)),
    *(("tags", value) for value in (5, None, {1: "a"})),
    *(("vcpus", value) for value in (HUGE, "1", math.nan, math.inf, True)),
    *(("memory_mib", value) for value in ("4", 4.0, True)),
    *(("extra", value) for value in (5, None, {1: 2})),
    *(("retry", value) for value in ("x", "spot:", "\u00b2", "9" * 5_000)),
    *(("attempt_timeout", value) for value in (60, math.nan)),
]


@pytest.mark.parametrize(("field", "value"), FIELDS, ids=lambda value: repr(value)[:30])
def test_field_of_a_wrong_type_raises_invalid_request(field: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        JobRequest("etl", **{field: value})  # type: ignore[arg-type]
    assert caught.value.field.partition("[")[0].partition(".")[0] == field
    assert caught.value.rule


@pytest.mark.parametrize("rules", [5, "x", {"a": 1}, [5]])
def test_rules_of_a_wrong_type_raise_invalid_request(rules: Any) -> None:  # noqa: ANN401
    with pytest.raises(InvalidRequest, match="evaluate_on_exit"):
        RetryStrategy(attempts=2, evaluate_on_exit=rules)


def test_number_beyond_all_floats_raises_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match="max_interval"):
        PollPolicy(max_interval=HUGE)


@pytest.mark.parametrize("since", [timedelta.max, timedelta(days=999_999)])
def test_time_before_the_year_1_raises_invalid_request(since: timedelta) -> None:
    with pytest.raises(InvalidRequest, match="before the year 1"):
        check.moment("since", since)


Use = Callable[[AsyncBatchClient, Job], Awaitable[object]]
CALLS: dict[str, tuple[str, Use]] = {
    "status=5": ("status", lambda b, _: b.find(status=5)),  # type: ignore[arg-type]
    "status=[5]": ("status", lambda b, _: b.find(status=[5])),  # type: ignore[list-item]
    "queue empty": ("queue", lambda b, _: b.find(queue="")),
    "queue=5": ("queue", lambda b, _: b.find(queue=5)),  # type: ignore[arg-type]
    "name empty": ("name", lambda b, _: b.find(name="")),
    "max_in_flight text": ("max_in_flight", lambda b, _: b.run([], max_in_flight="3")),  # type: ignore[arg-type]
    "max_in_flight True": ("max_in_flight", lambda b, _: b.run([], max_in_flight=True)),
    "max_in_flight 1.5": ("max_in_flight", lambda b, _: b.run([], max_in_flight=1.5)),  # type: ignore[arg-type]
    "max_in_flight 0": ("max_in_flight", lambda b, _: b.run([], max_in_flight=0)),
    "coalesce text": ("coalesce", lambda b, _: b.run([], coalesce="no")),  # type: ignore[arg-type]
    "check text": ("check", lambda b, _: b.run([], check="no")),  # type: ignore[arg-type]
    "many coalesce": ("coalesce", lambda b, _: b.submit_many([], coalesce="no")),  # type: ignore[arg-type]
    "follow text": ("follow", lambda _, job: anext(job.logs(follow="no"))),  # type: ignore[arg-type]
    "since": ("since", lambda _, job: anext(job.logs(since=timedelta.max))),
}


@pytest.mark.parametrize("case", CALLS)
async def test_argument_of_a_wrong_type_raises_invalid_request(case: str, bench: MakeBench) -> None:
    field, use = CALLS[case]
    async with bench() as b:
        job = await b.batch.submit("hello")
        with pytest.raises(InvalidRequest) as caught:
            await use(b.batch, job)
    assert caught.value.field == field
