"""Logs of many jobs: merged, few calls, every line once, each stream in order."""

import asyncio
import random
from collections import Counter
from typing import Any

import anyio
import pytest

from asyncbatch import (
    Job,
    JobRequest,
    JobStatus,
    LogEvent,
    RateLimits,
    RequestThrottled,
)
from asyncbatch._logs import feed
from asyncbatch.local import Fault, Launch, Quotas, Script
from tests.fixtures.bench import Bench, MakeBench
from tests.logs.jobs import (
    SECONDS,
    assert_all_once_in_order,
    chatty,
    collect,
    lines_by_job,
    submit,
)

pytestmark = pytest.mark.virtual_time


async def test_logs_of_many_jobs_take_few_calls_and_are_yielded_soon(bench: MakeBench) -> None:
    events: list[LogEvent] = []
    delays: list[float] = []  # seconds since a line was readable
    async with bench(chatty, log_delay=3) as b:
        jobs = await submit(b)
        async for event in b.batch.logs(jobs):
            assert event.ingestion_time is not None
            events.append(event)
            delays.append(_now() - event.ingestion_time.timestamp())
        assert_all_once_in_order(jobs, events)
        # 120 streams are two calls per read, for 40 s and the drain; one call each would be 120.
        assert b.local.calls["FilterLogEvents"] <= 2 * (SECONDS + 40)
        assert b.local.calls["GetLogEvents"] <= 60
    delays.sort()
    assert delays[len(delays) // 2] < 2.5
    assert delays[int(len(delays) * 0.99)] < 6


def _now() -> float:
    loop: Any = asyncio.get_running_loop()
    return float(loop.epoch + loop.time())


async def test_followers_of_single_jobs_share_calls(bench: MakeBench) -> None:
    events: list[LogEvent] = []

    async def follow(job: Job) -> None:
        events.extend([event async for event in job.logs()])

    async with bench(chatty) as b:
        jobs = await submit(b)
        async with anyio.create_task_group() as group:
            for job in jobs:
                group.start_soon(follow, job)
        assert_all_once_in_order(jobs, events)
        assert b.local.calls["FilterLogEvents"] <= 2 * (SECONDS + 40)


async def test_logs_of_ended_jobs_take_few_calls(bench: MakeBench) -> None:
    async with bench(chatty) as b:
        jobs = await submit(b)
        await b.batch.run([])
        for job in jobs:
            await job
        before = Counter(b.local.calls)
        events = [event async for event in b.batch.logs(jobs, follow=False)]
        assert_all_once_in_order(jobs, events)
        spent = Counter(b.local.calls) - before
        assert spent["FilterLogEvents"] <= 8
        assert spent["GetLogEvents"] <= 20


FAULTS: dict[str, dict[str, Fault]] = {
    "throttled": {"FilterLogEvents": Fault.throttle(probability=0.5)},
    "5xx": {"FilterLogEvents": Fault.server_error(probability=0.3)},
    "dropped": {"FilterLogEvents": Fault.drop_after(probability=0.3)},
    "truncated": {"FilterLogEvents": Fault.truncated(probability=0.3)},
    "slow": {"FilterLogEvents": Fault.latency(4)},
    "empty pages": {"FilterLogEvents": Fault.empty_page(probability=0.5)},
    "all of GetLogEvents": {"GetLogEvents": Fault.throttle(probability=0.5)},
    "filtering denied": {"FilterLogEvents": Fault.error("AccessDeniedException", "no")},
    "filtering denied later": {
        "FilterLogEvents": Fault.error("AccessDeniedException", "no", probability=0.02)
    },
    "token expired": {
        "GetLogEvents": Fault.error(
            "InvalidParameterException", "The specified nextToken is invalid.", probability=0.1
        )
    },
}


@pytest.mark.parametrize("name", FAULTS)
async def test_faults_lose_and_repeat_no_line(bench: MakeBench, name: str) -> None:
    async with bench(chatty, log_delay=2) as b:
        jobs = await submit(b, 20)
        events: list[LogEvent] = []
        async with anyio.create_task_group() as group:
            group.start_soon(collect, b.batch.logs(jobs), events)
            await jobs[0].wait(until=JobStatus.RUNNING)
            await anyio.sleep(5)
            for operation, fault in FAULTS[name].items():
                b.local.faults.add(operation, fault)
        assert_all_once_in_order(jobs, events)


async def test_late_and_unordered_events_are_yielded_once(bench: MakeBench) -> None:
    """Some batches of a log agent take 40 s, so their lines arrive after later ones."""
    rng = random.Random(3)
    written: Counter[tuple[str, str]] = Counter()
    async with bench(Script(duration=200)) as b:
        jobs = await submit(b, 20)
        events: list[LogEvent] = []

        async def write() -> None:
            for job in jobs:
                await job.wait(until=JobStatus.RUNNING)
            for second in range(45):
                for job in jobs:
                    delay = rng.choice([1.0, 2.0, 2.0, 40.0])
                    text = f"{second} {rng.randrange(3)}"
                    _write(b, job, text, delay)
                    _write(b, job, text, delay)  # the same message at the same time
                    written[job.id, text] += 2
                await anyio.sleep(1)

        async with anyio.create_task_group() as group:
            group.start_soon(write)
            events = [event async for event in b.batch.logs(jobs)]
    assert Counter((event.job_id, event.message) for event in events) == written


def _write(b: Bench, job: Job, text: str, delay: float) -> None:
    assert job.description is not None
    name = job.description.containers[0].log_stream_name
    assert name is not None
    stream = b.local.logs.create_stream("/aws/batch/job", name)
    b.local.logs.append(stream, text, delay=delay)


MANY = 22_000  # lines; more than a feed holds


async def test_slow_consumer_does_not_delay_others(bench: MakeBench) -> None:
    """A consumer that waits 60 s after each of its first lines still gets every line once."""
    slow: list[LogEvent] = []
    quick: list[LogEvent] = []
    ended: dict[str, float] = {}

    def script(launch: Launch) -> Script:
        lines = [(t // 100 / 5, f"{launch.name} {t}") for t in range(MANY)]
        return Script(duration=MANY / 500 + 1, lines=lines)

    async with bench(script) as b:
        jobs = await submit(b, 2)

        async def consume(job: Job, into: list[LogEvent], naps: int) -> None:
            async for event in job.logs():
                into.append(event)
                if len(into) <= naps:
                    await anyio.sleep(60)
            ended[job.name] = anyio.current_time()

        async with anyio.create_task_group() as group:
            group.start_soon(consume, jobs[0], slow, 20)
            group.start_soon(consume, jobs[1], quick, 0)
    for name, events in (("j0", slow), ("j1", quick)):
        assert [event.message for event in events] == [f"{name} {t}" for t in range(MANY)]
    assert ended["j1"] < ended["j0"] - 600


async def test_remembered_events_do_not_grow_over_time(bench: MakeBench) -> None:
    """Only the events of about a minute are remembered, however long a log is followed."""
    seconds = 240
    lines = [(float(t), str(t)) for t in range(seconds)]
    remembered: list[int] = []
    async with bench(Script(duration=seconds + 1, lines=lines), log_delay=3) as b:
        jobs = await submit(b, 12)
        count = 0
        async for _ in b.batch.logs(jobs):
            count += 1
            if count % (12 * 40) == 0:
                [hub] = b.session.logs._hubs.values()
                remembered.append(sum(len(cursor.window) for cursor in hub._cursors))
    assert len(remembered) == 6
    assert max(remembered[1:]) <= 12 * 75


async def test_events_held_for_a_slow_consumer_are_bounded(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[feed.Feed] = []
    init = feed.Feed.__init__

    def remember(self: feed.Feed) -> None:
        init(self, limit=500)
        made.append(self)

    monkeypatch.setattr(feed.Feed, "__init__", remember)
    async with bench(chatty) as b:
        jobs = await submit(b, 40)
        for job in jobs:
            await job
        held: list[int] = []
        events: list[LogEvent] = []
        async for event in b.batch.logs(jobs):
            events.append(event)
            held.append(len(made[0]._events))
            if len(events) % 100 == 0:
                await anyio.sleep(3)
    assert_all_once_in_order(jobs, events)
    assert max(held) < 500 + 40 * SECONDS  # the limit, and the page under way


INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"


async def test_array_job_yields_labelled_lines_of_its_children(bench: MakeBench) -> None:
    def script(launch: Launch) -> Script:
        return Script(duration=5, lines=[(t, f"{launch.environment[INDEX]} {t}") for t in range(3)])

    async with bench(script) as b:
        array = await b.batch.submit_array("hello", size=30)
        events = [event async for event in array.logs()]
        assert Counter(event.label for event in events) == {f"[{n}]": 3 for n in range(30)}
        assert all(event.message.startswith(f"{event.array_index} ") for event in events)
        again = [event async for event in array.logs(follow=False)]
        assert Counter(e.message for e in again) == Counter(e.message for e in events)
        last = [event async for event in array.logs(follow=False, tail=1)]
        assert sorted(e.message for e in last) == sorted(f"{n} 2" for n in range(30))


async def test_tail_with_follow_continues_with_new_lines(bench: MakeBench) -> None:
    async with bench(chatty) as b:
        [job] = await submit(b, 1)
        await job.wait(until=JobStatus.RUNNING)
        await anyio.sleep(20)
        seen = [event.message async for event in job.logs(tail=5)]
        assert seen == [f"j0 {t}" for t in range(SECONDS - len(seen), SECONDS)]
        assert 20 <= len(seen) <= 32


async def test_all_attempts_of_many_jobs_are_yielded_in_order(bench: MakeBench) -> None:
    def script(launch: Launch) -> Script:
        lines = [(t, f"{launch.attempt}.{t}") for t in range(5)]
        return Script(duration=6, exit_code=0 if launch.attempt == 3 else 1, lines=lines)

    async with bench(script, log_delay=4) as b:
        jobs = await b.batch.submit_many(JobRequest("hello", retry=3) for _ in range(30))
        found = lines_by_job([event async for event in b.batch.logs(jobs)])
    assert set(map(tuple, found.values())) == {
        tuple(f"{a}.{t}" for a in (1, 2, 3) for t in range(5))
    }
    assert len(found) == 30


async def test_log_calls_stay_within_the_quota(bench: MakeBench) -> None:
    few = Script(duration=20, lines=[(float(t), str(t)) for t in range(5)])
    async with bench(
        few, quotas=Quotas.aws(), limits=RateLimits(filter_log_events_per_second=8)
    ) as b:
        jobs = await submit(b, 200)
        events = [event async for event in b.batch.logs(jobs)]
        assert len(events) == len(set(events)) == 200 * 5
        throttled = {event.operation for event in b.events_of(RequestThrottled)}
        assert not throttled & {"GetLogEvents", "FilterLogEvents"}
