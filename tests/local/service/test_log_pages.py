"""GetLogEvents: pages, and tokens that stay valid while the stream grows."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from asyncbatch.local import Fault
from tests.local.harness import Json, LocalEngine, open_engine, pass_time

pytestmark = pytest.mark.virtual_time

NOT_FOUND = "ResourceNotFoundException"
INVALID = "InvalidParameterException"
GROUP = "/aws/batch/job"
STREAM = "task/default/1"
START = 1_705_312_800_000


class Reader:
    """A log stream that is written directly and read through the API."""

    def __init__(self, engine: LocalEngine, name: str = STREAM) -> None:
        self.engine = engine
        self.name = name
        self.stream = engine.local.logs.create_stream(GROUP, name)

    def write(
        self, *messages: str, timestamp: int | None = None, delay: float | None = None
    ) -> None:
        """Write events, by default with the current time."""
        for message in messages:
            self.engine.local.logs.append(self.stream, message, timestamp=timestamp, delay=delay)

    async def get(self, **params: Any) -> Json:  # noqa: ANN401 (AWS's own members)
        """Carry out GetLogEvents."""
        response = await self.engine.logs.get_log_events(
            logGroupName=GROUP, logStreamName=self.name, **params
        )
        return dict(response)

    async def messages(self, **params: Any) -> list[str]:  # noqa: ANN401 (AWS's own members)
        """Return the messages of a page."""
        return [event["message"] for event in (await self.get(**params))["events"]]

    async def follow(self, token: str = "", /, **params: Any) -> tuple[list[str], str]:  # noqa: ANN401 (AWS's own members)
        """Read forward to the end; return the messages and the last page's token."""
        found: list[str] = []
        while True:
            extra = {"nextToken": token} if token else {}
            page = await self.get(startFromHead=True, **extra, **params)
            found += [event["message"] for event in page["events"]]
            if page["nextForwardToken"] == token:
                return found, token
            token = page["nextForwardToken"]


async def test_the_last_page_returns_its_own_token_which_later_finds_new_events() -> None:
    async with open_engine() as engine:
        reader = Reader(engine)
        reader.write("a", "b")
        found, token = await reader.follow()
        assert found == ["a", "b"]
        assert await reader.follow(token) == ([], token)
        reader.write("c")
        found, later = await reader.follow(token)
    assert found == ["c"]
    assert later != token


async def test_an_empty_stream_has_a_token_that_later_finds_new_events() -> None:
    async with open_engine() as engine:
        reader = Reader(engine)
        found, token = await reader.follow()
        assert (found, bool(token)) == ([], True)
        reader.write("first")
        assert (await reader.follow(token))[0] == ["first"]


async def test_without_start_from_head_the_newest_page_comes_first() -> None:
    async with open_engine() as engine:
        reader = Reader(engine)
        reader.write(*"abcdefg")
        newest = await reader.get(limit=3)
        older = await reader.get(limit=3, nextToken=newest["nextBackwardToken"])
        oldest = await reader.get(limit=3, nextToken=older["nextBackwardToken"])
        end = await reader.get(limit=3, nextToken=oldest["nextBackwardToken"])
        reader.write("h")
        after = await reader.messages(nextToken=newest["nextForwardToken"], startFromHead=True)
    pages = [
        "".join(event["message"] for event in page["events"]) for page in (newest, older, oldest)
    ]
    assert pages == ["efg", "bcd", "a"]
    assert end["nextBackwardToken"] == oldest["nextBackwardToken"]
    assert end["events"] == []
    assert after == ["h"]


async def test_a_page_holds_at_most_10000_events_or_1_mib() -> None:
    async with open_engine() as engine:
        many, large = Reader(engine, "many"), Reader(engine, "large")
        many.write(*(str(number) for number in range(10_001)))
        large.write(*("x" * 300_000 for _ in range(5)), "é" * 600_000)
        assert len(await many.messages(startFromHead=True)) == 10_000
        assert len((await many.follow())[0]) == 10_001
        assert len(await large.messages(startFromHead=True)) == 3
        assert len(await large.messages()) == 1
        assert len((await large.follow())[0]) == 6


async def test_start_time_is_inclusive_and_end_time_exclusive() -> None:
    async with open_engine() as engine:
        reader = Reader(engine)
        for second in range(5):
            reader.write(str(second), timestamp=START + second * 1000)
        window = {"startTime": START + 1000, "endTime": START + 3000}
        assert await reader.messages(startFromHead=True, **window) == ["1", "2"]
        assert await reader.messages(**window) == ["1", "2"]
        assert (await reader.follow(limit=1, **window))[0] == ["1", "2"]


async def test_a_late_event_with_an_old_timestamp_is_read_exactly_once() -> None:
    async with open_engine() as engine:
        reader = Reader(engine)
        reader.write("noon", "one o'clock", timestamp=START)
        found, token = await reader.follow()
        reader.write("before noon", timestamp=START - 60_000)
        reader.write("two o'clock", timestamp=START + 60_000)
        late, _ = await reader.follow(token)
        everything, _ = await reader.follow()
    assert found == ["noon", "one o'clock"]
    assert late == ["before noon", "two o'clock"]
    assert everything == ["before noon", "noon", "one o'clock", "two o'clock"]


async def test_a_delayed_event_cannot_be_read_before_its_delay_is_over() -> None:
    async with open_engine(log_delay=10) as engine:
        reader = Reader(engine)
        reader.write("slow")
        reader.write("fast", delay=2)
        assert (await reader.follow())[0] == []
        await pass_time(5)
        found, token = await reader.follow()
        assert found == ["fast"]
        await pass_time(5)
        page = await reader.get(nextToken=token, startFromHead=True)
    [event] = page["events"]
    assert event == {"message": "slow", "timestamp": START, "ingestionTime": START + 10_000}


async def test_an_empty_page_with_a_new_token_is_not_the_end() -> None:
    async with open_engine() as engine:
        reader = Reader(engine)
        reader.write(*"abc")
        with engine.local.faults.add("GetLogEvents", Fault.empty_page()) as injected:
            page = await reader.get(startFromHead=True)
            assert page["events"] == []
            found, token = await reader.follow(page["nextForwardToken"])
            assert found == ["a", "b", "c"]
            assert await reader.follow(token) == ([], token)
        assert injected.hits > 1


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"logStreamName": "none"}, NOT_FOUND, "The specified log stream does not exist."),
        ({"logGroupName": "none"}, NOT_FOUND, "The specified log group does not exist."),
        ({"nextToken": "made up"}, INVALID, "The specified nextToken is invalid."),
        ({"limit": 10_001}, INVALID, "between 1 and 10000"),
        ({"logGroupIdentifier": GROUP}, INVALID, "not both"),
    ],
)
async def test_an_invalid_request_fails_with_cloudwatchs_error(
    params: Json, code: str, message: str
) -> None:
    async with open_engine() as engine:
        Reader(engine).write("a")
        with pytest.raises(ClientError) as refused:
            await engine.logs.get_log_events(
                **{"logGroupName": GROUP, "logStreamName": STREAM, **params}
            )
    error = refused.value.response["Error"]
    assert error["Code"] == code
    assert message in error["Message"]


async def test_a_log_group_can_be_given_by_its_arn() -> None:
    async with open_engine() as engine:
        Reader(engine).write("a")
        arn = f"arn:aws:logs:local:000000000000:log-group:{GROUP}"
        response = await engine.logs.get_log_events(logGroupIdentifier=arn, logStreamName=STREAM)
    assert [event["message"] for event in response["events"]] == ["a"]


async def test_streams_and_groups_are_described_in_pages() -> None:
    async with open_engine() as engine:
        for number in range(120):
            Reader(engine, f"s{number:03}").write("x", timestamp=START + 1000 * (120 - number))
        Reader(engine, "quiet")
        pages = engine.logs.get_paginator("describe_log_streams").paginate(logGroupName=GROUP)
        names = [[s["logStreamName"] for s in page["logStreams"]] async for page in pages]
        latest = await engine.logs.describe_log_streams(
            logGroupName=GROUP, orderBy="LastEventTime", descending=True, limit=1
        )
        quiet = await engine.logs.describe_log_streams(
            logGroupName=GROUP, logStreamNamePrefix="quiet"
        )
        engine.local.logs.create_stream("other", "stream")
        groups = await engine.logs.describe_log_groups()
        some = await engine.logs.describe_log_groups(logGroupNamePrefix="/aws")
        with pytest.raises(ClientError, match="LastEventTime"):
            await engine.logs.describe_log_streams(
                logGroupName=GROUP, orderBy="LastEventTime", logStreamNamePrefix="s"
            )
    assert [len(page) for page in names] == [50, 50, 21]
    assert names[0][:2] == ["quiet", "s000"]
    [newest] = latest["logStreams"]
    assert newest["logStreamName"] == "s000"
    assert newest["lastEventTimestamp"] == START + 120_000
    assert "lastEventTimestamp" not in quiet["logStreams"][0]
    assert [group["logGroupName"] for group in groups["logGroups"]] == [GROUP, "other"]
    assert [group["logGroupName"] for group in some["logGroups"]] == [GROUP]
