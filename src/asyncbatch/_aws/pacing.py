"""Pacing: how fast calls of one kind leave this client.

A `Pacer` lets calls through first come, first served, and never more of them than the pace has
made due. Where many wait, those that become due within a fifth of a second leave together: a
process that wakes up for each call by itself finds its caches cold every time, and pays for a
SubmitJob twice the CPU time.

When AWS throttles, the pace is halved, at most once per reaction time; while nothing is throttled
it creeps back linearly (AIMD: additive increase, multiplicative decrease), so that several clients
of one account share its quota.
"""

import asyncio
import math
from collections import deque

import anyio

_LOWEST_SHARE = 0.02
"""The pace stays above this share of the configured one, or better times go unnoticed."""

_REACTION_SECONDS = 1.0
"""Throttled answers within this time speak of one and the same burst."""

_TOGETHER_SECONDS = 0.2
"""Calls that become due within this time leave together, at its end ..."""

_NEAR_SECONDS = 0.05
"""... if they are due as near to each other as this; slower ones leave one by one."""

_LATENESS_SECONDS = 0.1 + _TOGETHER_SECONDS
"""A turn that comes later than this was not waited for, so it gives no claim to be made up for."""

_ROUNDING = 1e-9

_RECOVERY_SECONDS = 60.0
"""Time in which the pace creeps back from nothing to the configured one."""


class _Place:
    """A call that waits for its turn."""

    __slots__ = ("_news", "has_turn")

    def __init__(self) -> None:
        self.has_turn = False
        # A future: with an event of anyio's, a whole turn takes half as long again.
        self._news = asyncio.get_running_loop().create_future()

    async def news(self) -> None:
        """Wait until it has its turn, or is the first in the line."""
        await self._news

    def wake(self) -> None:
        if not self._news.done():
            self._news.set_result(None)


class Pacer:
    """Lets calls of one kind through at a bounded pace, first come, first served."""

    def __init__(self, per_second: float) -> None:
        """Start at the configured pace, calls a second."""
        self._most = per_second
        self._pace = per_second
        self._pace_set_at = -math.inf
        self._next_turn = -math.inf
        self._line: deque[_Place] = deque()

    @property
    def per_second(self) -> float:
        """The pace now, calls a second."""
        return self._pace_at(anyio.current_time())

    async def turn(self) -> None:
        """Wait until the next call may leave.

        Only the first in the line sleeps, so a changed pace reaches everybody behind it; and it
        lets all leave that are due when it does, in one step of the event loop.
        """
        if not self._line and self._next_turn <= (now := anyio.current_time()):
            self._take_turn(now)
            return
        place = _Place()
        self._line.append(place)
        try:
            if self._line[0] is not place:
                await place.news()
            if not place.has_turn:  # it is the first in the line now
                await self._sleep_until_due()
                self._let_leave(anyio.current_time())
        finally:
            self._leave(place)

    async def _sleep_until_due(self) -> None:
        now = anyio.current_time()
        if now < self._next_turn:
            last_turn = self._next_turn + self._spread(now)
            await anyio.sleep(last_turn - now)  # noqa: TID251 - the pace itself

    def _let_leave(self, now: float) -> None:
        """Give the first in the line its turn, and all behind it that are due as well."""
        while True:
            self._take_turn(now)
            place = self._line.popleft()
            place.has_turn = True
            place.wake()
            if not self._line or self._next_turn > now + _ROUNDING:
                return

    def _take_turn(self, now: float) -> None:
        # Timers fire a little late; without making up for that the pace would fall behind.
        is_late = now - self._next_turn > _LATENESS_SECONDS
        self._next_turn = (now if is_late else self._next_turn) + 1 / self._pace_at(now)

    def _leave(self, place: _Place) -> None:
        """Have the next one sleep, if nobody does: its forerunner had its turn, or gave up."""
        if not place.has_turn:
            self._line.remove(place)
        if self._line:
            self._line[0].wake()

    def throttled(self) -> float:
        """Slow down because AWS throttled a call; return the new pace, calls a second."""
        now = anyio.current_time()
        if now - self._pace_set_at >= _REACTION_SECONDS:
            self._pace = max(self._pace_at(now) / 2, self._most * _LOWEST_SHARE)
            self._pace_set_at = now
            self._next_turn = max(self._next_turn, now + 1 / self._pace)
        return self._pace

    def _spread(self, now: float) -> float:
        """Return seconds from the first turn to the last of the calls that leave together."""
        gap = 1 / self._pace_at(now)
        if gap > _NEAR_SECONDS:
            return 0.0
        return gap * min(len(self._line) - 1, int(_TOGETHER_SECONDS / gap) - 1)

    def _pace_at(self, now: float) -> float:
        if self._pace >= self._most:
            return self._most
        regained = self._most * (now - self._pace_set_at) / _RECOVERY_SECONDS
        return min(self._most, self._pace + regained)
