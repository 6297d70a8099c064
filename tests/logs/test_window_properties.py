"""Window, clock and plan: each event is delivered once, however late, and however it is read.

The service is a model here: events become readable in any order. They are read with both operations
in turn, as by a hub that becomes crowded and no longer is.
"""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from asyncbatch._logs import plan
from asyncbatch._logs.cursor import Cursor
from asyncbatch._logs.feed import Feed
from asyncbatch._logs.pages import ServiceClock
from asyncbatch._logs.streams import Stream
from asyncbatch._logs.window import MAX_REMEMBERED, Window

MAX_LAG = 60_000  # milliseconds until the last event is readable


@dataclass(frozen=True)
class Written:
    """An event: its timestamp, the time (ms) from which on it is readable, and its message."""

    timestamp: int
    readable: int
    message: str
    number: int

    @property
    def event_id(self) -> str:
        return str(self.number)


@st.composite
def histories(draw: st.DrawFn) -> list[Written]:
    """Draw events; many have equal timestamps, equal messages, or both."""
    drawn = draw(
        st.lists(
            st.tuples(
                st.integers(0, 30).map(lambda n: 100_000 + n * 1_000),
                st.sampled_from([0, 0, 1_000, 5_000, MAX_LAG]),
                st.sampled_from(["", "a", "b"]),
            ),
            max_size=40,
        )
    )
    return [
        Written(timestamp, timestamp + lag, message, number)
        for number, (timestamp, lag, message) in enumerate(sorted(drawn, key=lambda e: e[0]))
    ]


def by_arrival(events: list[Written]) -> list[Written]:
    return sorted(events, key=lambda e: (e.readable, e.number))


@given(events=histories(), reads=st.lists(st.integers(90_000, 260_000), max_size=12))
def test_window_admits_each_event_once_over_repeated_reads(
    events: list[Written], reads: list[int]
) -> None:
    window = Window(0)
    found: list[Written] = []
    for now in [*sorted(reads), 300_000]:
        readable = [e for e in events if e.readable <= now and e.timestamp >= window.start]
        readable.sort(key=lambda e: (e.timestamp, e.readable, e.number))
        found += [e for e in readable if window.admits(e.timestamp, e.event_id, e.message)]
        window.forget(now - MAX_LAG)
    assert sorted(e.number for e in found) == [e.number for e in events]


@given(
    events=histories(),
    reads=st.lists(st.tuples(st.integers(90_000, 260_000), st.booleans()), max_size=12),
)
def test_window_admits_each_event_once_over_switches_of_the_operation(
    events: list[Written], reads: list[tuple[int, bool]]
) -> None:
    """Events with equal timestamp and message cannot be distinguished, so they are counted."""
    window = Window(0)
    found: Counter[tuple[int, str]] = Counter()
    by_token, position, first = True, 0, 0
    for now, is_token_read in [*sorted(reads), (300_000, True), (300_001, False)]:
        if is_token_read != by_token:
            window.restart()
            by_token, position, first = is_token_read, 0, window.start
        readable = [e for e in by_arrival(events) if e.readable <= now and e.timestamp >= first]
        if by_token:
            new = [
                e for e in readable[position:] if window.admits_without_id(e.timestamp, e.message)
            ]
            position = len(readable)
        else:
            again = [e for e in readable if e.timestamp >= window.start]
            new = [e for e in again if window.admits(e.timestamp, e.event_id, e.message)]
        found.update((e.timestamp, e.message) for e in new)
        window.forget(now - MAX_LAG)
    assert found == Counter((e.timestamp, e.message) for e in events)


@given(st.integers(0, 50), st.lists(st.integers(0, 100), max_size=20))
def test_window_start_never_moves_back(start: int, moments: list[int]) -> None:
    window = Window(start)
    for moment in moments:
        window.admits(moment, str(moment), "")
        window.forget(moment)
        assert window.start >= start
        start = window.start
        assert not window.admits(start - 1, "older", "")


def test_window_of_a_heavy_stream_is_bounded() -> None:
    window = Window(0)
    for number in range(3 * MAX_REMEMBERED):
        assert window.admits_without_id(number, "line")
    assert window.is_overflowing
    assert len(window) == MAX_REMEMBERED
    window.restart()
    assert window.start == 2 * MAX_REMEMBERED + 1
    assert not window.admits_without_id(window.start, "line")
    assert window.admits_without_id(window.start, "line")


@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.integers(0, 10**6)), max_size=20),
    st.lists(st.floats(0, 1e5), min_size=1, max_size=20),
)
def test_service_clock_is_never_ahead_of_the_service(
    seen: list[tuple[float, int]], asked: list[float]
) -> None:
    """A clock that is ahead would skip events that are still to come."""
    ahead = 1_700_000_000_000
    clock = ServiceClock()
    for now, age in sorted(seen):
        ingested = ahead + int(now * 1000) - age
        clock.observe([{"ingestionTime": ingested}], now)
        for moment in asked:
            estimate = clock.at(moment)
            assert estimate is not None
            assert estimate <= ahead + moment * 1000 + 1


def test_service_clock_is_unknown_before_the_first_event() -> None:
    clock = ServiceClock()
    clock.observe([{}], 1.0)
    assert clock.at(1.0) is None


# -- the streams of one call ----------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """The attributes of a cursor that a plan depends on."""

    start: int
    complete_at_ms: int | None
    resume_from: int | None
    lag: int | None
    due: float


drawn_cursors = st.lists(
    st.builds(
        Drawn,
        start=st.integers(0, 10**6),
        complete_at_ms=st.none() | st.integers(0, 2 * 10**6),
        resume_from=st.none() | st.integers(0, 2 * 10**6),
        lag=st.none() | st.integers(0, 10**6),
        due=st.floats(0, 100),
    ),
    min_size=1,
    max_size=150,
)


def cursors_of(drawn: list[Drawn]) -> list[Cursor]:
    """Return cursors in the order in which they are due; every third shares a stream."""
    made = []
    for number, one in enumerate(sorted(drawn, key=lambda d: d.due)):
        name = f"s{number - number % 3 // 2}"
        stream = Stream(job_id="j", attempt=1, group="g", name=name, start=one.start)
        cursor = Cursor(
            stream, Feed(), tail=None, is_followed=True, on_fail=lambda: None, now=one.due
        )
        cursor.complete_at_ms, cursor.resume_from = one.complete_at_ms, one.resume_from
        cursor.lag = one.lag
        made.append(cursor)
    return made


@given(drawn_cursors, st.floats(0, 200))
def test_batch_has_at_most_100_streams_and_contains_the_due_one(
    drawn: list[Drawn], now: float
) -> None:
    cursors = cursors_of(drawn)
    batch = plan.choose_batch(cursors[0], cursors, now)
    assert batch.cursors[0] is cursors[0]
    assert len(set(batch.cursors)) == len(batch.cursors)
    assert len({cursor.stream.name for cursor in batch.cursors}) <= plan.MAX_STREAMS


@given(drawn_cursors, st.floats(0, 200))
def test_batch_starts_early_enough_for_each_of_its_streams(drawn: list[Drawn], now: float) -> None:
    cursors = cursors_of(drawn)
    batch = plan.choose_batch(cursors[0], cursors, now)
    for cursor in batch.cursors:
        assert batch.start <= plan.read_start(cursor, is_full=batch.is_full)
        if batch.is_full:
            assert batch.start <= cursor.window.start


@given(drawn_cursors, st.floats(0, 200))
def test_batch_rereads_little_of_a_stream_because_of_another(
    drawn: list[Drawn], now: float
) -> None:
    cursors = cursors_of(drawn)
    batch = plan.choose_batch(cursors[0], cursors, now)
    if cursors[0].lag is not None:
        for cursor in batch.cursors:
            own = plan.read_start(cursor, is_full=batch.is_full)
            assert own - batch.start <= 40_000
