"""`checks.moment`: an aware datetime, or a timedelta that counts back from now."""

from datetime import UTC, datetime, timedelta

import pytest

from asyncbatch import InvalidRequest
from asyncbatch._values import checks as check


def test_moment_of_an_aware_datetime_is_that_datetime() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    assert check.moment("since", moment) is moment


def test_moment_of_a_timedelta_counts_back_from_now() -> None:
    before = datetime.now(UTC) - timedelta(minutes=5)
    assert before <= check.moment("since", timedelta(minutes=5)) <= before + timedelta(minutes=1)


def test_moment_of_a_negative_timedelta_raises_invalid_request() -> None:
    check.moment("since", timedelta())
    with pytest.raises(InvalidRequest, match=r"since=.*must not be negative"):
        check.moment("since", timedelta(hours=-1))


@pytest.mark.parametrize("value", [5, "5m", None, datetime(2026, 1, 2)])  # noqa: DTZ001
def test_moment_of_another_value_raises_invalid_request(value: object) -> None:
    with pytest.raises(InvalidRequest, match="with a time zone"):
        check.moment("since", value)
