"""Settings: which values they accept, and what they compute."""

import random
from dataclasses import fields
from typing import Any

import pytest

from asyncbatch import InvalidRequest, LogPolicy, PollPolicy, RateLimits
from asyncbatch._values.policies import Backoff

NAN, INFINITE = float("nan"), float("inf")


class Middle(random.Random):
    """Returns the middle of every range, so that there is no jitter."""

    def random(self) -> float:
        return 0.5


ALL_LIMITS = [field.name for field in fields(RateLimits)]


def policy_with(field: str) -> Any:  # noqa: ANN401
    """Return the class that has a field."""
    kinds = (PollPolicy, LogPolicy, RateLimits)
    return next(kind for kind in kinds if field in {each.name for each in fields(kind)})


OF_THE_REGION = ["log_events_per_second", "filter_log_events_per_second"]


@pytest.mark.parametrize("field", OF_THE_REGION)
def test_log_rate_limit_of_none_is_accepted(field: str) -> None:
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
def test_value_that_is_not_above_zero_raises_invalid_request(field: str, value: Any) -> None:  # noqa: ANN401
    policy = policy_with(field)
    with pytest.raises(InvalidRequest, match=f"{field}=.*a number above 0"):
        policy(**{field: value})


@pytest.mark.parametrize("field", ["growth", "missing_grace", "unknown_grace", "drain"])
@pytest.mark.parametrize("value", [-0.1, NAN, INFINITE, False, "1", None])
def test_negative_value_raises_invalid_request(field: str, value: Any) -> None:  # noqa: ANN401
    policy = policy_with(field)
    policy(**{field: 0})
    with pytest.raises(InvalidRequest, match=f"{field}=.*a number of 0 or more"):
        policy(**{field: value})


@pytest.mark.parametrize("value", [-0.1, 1.1, NAN, "1", None])
def test_jitter_outside_of_0_to_1_raises_invalid_request(value: Any) -> None:  # noqa: ANN401
    PollPolicy(jitter=0)
    PollPolicy(jitter=1)
    with pytest.raises(InvalidRequest, match=r"jitter=.*0 to 1"):
        PollPolicy(jitter=value)


@pytest.mark.parametrize("value", [-1, 1.5, True, None])
def test_failure_lines_that_is_not_a_whole_number_raises_invalid_request(value: Any) -> None:  # noqa: ANN401
    LogPolicy(failure_lines=0)
    with pytest.raises(InvalidRequest, match=r"failure_lines=.*must be an integer"):
        LogPolicy(failure_lines=value)


def test_max_interval_below_min_interval_raises_invalid_request() -> None:
    PollPolicy(min_interval=5, max_interval=5)
    with pytest.raises(
        InvalidRequest, match="max_interval=4: must be at least min_interval, which is"
    ):
        PollPolicy(min_interval=5, max_interval=4)


@pytest.mark.parametrize(
    ("age", "interval"), [(0, 1.0), (20, 1.0), (100, 5.0), (300, 15.0), (86_400, 15.0)]
)
def test_polling_interval_grows_with_the_time_since_the_last_change(
    age: float, interval: float
) -> None:
    policy = PollPolicy(min_interval=1, max_interval=15, growth=0.05)
    assert policy.interval(age, Middle()) == pytest.approx(interval)


@pytest.mark.parametrize(
    ("tries", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (10_000, 30.0)]
)
def test_backoff_doubles_up_to_its_maximum(tries: int, longest: float) -> None:
    assert Backoff().delay(tries, Middle()) == pytest.approx(0.75 * longest)


def test_default_submit_rate_is_below_the_quota_of_aws() -> None:
    """The quota of 50 SubmitJob calls per second is shared by all programs of an account."""
    assert RateLimits().submit_per_second < 50


@pytest.mark.parametrize(
    ("operation", "region", "rate"),
    [
        ("GetLogEvents", "us-east-1", 20.0),
        ("GetLogEvents", "eu-west-1", 8.0),
        ("GetLogEvents", "mars-north-1", 20.0),
        ("FilterLogEvents", "us-east-1", 20.0),
        ("FilterLogEvents", "eu-west-1", 8.0),
        ("FilterLogEvents", "eu-central-1", 4.0),
    ],
)
def test_default_log_rate_is_80_percent_of_the_quota_of_the_region(
    operation: str, region: str, rate: float
) -> None:
    assert RateLimits().logs_per_second(operation, region) == pytest.approx(rate)


def test_configured_log_rate_applies_in_every_region() -> None:
    limits = RateLimits(log_events_per_second=3, filter_log_events_per_second=2)
    assert limits.logs_per_second("GetLogEvents", "us-east-1") == 3
    assert limits.logs_per_second("FilterLogEvents", "eu-central-1") == 2
