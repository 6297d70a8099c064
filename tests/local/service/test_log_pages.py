"""GetLogEvents: pages, and tokens that stay good while the stream grows."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from asyncbatch.local import Fault
from tests.local.harness import Bench, Json, bench, pass_time

pytestmark = pytest.mark.virtual_time

NOT_FOUND = "ResourceNotFoundException"
INVALID = "InvalidParameterException"
GROUP = "/aws/batch/job"
STREAM = "task/default/1"
START = 1_705_312_800_000


class Reader:
    """One log stream: written by hand, read through the API."""

    def __init__(self, at: Bench, name: str = STREAM) -> None:
        self.at = at
        self.name = name
        self.stream = at.local.logs.create_stream(GROUP, name)

    def write(self, *messages: str, at: int | None = None, delay: float | None = None) -> None:
        """Write events, by default now."""
        for message in messages:
            self.at.local.logs.append(self.stream, message, timestamp=at, delay=delay)

    async def get(self, **params: Any) -> Json:  # noqa: ANN401 (AWS's own members)
        """Carry out GetLogEvents."""
        answer = await self.at.logs.get_log_events(
            logGroupName=GROUP, logStreamName=self.name, **params
        )
        return dict(answer)

    async def messages(self, **params: Any) -> list[str]:  # noqa: ANN401 (AWS's own members)
        """Return the messages of a page."""
        return [event["message"] for event in (await self.get(**params))["events"]]

    async def follow(self, token: str = "", /, **params: Any) -> tuple[list[str], str]:  # noqa: ANN401 (AWS's own members)
        """Read forward to the end; return the messages and the token that stayed the same."""
        found: list[str] = []
        while True:
            extra = {"nextToken": token} if token else {}
            page = await self.get(startFromHead=True, **extra, **params)
            found += [event["message"] for event in page["events"]]
            if page["nextForwardToken"] == token:
                return found, token
            token = page["nextForwardToken"]


async def test_the_end_is_the_token_that_was_passed_and_reading_goes_on_from_it() -> None:
    async with bench() as at:
        reader = Reader(at)
        reader.write("a", "b")
        found, token = await reader.follow()
        assert found == ["a", "b"]
        assert await reader.follow(token) == ([], token)
        reader.write("c")
        found, later = await reader.follow(token)
    assert found == ["c"]
    assert later != token


async def test_an_empty_stream_has_tokens_too() -> None:
    async with bench() as at:
        reader = Reader(at)
        found, token = await reader.follow()
        assert (found, bool(token)) == ([], True)
        reader.write("first")
        assert (await reader.follow(token))[0] == ["first"]


async def test_without_a_direction_the_newest_page_comes_first() -> None:
    async with bench() as at:
        reader = Reader(at)
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


async def test_a_page_holds_ten_thousand_events_or_a_megabyte() -> None:
    async with bench() as at:
        many, large = Reader(at, "many"), Reader(at, "large")
        many.write(*(str(number) for number in range(10_001)))
        large.write(*("x" * 300_000 for _ in range(5)), "é" * 600_000)
        assert len(await many.messages(startFromHead=True)) == 10_000
        assert len((await many.follow())[0]) == 10_001
        assert len(await large.messages(startFromHead=True)) == 3
        assert len(await large.messages()) == 1
        assert len((await large.follow())[0]) == 6


async def test_the_start_is_included_and_the_end_is_not() -> None:
    async with bench() as at:
        reader = Reader(at)
        for second in range(5):
            reader.write(str(second), at=START + second * 1000)
        window = {"startTime": START + 1000, "endTime": START + 3000}
        assert await reader.messages(startFromHead=True, **window) == ["1", "2"]
        assert await reader.messages(**window) == ["1", "2"]
        assert (await reader.follow(limit=1, **window))[0] == ["1", "2"]


async def test_a_late_event_with_an_old_timestamp_is_read_once() -> None:
    async with bench() as at:
        reader = Reader(at)
        reader.write("noon", "one o'clock", at=START)
        found, token = await reader.follow()
        reader.write("before noon", at=START - 60_000)
        reader.write("two o'clock", at=START + 60_000)
        late, _ = await reader.follow(token)
        everything, _ = await reader.follow()
    assert found == ["noon", "one o'clock"]
    assert late == ["before noon", "two o'clock"]
    assert everything == ["before noon", "noon", "one o'clock", "two o'clock"]


async def test_what_is_on_its_way_cannot_be_read_yet() -> None:
    async with bench(log_delay=10) as at:
        reader = Reader(at)
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


async def test_an_empty_page_need_not_be_the_end() -> None:
    async with bench() as at:
        reader = Reader(at)
        reader.write(*"abc")
        with at.local.faults.add("GetLogEvents", Fault.empty_page()) as injected:
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
async def test_a_bad_question_is_answered_in_cloudwatchs_words(
    params: Json, code: str, message: str
) -> None:
    async with bench() as at:
        Reader(at).write("a")
        with pytest.raises(ClientError) as refused:
            await at.logs.get_log_events(
                **{"logGroupName": GROUP, "logStreamName": STREAM, **params}
            )
    error = refused.value.response["Error"]
    assert error["Code"] == code
    assert message in error["Message"]


async def test_a_group_may_be_meant_by_its_arn() -> None:
    async with bench() as at:
        Reader(at).write("a")
        arn = f"arn:aws:logs:local:000000000000:log-group:{GROUP}"
        answer = await at.logs.get_log_events(logGroupIdentifier=arn, logStreamName=STREAM)
    assert [event["message"] for event in answer["events"]] == ["a"]


async def test_streams_and_groups_are_described_in_pages() -> None:
    async with bench() as at:
        for number in range(120):
            Reader(at, f"s{number:03}").write("x", at=START + 1000 * (120 - number))
        Reader(at, "quiet")
        pages = at.logs.get_paginator("describe_log_streams").paginate(logGroupName=GROUP)
        names = [[s["logStreamName"] for s in page["logStreams"]] async for page in pages]
        latest = await at.logs.describe_log_streams(
            logGroupName=GROUP, orderBy="LastEventTime", descending=True, limit=1
        )
        quiet = await at.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="quiet")
        at.local.logs.create_stream("other", "stream")
        groups = await at.logs.describe_log_groups()
        some = await at.logs.describe_log_groups(logGroupNamePrefix="/aws")
        with pytest.raises(ClientError, match="LastEventTime"):
            await at.logs.describe_log_streams(
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
