"""`Walk`: when the pages of one read have come to their end."""

from typing import Any

import pytest

from asyncbatch._logs.decoding import page_of
from asyncbatch._logs.pages import Step, Walk


def steps(*pages: list[dict[str, Any]]) -> list[Step]:
    """Return what each page means; each has a token that was not used before."""
    walk = Walk()
    return [walk.step(page_of({"events": events}), str(n)) for n, events in enumerate(pages)]


@pytest.mark.parametrize("event", [{"eventId": "1"}, {}])
def test_page_with_the_events_of_the_previous_one_is_repeated(event: dict[str, Any]) -> None:
    page = [{"timestamp": 1, "message": "a", **event}]
    assert steps(page, page) == [Step.ON, Step.REPEATED]


def test_page_with_the_same_event_ids_is_repeated_whatever_else_changes() -> None:
    pages = [[{"timestamp": n, "message": "a", "eventId": "1"}] for n in range(3)]
    assert steps(*pages) == [Step.ON, Step.REPEATED, Step.REPEATED]


def test_equal_lines_with_ids_of_their_own_are_new_events() -> None:
    pages = [[{"timestamp": 1, "message": "a", "eventId": str(n)}] for n in range(3)]
    assert steps(*pages) == [Step.ON] * 3
