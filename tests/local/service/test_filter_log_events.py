"""FilterLogEvents: many streams in one call, in the order of time."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from asyncbatch.local import Fault
from asyncbatch.local._service.log_filter import parse_pattern
from tests.local.harness import Bench, Json, bench, pass_time

NOT_FOUND = "ResourceNotFoundException"
INVALID = "InvalidParameterException"
GROUP = "/aws/batch/job"
START = 1_705_312_800_000


def _write(at: Bench, stream: str, *events: tuple[float, str], delay: float = 0) -> None:
    """Write events: pairs of seconds and a message."""
    target = at.local.logs.create_stream(GROUP, stream)
    for second, message in events:
        at.local.logs.append(target, message, timestamp=START + int(second * 1000), delay=delay)


async def _read(at: Bench, **params: Any) -> list[Json]:  # noqa: ANN401 (AWS's own members)
    """Read all pages of FilterLogEvents."""
    found: list[Json] = []
    token: dict[str, str] = {}
    while True:
        answer = await at.logs.filter_log_events(logGroupName=GROUP, **params, **token)
        found += answer["events"]
        if "nextToken" not in answer:
            return found
        token = {"nextToken": answer["nextToken"]}


def _messages(events: list[Json]) -> list[str]:
    return [event["message"] for event in events]


@pytest.mark.virtual_time
async def test_streams_are_interleaved_by_time_then_by_arrival() -> None:
    async with bench() as at:
        _write(at, "one", (1, "a"), (3, "d"), (3, "e"))
        _write(at, "two", (2, "b"), (2, "c"), (4, "f"))
        events = await _read(at)
    assert _messages(events) == list("abcdef")
    assert [event["logStreamName"] for event in events] == [
        "one",
        "two",
        "two",
        "one",
        "one",
        "two",
    ]
    assert len({event["eventId"] for event in events}) == 6


@pytest.mark.virtual_time
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_split_nothing_and_repeat_nothing(limit: int) -> None:
    async with bench() as at:
        for stream in range(3):
            _write(at, f"s{stream}", *((second // 2, f"{stream}-{second}") for second in range(9)))
        whole = await _read(at)
        paged = await _read(at, limit=limit)
    assert len(whole) == 27
    assert paged == whole


@pytest.mark.virtual_time
async def test_streams_are_chosen_by_name_or_by_prefix() -> None:
    async with bench() as at:
        for name in ("a1", "a2", "b1"):
            _write(at, name, (1, name))
        assert _messages(await _read(at, logStreamNames=["b1", "a1"])) == ["a1", "b1"]
        assert _messages(await _read(at, logStreamNamePrefix="a")) == ["a1", "a2"]


@pytest.mark.virtual_time
async def test_the_window_has_its_start_and_not_its_end() -> None:
    async with bench() as at:
        _write(at, "one", *((second, str(second)) for second in range(5)))
        window = {"startTime": START + 1000, "endTime": START + 3000}
        assert _messages(await _read(at, limit=1, **window)) == ["1", "2"]


@pytest.mark.virtual_time
async def test_what_arrives_late_is_found_by_looking_again() -> None:
    """The recipe for following: read again from a while ago, tell events apart by their ids."""
    async with bench() as at:
        _write(at, "one", (1, "early"), (5, "on time"))
        _write(at, "one", (2, "late"), delay=10)
        seen = {event["eventId"]: event["message"] for event in await _read(at)}
        assert list(seen.values()) == ["early", "on time"]
        await pass_time(10)
        again = await _read(at, startTime=START + 1000)
    assert _messages(again) == ["early", "late", "on time"]
    assert [e["message"] for e in again if e["eventId"] not in seen] == ["late"]


@pytest.mark.virtual_time
async def test_an_empty_page_with_a_token_is_not_the_end() -> None:
    async with bench() as at:
        _write(at, "one", *((second, str(second)) for second in range(4)))
        with at.local.faults.add("FilterLogEvents", Fault.empty_page()) as injected:
            assert _messages(await _read(at, limit=2)) == ["0", "1", "2", "3"]
        assert injected.hits > 1


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"logStreamNames": ["none"]}, NOT_FOUND, "The specified log stream does not exist."),
        ({"logGroupName": "none"}, NOT_FOUND, "The specified log group does not exist."),
        ({"logStreamNames": ["one"] * 101}, INVALID, "less than or equal to 100"),
        ({"logStreamNames": ["one"], "logStreamNamePrefix": "o"}, INVALID, "not both"),
        ({"nextToken": "made up"}, INVALID, "nextToken is invalid"),
        ({"limit": 10_001}, INVALID, "between 1 and 10000"),
        ({"filterPattern": "{ $.a = 1 }"}, INVALID, "plain-text terms only"),
    ],
)
async def test_a_bad_question_is_answered_in_cloudwatchs_words(
    params: Json, code: str, message: str
) -> None:
    async with bench() as at:
        _write(at, "one", (1, "a"))
        with pytest.raises(ClientError) as refused:
            await at.logs.filter_log_events(**{"logGroupName": GROUP, **params})
    error = refused.value.response["Error"]
    assert error["Code"] == code
    assert message in error["Message"]


@pytest.mark.virtual_time
async def test_a_pattern_selects_messages() -> None:
    async with bench() as at:
        _write(at, "one", (1, "ERROR disk"), (2, "ok"), (3, "ERROR net"))
        assert _messages(await _read(at, filterPattern="ERROR -net")) == ["ERROR disk"]


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("one two", "two and one", True),
        ("one two", "only one", False),
        ("One", "one", False),
        ('"one two"', "one two", True),
        ('"one two"', "one and two", False),
        (r'"say \"hi\""', 'I say "hi"', True),
        ("?one ?two", "just two", True),
        ("?one ?two", "neither", False),
        ("one -two", "one", True),
        ("one -two", "one two", False),
        ('-"a b"', "a c b", True),
    ],
)
def test_plain_text_terms(pattern: str, message: str, *, matches: bool) -> None:
    assert parse_pattern(pattern)(message) is matches


@given(words=st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=5))
def test_a_message_matches_the_pattern_of_its_own_words(words: list[str]) -> None:
    assert parse_pattern(" ".join(words))(" ".join(words))
