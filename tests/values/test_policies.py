"""The numbers that users may turn: what they allow, and their arithmetic."""

import random
from dataclasses import fields
from typing import Any

import pytest

from asyncbatch import InvalidRequest, LogPolicy, PollPolicy, RateLimits
from asyncbatch._values.policies import Backoff

NAN, INFINITE = float("nan"), float("inf")


class Middle(random.Random):
    """Draws the middle of every range, so that jitter does not hide the rest."""

    def random(self) -> float:
        return 0.5


ALL_LIMITS = [field.name for field in fields(RateLimits)]


def policy_with(field: str) -> Any:  # noqa: ANN401
    """Return the class that has a field."""
    kinds = (PollPolicy, LogPolicy, RateLimits)
    return next(kind for kind in kinds if field in {each.name for each in fields(kind)})


OF_THE_REGION = ["log_events_per_second", "filter_log_events_per_second"]


@pytest.mark.parametrize("field", OF_THE_REGION)
def test_these_may_be_left_to_the_region(field: str) -> None:
    unset: Any = {field: None}
    assert getattr(RateLimits(**unset), field) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, value)
        for field in ("min_interval", "max_interval", "interval", *ALL_LIMITS)
        for value in (0, -1.0, NAN, INFINITE, True, "1", None)
        if value is not None or field not in OF_THE_REGION
    ],
)
def test_what_must_be_above_zero(field: str, value: Any) -> None:  # noqa: ANN401
    policy = policy_with(field)
    with pytest.raises(InvalidRequest, match=f"{field}=.*a number above 0"):
        policy(**{field: value})


@pytest.mark.parametrize("field", ["growth", "missing_grace", "unknown_grace", "drain"])
@pytest.mark.parametrize("value", [-0.1, NAN, INFINITE, False, "1", None])
def test_what_may_be_zero(field: str, value: Any) -> None:  # noqa: ANN401
    policy = policy_with(field)
    policy(**{field: 0})
    with pytest.raises(InvalidRequest, match=f"{field}=.*a number of 0 or more"):
        policy(**{field: value})


@pytest.mark.parametrize("value", [-0.1, 1.1, NAN, "1", None])
def test_jitter_is_a_share(value: Any) -> None:  # noqa: ANN401
    PollPolicy(jitter=0)
    PollPolicy(jitter=1)
    with pytest.raises(InvalidRequest, match=r"jitter=.*0 to 1"):
        PollPolicy(jitter=value)


@pytest.mark.parametrize("value", [-1, 1.5, True, None])
def test_lines_are_counted_in_whole_numbers(value: Any) -> None:  # noqa: ANN401
    LogPolicy(failure_lines=0)
    with pytest.raises(InvalidRequest, match=r"failure_lines=.*must be an integer"):
        LogPolicy(failure_lines=value)


def test_the_latest_look_is_not_before_the_soonest() -> None:
    PollPolicy(min_interval=5, max_interval=5)
    with pytest.raises(
        InvalidRequest, match="max_interval=4: must be at least min_interval, which is"
    ):
        PollPolicy(min_interval=5, max_interval=4)


@pytest.mark.parametrize(
    ("age", "interval"), [(0, 1.0), (20, 1.0), (100, 5.0), (300, 15.0), (86_400, 15.0)]
)
def test_an_unchanged_job_is_looked_at_ever_later(age: float, interval: float) -> None:
    policy = PollPolicy(min_interval=1, max_interval=15, growth=0.05)
    assert policy.interval(age, Middle()) == pytest.approx(interval)


@pytest.mark.parametrize(
    ("tries", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (10_000, 30.0)]
)
def test_waits_between_tries_double_up_to_a_bound(tries: int, longest: float) -> None:
    assert Backoff().delay(tries, Middle()) == pytest.approx(0.75 * longest)


def test_the_default_pace_leaves_room_below_awss_quota() -> None:
    """50 SubmitJob calls a second are all that an account has; others need some as well."""
    assert RateLimits().submit_per_second < 50


@pytest.mark.parametrize(
    ("operation", "region", "pace"),
    [
        ("GetLogEvents", "us-east-1", 20.0),
        ("GetLogEvents", "eu-west-1", 8.0),
        ("GetLogEvents", "mars-north-1", 20.0),
        ("FilterLogEvents", "us-east-1", 20.0),
        ("FilterLogEvents", "eu-west-1", 8.0),
        ("FilterLogEvents", "eu-central-1", 4.0),
    ],
)
def test_logs_are_read_within_the_quota_of_the_region(
    operation: str, region: str, pace: float
) -> None:
    assert RateLimits().logs_per_second(operation, region) == pytest.approx(pace)


def test_a_pace_of_ones_own_counts_in_every_region() -> None:
    limits = RateLimits(log_events_per_second=3, filter_log_events_per_second=2)
    assert limits.logs_per_second("GetLogEvents", "us-east-1") == 3
    assert limits.logs_per_second("FilterLogEvents", "eu-central-1") == 2
