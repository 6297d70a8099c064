"""FilterLogEvents: events of many streams, in the order of time."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from asyncbatch.local import Fault
from asyncbatch.local._service.log_filter import parse_pattern
from tests.local.harness import Json, LocalEngine, open_engine, pass_time

NOT_FOUND = "ResourceNotFoundException"
INVALID = "InvalidParameterException"
GROUP = "/aws/batch/job"
START = 1_705_312_800_000


def _write(engine: LocalEngine, stream: str, *events: tuple[float, str], delay: float = 0) -> None:
    """Write events, given as pairs of seconds and a message."""
    target = engine.local.logs.create_stream(GROUP, stream)
    for second, message in events:
        engine.local.logs.append(target, message, timestamp=START + int(second * 1000), delay=delay)


async def _read(engine: LocalEngine, **params: Any) -> list[Json]:  # noqa: ANN401 (AWS's own members)
    """Read all pages of FilterLogEvents."""
    found: list[Json] = []
    token: dict[str, str] = {}
    while True:
        response = await engine.logs.filter_log_events(logGroupName=GROUP, **params, **token)
        found += response["events"]
        if "nextToken" not in response:
            return found
        token = {"nextToken": response["nextToken"]}


def _messages(events: list[Json]) -> list[str]:
    return [event["message"] for event in events]


@pytest.mark.virtual_time
async def test_streams_are_interleaved_by_time_then_by_arrival() -> None:
    async with open_engine() as engine:
        _write(engine, "one", (1, "a"), (3, "d"), (3, "e"))
        _write(engine, "two", (2, "b"), (2, "c"), (4, "f"))
        events = await _read(engine)
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
async def test_pages_neither_miss_nor_repeat_events(limit: int) -> None:
    async with open_engine() as engine:
        for stream in range(3):
            _write(
                engine, f"s{stream}", *((second // 2, f"{stream}-{second}") for second in range(9))
            )
        whole = await _read(engine)
        paged = await _read(engine, limit=limit)
    assert len(whole) == 27
    assert paged == whole


@pytest.mark.virtual_time
async def test_streams_are_selected_by_name_or_by_prefix() -> None:
    async with open_engine() as engine:
        for name in ("a1", "a2", "b1"):
            _write(engine, name, (1, name))
        assert _messages(await _read(engine, logStreamNames=["b1", "a1"])) == ["a1", "b1"]
        assert _messages(await _read(engine, logStreamNamePrefix="a")) == ["a1", "a2"]


@pytest.mark.virtual_time
async def test_start_time_is_inclusive_and_end_time_exclusive() -> None:
    async with open_engine() as engine:
        _write(engine, "one", *((second, str(second)) for second in range(5)))
        time_range = {"startTime": START + 1000, "endTime": START + 3000}
        assert _messages(await _read(engine, limit=1, **time_range)) == ["1", "2"]


@pytest.mark.virtual_time
async def test_a_late_event_is_found_by_a_second_search() -> None:
    """How to follow streams: search again from an earlier time and skip known event ids."""
    async with open_engine() as engine:
        _write(engine, "one", (1, "early"), (5, "on time"))
        _write(engine, "one", (2, "late"), delay=10)
        seen = {event["eventId"]: event["message"] for event in await _read(engine)}
        assert list(seen.values()) == ["early", "on time"]
        await pass_time(10)
        again = await _read(engine, startTime=START + 1000)
    assert _messages(again) == ["early", "late", "on time"]
    assert [e["message"] for e in again if e["eventId"] not in seen] == ["late"]


@pytest.mark.virtual_time
async def test_an_empty_page_with_a_token_is_not_the_end() -> None:
    async with open_engine() as engine:
        _write(engine, "one", *((second, str(second)) for second in range(4)))
        with engine.local.faults.add("FilterLogEvents", Fault.empty_page()) as injected:
            assert _messages(await _read(engine, limit=2)) == ["0", "1", "2", "3"]
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
async def test_an_invalid_request_fails_with_cloudwatchs_error(
    params: Json, code: str, message: str
) -> None:
    async with open_engine() as engine:
        _write(engine, "one", (1, "a"))
        with pytest.raises(ClientError) as rejected:
            await engine.logs.filter_log_events(**{"logGroupName": GROUP, **params})
    error = rejected.value.response["Error"]
    assert error["Code"] == code
    assert message in error["Message"]


@pytest.mark.virtual_time
async def test_a_filter_pattern_selects_messages() -> None:
    async with open_engine() as engine:
        _write(engine, "one", (1, "ERROR disk"), (2, "ok"), (3, "ERROR net"))
        assert _messages(await _read(engine, filterPattern="ERROR -net")) == ["ERROR disk"]


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
def test_plain_text_terms_of_a_filter_pattern(pattern: str, message: str, *, matches: bool) -> None:
    assert parse_pattern(pattern)(message) is matches


@given(words=st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=5))
def test_a_message_matches_the_pattern_of_its_own_words(words: list[str]) -> None:
    assert parse_pattern(" ".join(words))(" ".join(words))
