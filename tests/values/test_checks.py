"""A moment: an aware datetime, or how long ago."""

from datetime import UTC, datetime, timedelta

import pytest

from asyncbatch import InvalidRequest
from asyncbatch._values import checks as check


def test_a_datetime_is_itself() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    assert check.moment("since", moment) is moment


def test_a_duration_is_how_long_ago() -> None:
    before = datetime.now(UTC) - timedelta(minutes=5)
    assert before <= check.moment("since", timedelta(minutes=5)) <= before + timedelta(minutes=1)


def test_a_duration_from_now_on_is_a_mistake() -> None:
    check.moment("since", timedelta())
    with pytest.raises(InvalidRequest, match=r"since=.*must not be negative"):
        check.moment("since", timedelta(hours=-1))


@pytest.mark.parametrize("value", [5, "5m", None, datetime(2026, 1, 2)])  # noqa: DTZ001
def test_anything_else_is_a_mistake(value: object) -> None:
    with pytest.raises(InvalidRequest, match="with a time zone"):
        check.moment("since", value)
