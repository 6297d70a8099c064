"""`Pacer` in virtual time: rate limit, order, throttling, recovery, cancellation."""

import asyncio
from collections import Counter
from itertools import pairwise

import anyio
import pytest

from asyncbatch._aws.pacing import Pacer

pytestmark = pytest.mark.virtual_time


async def go(pacer: Pacer, departures: list[float]) -> None:
    await pacer.turn()
    departures.append(anyio.current_time())


async def departures_of(pacer: Pacer, calls: int) -> list[float]:
    """Return the times at which calls go that all wait at the same time."""
    departures: list[float] = []
    async with anyio.create_task_group() as group:
        for _ in range(calls):
            group.start_soon(go, pacer, departures)
    return departures


async def test_first_call_goes_immediately() -> None:
    assert await departures_of(Pacer(0.01), 1) == [0.0]


async def test_calls_are_evenly_spaced_at_the_rate() -> None:
    departures = await departures_of(Pacer(10), 101)
    assert departures == pytest.approx([n / 10 for n in range(101)])


async def test_waiting_calls_at_a_high_rate_go_in_small_groups() -> None:
    """No call goes before it is due, and none more than 0.2 s after that."""
    departures = await departures_of(Pacer(49), 500)
    lateness = [departure - n / 49 for n, departure in enumerate(departures)]
    assert min(lateness) >= -1e-9
    assert max(lateness) <= 0.2
    assert len(set(departures)) <= 500 / 8


async def test_group_of_calls_goes_in_one_step_of_the_event_loop() -> None:
    """In a step of its own, every call would find the CPU caches cold."""
    pacer, loop = Pacer(49), asyncio.get_running_loop()
    left: list[float] = []
    by_next_step: dict[float, int] = {}

    async def call() -> None:
        await pacer.turn()
        now = anyio.current_time()
        left.append(now)
        loop.call_soon(lambda: by_next_step.setdefault(now, left.count(now)))

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(call)
    assert by_next_step == Counter(left)


async def test_single_waiting_call_at_a_high_rate_is_not_delayed() -> None:
    pacer = Pacer(49)
    await pacer.turn()
    assert await departures_of(pacer, 1) == pytest.approx([1 / 49])


async def test_unused_time_is_not_saved_for_a_burst() -> None:
    """A burst after a quiet hour would exceed the quota like any other burst."""
    pacer = Pacer(10)
    await departures_of(pacer, 1)
    await anyio.sleep(3600)
    gaps = [after - before for before, after in pairwise(await departures_of(pacer, 20))]
    assert gaps == pytest.approx([0.1] * 19)


async def test_calls_go_first_come_first_served() -> None:
    pacer, order = Pacer(10), list[int]()

    async def call(number: int) -> None:
        await pacer.turn()
        order.append(number)

    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(call, number)
    assert order == list(range(50))


# --- throttling ----------------------------------------------------------------------------------


async def test_throttling_halves_the_rate() -> None:
    pacer = Pacer(10)
    assert pacer.throttled() == 5
    assert pacer.per_second == 5


async def test_burst_of_throttling_halves_the_rate_once() -> None:
    pacer = Pacer(10)
    for _ in range(20):
        pacer.throttled()
        await anyio.sleep(0.04)
    assert pacer.per_second == pytest.approx(5, rel=0.1)


async def test_continued_throttling_halves_the_rate_again() -> None:
    pacer = Pacer(60)
    paces = []
    for _ in range(3):
        paces.append(pacer.throttled())
        await anyio.sleep(1)
    # The rate recovers by 1 per second.
    assert paces == pytest.approx([30, 15.5, 8.25])


async def test_rate_has_a_minimum() -> None:
    """At lower rates it would take minutes to notice that throttling has ended."""
    pacer = Pacer(10)
    paces = []
    for _ in range(20):
        paces.append(pacer.throttled())
        await anyio.sleep(1)
    assert min(paces) == paces[-1] == pytest.approx(0.2)


async def test_rate_recovers_to_the_configured_one() -> None:
    pacer = Pacer(10)
    pacer.throttled()
    paces = []
    for _ in range(5):
        paces.append(pacer.per_second)
        await anyio.sleep(15)
    assert paces == pytest.approx([5, 7.5, 10, 10, 10])


async def test_waiting_calls_go_at_the_new_rate() -> None:
    """Only the first in the queue keeps the time that it had before the throttling."""
    pacer = Pacer(10)
    departures: list[float] = []
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(go, pacer, departures)
        await anyio.sleep(0.05)
        pacer.throttled()
    assert departures[:2] == pytest.approx([0.0, 0.1])
    assert all(after - before >= 0.19 for before, after in pairwise(departures[1:]))


async def test_next_call_waits_after_a_throttled_one() -> None:
    pacer = Pacer(10)
    await pacer.turn()
    await anyio.sleep(60)
    pacer.throttled()
    (departure,) = await departures_of(pacer, 1)
    assert departure == pytest.approx(60.2)


# --- cancellation --------------------------------------------------------------------------------


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_cancelled_call_does_not_delay_the_others(cancelled: int) -> None:
    """The others go at the times and in the order that they would have without it."""
    pacer = Pacer(1)
    await pacer.turn()
    left: dict[int, float] = {}

    async def call(number: int, scope: anyio.CancelScope) -> None:
        with scope:
            await pacer.turn()
            left[number] = anyio.current_time()

    scopes = [anyio.CancelScope() for _ in range(4)]
    async with anyio.create_task_group() as group:
        for number, scope in enumerate(scopes):
            group.start_soon(call, number, scope)
        await anyio.sleep(0.5)
        scopes[cancelled].cancel()
    stayed = [number for number in range(4) if number != cancelled]
    assert left == {number: pytest.approx(turn) for turn, number in enumerate(stayed, start=1)}
