"""Rate limiting of the calls of one kind.

A `Pacer` lets calls go first come, first served, and never above its rate. Where many calls wait,
those that become due within 0.2 s go together: a process that wakes up for every single call finds
its CPU caches cold, and spends twice the CPU time on a SubmitJob.

When AWS throttles a call, the rate is halved, at most once per second. Without throttling it rises
linearly to the configured one. This is AIMD (additive increase, multiplicative decrease), by which
several clients of one account share its quota:
https://en.wikipedia.org/wiki/Additive_increase/multiplicative_decrease
"""

import asyncio
import math
from collections import deque

import anyio

_MIN_SHARE = 0.02
"""Minimum rate as a share of the configured one: lower rates would notice recovery too late."""

_REACTION_SECONDS = 1.0
"""Throttled responses within this time belong to one burst, and halve the rate once."""

_GROUP_SECONDS = 0.2
"""Calls that become due within this time go together, at its end ..."""

_MAX_GAP_SECONDS = 0.05
"""... if the gap between two of them is at most this; slower ones go one by one."""

_MAX_LATENESS_SECONDS = 0.1 + _GROUP_SECONDS
"""A call later than this did not wait for the limiter, so its unused time is not made up for."""

_ROUNDING = 1e-9

_RECOVERY_SECONDS = 60.0
"""Time in which the rate rises from 0 to the configured one."""


class _Waiter:
    """A call in the queue."""

    __slots__ = ("_woken", "may_go")

    def __init__(self) -> None:
        self.may_go = False
        # A bare future: with an event of anyio, waiting takes 1.5 times as long.
        self._woken = asyncio.get_running_loop().create_future()

    async def wait(self) -> None:
        """Wait until the call may go, or is the first in the queue."""
        await self._woken

    def wake(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)


class Pacer:
    """Limits the rate of calls of one kind, first come, first served."""

    def __init__(self, per_second: float) -> None:
        """Begin at the configured rate in calls per second."""
        self._configured = per_second
        self._rate = per_second
        self._rate_set_at = -math.inf
        self._next_at = -math.inf
        self._queue: deque[_Waiter] = deque()

    @property
    def per_second(self) -> float:
        """The current rate in calls per second."""
        return self._rate_at(anyio.current_time())

    async def turn(self) -> None:
        """Wait until the next call may go.

        Only the first in the queue sleeps, so a changed rate applies to all behind it. When it
        wakes, it lets all calls go that are due, in one step of the event loop.
        """
        if not self._queue and self._next_at <= (now := anyio.current_time()):
            self._count_call(now)
            return
        waiter = _Waiter()
        self._queue.append(waiter)
        try:
            if self._queue[0] is not waiter:
                await waiter.wait()
            if not waiter.may_go:  # then it is the first in the queue
                await self._sleep_until_due()
                self._release_due(anyio.current_time())
        finally:
            self._remove(waiter)

    async def _sleep_until_due(self) -> None:
        now = anyio.current_time()
        if now < self._next_at:
            last_of_group = self._next_at + self._group_span(now)
            await anyio.sleep(last_of_group - now)  # noqa: TID251 - this is the rate limit

    def _release_due(self, now: float) -> None:
        """Let the first in the queue go, and all behind it that are due as well."""
        while True:
            self._count_call(now)
            waiter = self._queue.popleft()
            waiter.may_go = True
            waiter.wake()
            if not self._queue or self._next_at > now + _ROUNDING:
                return

    def _count_call(self, now: float) -> None:
        # Timers fire a little late. The next call is due after the time at which this one was due,
        # not after the time at which it goes, or the rate would fall below the configured one.
        is_late = now - self._next_at > _MAX_LATENESS_SECONDS
        self._next_at = (now if is_late else self._next_at) + 1 / self._rate_at(now)

    def _remove(self, waiter: _Waiter) -> None:
        """Remove a call that is cancelled, and wake the first in the queue: it has to sleep now."""
        if not waiter.may_go:
            self._queue.remove(waiter)
        if self._queue:
            self._queue[0].wake()

    def throttled(self) -> float:
        """Lower the rate because AWS throttled a call; return it in calls per second."""
        now = anyio.current_time()
        if now - self._rate_set_at >= _REACTION_SECONDS:
            self._rate = max(self._rate_at(now) / 2, self._configured * _MIN_SHARE)
            self._rate_set_at = now
            self._next_at = max(self._next_at, now + 1 / self._rate)
        return self._rate

    def _group_span(self, now: float) -> float:
        """Return seconds between the first and the last call of those that go together."""
        gap = 1 / self._rate_at(now)
        if gap > _MAX_GAP_SECONDS:
            return 0.0
        return gap * min(len(self._queue) - 1, int(_GROUP_SECONDS / gap) - 1)

    def _rate_at(self, now: float) -> float:
        if self._rate >= self._configured:
            return self._configured
        regained = self._configured * (now - self._rate_set_at) / _RECOVERY_SECONDS
        return min(self._configured, self._rate + regained)
