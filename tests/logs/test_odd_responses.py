"""Odd responses of CloudWatch Logs: each affects at most one line; every read ends."""

import itertools
import random
from collections import Counter
from functools import partial
from typing import Any

import anyio
import pytest

from asyncbatch import (
    APIError,
    InternalError,
    Job,
    JobFailed,
    JobStatus,
    LogEvent,
    ServiceFault,
)
from asyncbatch._aws.wire.responses import UNREADABLE
from asyncbatch._logs.by_filter import FilterRead
from asyncbatch._logs.pages import MAX_EMPTY_PAGES
from asyncbatch._logs.window import Window
from asyncbatch.local import Fault, Launch, Script
from tests.fixtures.bench import Bench, MakeBench
from tests.logs.answers import BOTH, Answers, Rewrite, Wire
from tests.logs.jobs import assert_all_once_in_order, chatty, collect, lines_by_job, submit

pytestmark = pytest.mark.virtual_time

TEN = [f"line {n}" for n in range(10)]
TEN_LINES = Script(duration=10, lines=[(n / 2, text) for n, text in enumerate(TEN)])
READS: dict[str, dict[str, Any]] = {
    "followed": {},
    "what is there": {"follow": False},
    "tail": {"follow": False, "tail": 1_000},
    "followed tail": {"tail": 1_000},
}


async def messages(job: Job, **how: Any) -> list[str]:  # noqa: ANN401
    return [event.message async for event in job.logs(**how)]


async def ended(b: Bench) -> Job:
    """Return a job that has ended, with ten lines in its log."""
    job = await b.batch.submit("hello")
    await job
    await anyio.sleep(30)
    return job


# -- odd events -----------------------------------------------------------------------------------

GONE = object()  # the member is left out
ODD = [GONE, None, 5, 1.5, True, "text", 10**17, 10**400, -1, float("inf"), [], {}, [[]], {"a": 1}]
FRACTION = 1_705_312_801_000.5  # is read without its fraction


def with_odd(event: Wire, member: str, odd: object) -> Wire:
    changed = {**event, member: odd}
    if odd is GONE:
        del changed[member]
    return changed


@pytest.mark.parametrize(
    ("member", "odd", "kept"),
    [
        *(("message", odd, 9) for odd in ODD if odd != "text"),
        *(("timestamp", odd, 9) for odd in ODD if odd not in (5, 1.5)),
        ("timestamp", FRACTION, 10),
        *(("ingestionTime", odd, 10) for odd in ODD),
        ("ingestionTime", FRACTION, 10),
        ("a member of another year", {"x": [1]}, 10),
    ],
    ids=lambda value: "left out" if value is GONE else f"{value!r:.20}",
)
async def test_odd_member_of_an_event_costs_at_most_its_line(
    bench: MakeBench, answers: Answers, member: str, odd: object, kept: int
) -> None:
    def rewrite(_operation: str, _request: Wire, response: Wire) -> Wire:
        events = [
            with_odd(event, member, odd) if event["message"] == TEN[3] else event
            for event in response["events"]
        ]
        return {**response, "events": events}

    async with bench(TEN_LINES) as b:
        job = await ended(b)
        answers.rewrite = rewrite
        expected = TEN if kept == 10 else [*TEN[:3], *TEN[4:]]
        assert await messages(job, follow=False) == expected
        assert await messages(job, follow=False, tail=10) == expected


@pytest.mark.parametrize("event", [None, 5, "text", [], {}])
async def test_odd_event_costs_itself_only(
    bench: MakeBench, answers: Answers, caplog: pytest.LogCaptureFixture, event: object
) -> None:
    """It is logged once for a log group, as it may be read often."""

    def rewrite(_operation: str, _request: Wire, response: Wire) -> Wire:
        return {**response, "events": [event, *response["events"], event]}

    async with bench(TEN_LINES) as b:
        job = await ended(b)
        answers.rewrite = rewrite
        for how in READS.values():
            assert await messages(job, **how) == TEN
        assert caplog.text.count("a log event that cannot be read") == 1


# -- odd responses --------------------------------------------------------------------------------

BODIES: dict[str, object] = {
    "null": None,
    "a list": [],
    "a text": "text",
    "nothing": b"",
    "no JSON": b"<html>",
    "no text": b"\xff\xfe\x00",
    "gzip": b"\x1f\x8b\x08\x00",
    "no events": {},
    "events are null": {"events": None},
    "events are a text": {"events": "text", "nextForwardToken": "x", "nextBackwardToken": "y"},
    "events are an object": {"events": {}},
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("jobs", [1, 12])
async def test_response_that_cannot_be_read_is_requested_again(
    bench: MakeBench, answers: Answers, jobs: int, body: str
) -> None:
    numbers = itertools.count()

    def rewrite(_operation: str, _request: Wire, response: Wire) -> object:
        return BODIES[body] if next(numbers) % 3 == 1 else response

    async with bench(partial(chatty, seconds=15)) as b:
        answers.rewrite = rewrite
        running = await submit(b, jobs)
        events: list[LogEvent] = []
        await collect(b.batch.logs(running), events)
        assert_all_once_in_order(running, events, seconds=15)
        assert sum(answers.counts.values()) > 10


# -- reads end ------------------------------------------------------------------------------------


def always_empty() -> Rewrite:
    numbers = itertools.count()

    def rewrite(_operation: str, _request: Wire, _response: Wire) -> Wire:
        token = f"t/{next(numbers)}"
        return {
            "events": [],
            "nextForwardToken": token,
            "nextBackwardToken": token,
            "nextToken": token,
        }

    return rewrite


@pytest.mark.parametrize("read", READS)
async def test_stream_of_empty_pages_ends(bench: MakeBench, answers: Answers, read: str) -> None:
    """GetLogEvents answers so for a stream whose events have expired."""
    async with bench(TEN_LINES) as b:
        job = await ended(b)
        answers.ignores_tokens_of = BOTH
        answers.rewrite = always_empty()
        with anyio.fail_after(120):
            assert await messages(job, **READS[read]) == []
        assert b.local.calls["GetLogEvents"] <= 2 * MAX_EMPTY_PAGES + 10


@pytest.mark.parametrize("jobs", [1, 7])
async def test_followed_streams_of_empty_pages_are_read_ever_later(
    bench: MakeBench, answers: Answers, jobs: int
) -> None:
    async with bench(Script(duration=600)) as b:
        answers.ignores_tokens_of = BOTH
        answers.rewrite = always_empty()
        running = await submit(b, jobs)
        assert [event async for event in b.batch.logs(running)] == []
        # At most 100 pages at once, then one page each 15 s.
        assert b.local.calls["GetLogEvents"] <= jobs * (MAX_EMPTY_PAGES + 700 / 15)
        assert b.local.calls["FilterLogEvents"] <= jobs * MAX_EMPTY_PAGES


async def test_empty_pages_of_filter_log_events_end(bench: MakeBench, answers: Answers) -> None:
    """The streams are read with GetLogEvents instead, and no line is lost."""
    empty = always_empty()

    def rewrite(operation: str, request: Wire, response: Wire) -> object:
        rewritten = empty(operation, request, response)
        return rewritten if operation == "FilterLogEvents" else response

    async with bench(chatty) as b:
        running = await submit(b, 20)
        for job in running:
            await job
        answers.rewrite, answers.ignores_tokens_of = rewrite, frozenset({"FilterLogEvents"})
        events = [event async for event in b.batch.logs(running, follow=False)]
        assert_all_once_in_order(running, events)
        assert b.local.calls["FilterLogEvents"] <= 2 * MAX_EMPTY_PAGES


TOKENS: dict[str, object] = {
    "left out": GONE,
    "null": None,
    "a number": 5,
    "an object": {},
    "an empty text": "",
    "another text": "no token of ours",
}


def with_token(response: Wire, token: object) -> Wire:
    changed = dict(response)
    for member in ("nextForwardToken", "nextBackwardToken", "nextToken"):
        # FilterLogEvents has no token on its last page.
        if member in changed and not (member == "nextToken" and token in (GONE, None)):
            changed = with_odd(changed, member, token)
    return changed


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("read", READS)
async def test_unusable_token_loses_and_repeats_no_line(
    bench: MakeBench, answers: Answers, read: str, token: str
) -> None:
    """Each third response has one."""
    numbers = itertools.count()

    def rewrite(_operation: str, _request: Wire, response: Wire) -> Wire:
        return with_token(response, TOKENS[token]) if next(numbers) % 6 == 2 else response

    async with bench(TEN_LINES) as b:
        job = await ended(b)
        answers.rewrite, answers.limit = rewrite, 4
        assert await messages(job, **READS[read]) == TEN


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("read", READS)
async def test_tokens_that_are_never_usable_end_the_read(
    bench: MakeBench, answers: Answers, read: str, token: str
) -> None:
    """The lines of the first page are yielded, and an error says that there may be more."""

    def rewrite(_operation: str, _request: Wire, response: Wire) -> Wire:
        return with_token(response, TOKENS[token])

    async with bench(TEN_LINES) as b:
        job = await ended(b)
        answers.rewrite, answers.limit = rewrite, 4
        events: list[LogEvent] = []
        try:
            with anyio.fail_after(120):
                await collect(job.logs(**READS[read]), events)
        except APIError as error:
            assert error.code in {UNREADABLE, "InvalidParameterException"}  # noqa: PT017
        found = [event.message for event in events]
        assert found in (TEN, TEN[:4], TEN[-4:], [])
        assert b.local.calls["GetLogEvents"] < 20


@pytest.mark.parametrize("jobs", [1, 12])
@pytest.mark.parametrize("tokens", ["always new", "in turn"])
async def test_endpoint_that_ignores_tokens_does_not_repeat_lines(
    bench: MakeBench,
    answers: Answers,
    tokens: str,
    jobs: int,
) -> None:
    numbers = itertools.count()

    def rewrite(_operation: str, _request: Wire, response: Wire) -> Wire:
        number = next(numbers)
        token = f"t/{number if tokens == 'always new' else number % 3}"
        return {
            **response,
            "nextForwardToken": token,
            "nextBackwardToken": token,
            "nextToken": token,
        }

    async with bench(chatty) as b:
        running = await submit(b, jobs)
        for job in running:
            await job
        answers.ignores_tokens_of = BOTH
        answers.rewrite = rewrite
        events: list[LogEvent] = []
        with pytest.raises(ServiceFault, match="no usable token"), anyio.fail_after(300):
            await collect(b.batch.logs(running), events)
        assert_all_once_in_order(running, events)


async def test_tail_of_many_followed_jobs_has_no_earlier_lines(bench: MakeBench) -> None:
    """Also after the streams are read with FilterLogEvents, which reads the recent past again."""
    async with bench(chatty) as b:
        running = await submit(b, 30)
        await running[0].wait(until=JobStatus.RUNNING)
        await anyio.sleep(20)
        events: list[LogEvent] = []
        await collect(b.batch.logs(running, tail=3), events)
        found = lines_by_job(events)
        for job in running:
            numbers = [int(text.split()[1]) for text in found[job.id]]
            assert numbers == list(range(40))[-len(numbers) :]
            assert len(numbers) < 30
        assert b.local.calls["FilterLogEvents"] > 10


# -- FilterLogEvents starts over ------------------------------------------------------------------


def refused(**how: Any) -> Fault:  # noqa: ANN401
    return Fault.error("InvalidParameterException", "The specified nextToken is invalid.", **how)


@pytest.mark.parametrize("refusals", [1, 3])
async def test_refused_token_of_filter_log_events_starts_over(
    bench: MakeBench, answers: Answers, monkeypatch: pytest.MonkeyPatch, refusals: int
) -> None:
    remaining = itertools.count(refusals, -1)
    request_of = FilterRead._request

    def request(read: FilterRead, token: str | None) -> Wire:
        refuse = token is not None and next(remaining) > 0
        return request_of(read, "expired" if refuse else token)

    monkeypatch.setattr(FilterRead, "_request", request)
    async with bench(chatty) as b:
        answers.limit = 150
        running = await submit(b, 20)
        for job in running:
            await job
        events = [event async for event in b.batch.logs(running, follow=False)]
        assert_all_once_in_order(running, events)
        assert b.local.ledger.failed["FilterLogEvents"] == refusals
        assert next(remaining) < 0


async def test_tokens_of_filter_log_events_that_are_always_refused_are_an_error(
    bench: MakeBench, answers: Answers
) -> None:
    """The lines of the pages before are yielded first; the read starts over five times."""

    def rewrite(operation: str, _request: Wire, response: Wire) -> Wire:
        if operation == "FilterLogEvents" and "nextToken" in response:
            return {**response, "nextToken": "no token of ours"}
        return response

    async with bench(TEN_LINES) as b:
        running = await submit(b, 20)
        for job in running:
            await job
        answers.rewrite, answers.limit = rewrite, 50
        events: list[LogEvent] = []
        with pytest.raises(APIError, match="InvalidParameter"):
            await collect(b.batch.logs(running, follow=False), events)
        assert len(events) == len({(e.job_id, e.message) for e in events})
        assert b.local.ledger.failed["FilterLogEvents"] == 6


async def test_other_error_on_a_later_page_of_filter_log_events_is_raised(
    bench: MakeBench, answers: Answers
) -> None:
    def rewrite(operation: str, _request: Wire, response: Wire) -> Wire:
        if operation == "FilterLogEvents":
            b.local.faults.add("FilterLogEvents", Fault.error("SomeException", "no more"))
        return response

    async with bench(TEN_LINES) as b:
        running = await submit(b, 20)
        for job in running:
            await job
        answers.rewrite, answers.limit = rewrite, 50
        with pytest.raises(APIError, match="no more"):
            await collect(b.batch.logs(running, follow=False), [])


async def test_event_without_an_id_is_read_with_get_log_events(
    bench: MakeBench, answers: Answers
) -> None:
    def rewrite(operation: str, _request: Wire, response: Wire) -> Wire:
        if operation == "FilterLogEvents":
            for event in response["events"]:
                if event["message"].endswith("7"):
                    event["eventId"] = None
        return response

    async with bench(chatty) as b:
        answers.rewrite = rewrite
        running = await submit(b, 20)
        events = [event async for event in b.batch.logs(running)]
        assert_all_once_in_order(running, events)


@pytest.mark.parametrize("name", [GONE, None, 5, [], "a stream that was not requested"])
async def test_event_of_no_requested_stream_is_ignored(
    bench: MakeBench, answers: Answers, name: object
) -> None:
    def rewrite(operation: str, _request: Wire, response: Wire) -> Wire:
        if operation == "FilterLogEvents":
            more = [with_odd(e, "logStreamName", name) for e in response["events"]]
            return {**response, "events": more + response["events"]}
        return response

    async with bench(chatty) as b:
        answers.rewrite = rewrite
        running = await submit(b, 20)
        events = [event async for event in b.batch.logs(running)]
        assert_all_once_in_order(running, events)


# -- bugs of our own ------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [2, 20])
@pytest.mark.parametrize("method", ["admits", "admits_without_id", "forget"])
async def test_bug_ends_the_log_of_its_job_only(
    bench: MakeBench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
    jobs: int,
) -> None:
    async with bench(chatty) as b:
        victim, *others = await submit(b, jobs)
        original = getattr(Window, method)
        windows: list[Window] = []
        make = Window.__init__

        def made(window: Window, start: int) -> None:
            make(window, start)
            windows.append(window)

        def buggy(window: Window, *arguments: object) -> object:
            if window is windows[0]:
                raise ZeroDivisionError("a bug")
            return original(window, *arguments)

        monkeypatch.setattr(Window, "__init__", made)
        monkeypatch.setattr(Window, method, buggy)
        events: list[LogEvent] = []
        jobs_of_windows = [victim, *others]
        failed = False
        try:
            await collect(b.batch.logs(jobs_of_windows), events)
        except InternalError as error:
            failed = True
            assert isinstance(error.error, ZeroDivisionError)  # noqa: PT017
            [record] = [r for r in caplog.records if "reading the log of job" in r.getMessage()]
            assert record.exc_info is not None
            others = [job for job in jobs_of_windows if job.id != error.job_id]
        # A single stream is never read by filter.
        assert failed or (method == "admits" and jobs == 2)
        kept = {job.id for job in others}
        assert_all_once_in_order(others, [e for e in events if e.job_id in kept])
        for job in jobs_of_windows:
            assert (await job).succeeded
        assert (await (await b.batch.submit("hello"))).succeeded


async def test_bug_does_not_hide_why_a_job_failed(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def buggy(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    async with bench(Script(duration=2, exit_code=3, lines=[(0, "a")])) as b:
        job = await b.batch.submit("hello")
        monkeypatch.setattr("asyncbatch._logs.reader.log_events", buggy)
        with pytest.raises(JobFailed) as caught:
            await job
    assert caught.value.exit_code == 3
    assert any("a bug" in note for note in caught.value.__notes__)


# -- many -----------------------------------------------------------------------------------------


def talkative(launch: Launch) -> Script:
    lines = [(t + launch.random.random(), f"{launch.name} {t}") for t in range(200)]
    return Script(duration=205, lines=lines)


class Mutations:
    """Changes some responses at random.

    Attributes:
        lost: Messages of events that a response made unreadable; some are read again later.
    """

    def __init__(self, seed: int) -> None:
        self.lost: set[str] = set()
        self._rng = random.Random(seed)

    def __call__(self, operation: str, _request: Wire, response: Wire) -> object:
        rng = self._rng
        if rng.random() < 0.4:
            return response
        kind = rng.random()
        if kind < 0.15:
            return rng.choice(list(BODIES.values()))
        if kind < 0.3:
            return with_token(response, rng.choice(list(TOKENS.values())))
        events = response["events"]
        for _ in range(rng.randint(1, 3)):
            place = rng.randint(0, len(events))
            if place == len(events) or rng.random() < 0.2:
                events.insert(place, rng.choice([None, 5, "text", [], {}]))
                continue
            event = events[place]
            if not isinstance(event, dict):
                continue
            member = rng.choice([*event, "a member of another year"])
            odd = rng.choice([odd for odd in ODD if (member, odd) != ("message", "text")])
            if member == "eventId" and (odd == "text" or rng.random() < 0.98):
                continue  # a text is another event; else the stream is read by token from then on
            if member == "timestamp" and odd in (5, 1.5):
                continue  # readable
            if member in {"message", "timestamp", "logStreamName"} and "message" in event:
                self.lost.add(str(event["message"]))
            events[place] = with_odd(event, member, odd)
        return response


@pytest.mark.parametrize("seed", range(2))
async def test_mutated_responses_harm_at_most_their_lines(
    bench: MakeBench, answers: Answers, seed: int
) -> None:
    mutations = Mutations(seed)
    async with bench(talkative, log_delay=2) as b:
        answers.rewrite = mutations
        running = await submit(b, 12 if seed % 2 else 4)
        events: list[LogEvent] = []
        await collect(b.batch.logs(running), events)
        for job in running:
            assert (await job).succeeded
    found = Counter(event.message for event in events)
    for job in running:
        for number in range(200):
            message = f"{job.name} {number}"
            if message in mutations.lost:
                assert found[message] <= 1
            else:
                assert found[message] == 1, message
    assert sum(answers.counts.values()) > 100
