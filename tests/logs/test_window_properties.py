"""However late events come, and however they are read: each is delivered once, and in order.

The service here is a model: events become readable at moments of their own, in any order. Reading
takes place with both operations in turns, as a hub does it when it is crowded and when it is not.
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

LATEST = 60_000  # milliseconds: the longest that an event takes until it can be read


@dataclass(frozen=True)
class Written:
    """An event: when it was written, when it can be read (ms), and what it says."""

    timestamp: int
    readable: int
    message: str
    number: int

    @property
    def event_id(self) -> str:
        return str(self.number)


@st.composite
def histories(draw: st.DrawFn) -> list[Written]:
    """Draw events; many share a millisecond, or their words, or both."""
    drawn = draw(
        st.lists(
            st.tuples(
                st.integers(0, 30).map(lambda n: 100_000 + n * 1_000),
                st.sampled_from([0, 0, 1_000, 5_000, LATEST]),
                st.sampled_from(["", "a", "b"]),
            ),
            max_size=40,
        )
    )
    return [
        Written(timestamp, timestamp + lag, words, number)
        for number, (timestamp, lag, words) in enumerate(sorted(drawn, key=lambda e: e[0]))
    ]


def by_arrival(events: list[Written]) -> list[Written]:
    return sorted(events, key=lambda e: (e.readable, e.number))


@given(events=histories(), looks=st.lists(st.integers(90_000, 260_000), max_size=12))
def test_a_stretch_that_is_read_again_and_again_gives_each_event_once(
    events: list[Written], looks: list[int]
) -> None:
    window = Window(0)
    found: list[Written] = []
    for now in [*sorted(looks), 300_000]:
        readable = [e for e in events if e.readable <= now and e.timestamp >= window.start]
        readable.sort(key=lambda e: (e.timestamp, e.readable, e.number))
        found += [e for e in readable if window.admits(e.timestamp, e.event_id, e.message)]
        window.forget(now - LATEST)
    assert sorted(e.number for e in found) == [e.number for e in events]


@given(
    events=histories(),
    looks=st.lists(st.tuples(st.integers(90_000, 260_000), st.booleans()), max_size=12),
)
def test_going_over_from_one_operation_to_the_other_loses_and_doubles_nothing(
    events: list[Written], looks: list[tuple[int, bool]]
) -> None:
    """Of events that are equal in time and words it is the number that counts."""
    window = Window(0)
    found: Counter[tuple[int, str]] = Counter()
    by_token, place, first = True, 0, 0
    for now, is_token_read in [*sorted(looks), (300_000, True), (300_001, False)]:
        if is_token_read != by_token:
            window.restart()
            by_token, place, first = is_token_read, 0, window.start
        readable = [e for e in by_arrival(events) if e.readable <= now and e.timestamp >= first]
        if by_token:
            new = [e for e in readable[place:] if window.admits_without_id(e.timestamp, e.message)]
            place = len(readable)
        else:
            again = [e for e in readable if e.timestamp >= window.start]
            new = [e for e in again if window.admits(e.timestamp, e.event_id, e.message)]
        found.update((e.timestamp, e.message) for e in new)
        window.forget(now - LATEST)
    assert found == Counter((e.timestamp, e.message) for e in events)


@given(st.integers(0, 50), st.lists(st.integers(0, 100), max_size=20))
def test_the_past_is_settled_for_good(start: int, moments: list[int]) -> None:
    window = Window(start)
    for moment in moments:
        window.admits(moment, str(moment), "")
        window.forget(moment)
        assert window.start >= start
        start = window.start
        assert not window.admits(start - 1, "older", "")


def test_what_is_remembered_of_a_heavy_stream_is_bounded() -> None:
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
def test_the_services_time_is_never_thought_later_than_it_is(
    seen: list[tuple[float, int]], asked: list[float]
) -> None:
    """A thought that is too late would settle what is still to come."""
    ahead = 1_700_000_000_000
    clock = ServiceClock()
    for now, age in sorted(seen):
        ingested = ahead + int(now * 1000) - age
        clock.observe([{"ingestionTime": ingested}], now)
        for moment in asked:
            thought = clock.at(moment)
            assert thought is not None
            assert thought <= ahead + moment * 1000 + 1


def test_nothing_is_thought_of_the_services_time_before_an_event_tells_it() -> None:
    clock = ServiceClock()
    clock.observe([{}], 1.0)
    assert clock.at(1.0) is None


# -- what goes together ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """What a plan looks at."""

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
    """Return cursors, soonest due first; every third follows the stream of the one before."""
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
def test_a_call_reads_at_most_a_hundred_streams_and_the_one_that_is_due(
    drawn: list[Drawn], now: float
) -> None:
    cursors = cursors_of(drawn)
    batch = plan.choose_batch(cursors[0], cursors, now)
    assert batch.cursors[0] is cursors[0]
    assert len(set(batch.cursors)) == len(batch.cursors)
    assert len({cursor.stream.name for cursor in batch.cursors}) <= plan.MAX_STREAMS


@given(drawn_cursors, st.floats(0, 200))
def test_a_call_begins_early_enough_for_each_of_its_streams(drawn: list[Drawn], now: float) -> None:
    cursors = cursors_of(drawn)
    batch = plan.choose_batch(cursors[0], cursors, now)
    for cursor in batch.cursors:
        assert batch.start <= plan.read_start(cursor, is_full=batch.is_full)
        if batch.is_full:
            assert batch.start <= cursor.window.start


@given(drawn_cursors, st.floats(0, 200))
def test_no_stream_is_read_again_for_long_because_of_another(
    drawn: list[Drawn], now: float
) -> None:
    cursors = cursors_of(drawn)
    batch = plan.choose_batch(cursors[0], cursors, now)
    if cursors[0].lag is not None:
        for cursor in batch.cursors:
            own = plan.read_start(cursor, is_full=batch.is_full)
            assert own - batch.start <= 40_000
