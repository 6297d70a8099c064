"""How many jobs end per second: a pure calculation over a list of samples."""

from bisect import bisect_right

_MOST_SAMPLES = 256
_LEAST_WINDOW = 30.0
"""Seconds."""
_LEAST_TIME = 1.0
"""Seconds; jobs that end in less say nothing about those that follow."""
_WINDOW_SHARE = 0.25
"""The window grows with the run: jobs that take hours end rarely."""


class Throughput:
    """Remembers when jobs ended, in a bounded number of samples."""

    def __init__(self, started_at: float, ended: int = 0) -> None:
        """Start.

        Args:
            started_at: Time in seconds.
            ended: Number of jobs that had ended before.
        """
        self._times = [started_at]
        self._counts = [ended]
        self._least_distance = 0.0

    @property
    def last_at(self) -> float:
        """Time of the last job that ended; of the start before."""
        return self._times[-1]

    def note(self, now: float, ended: int) -> None:
        """Remember how many jobs had ended at a time."""
        if len(self._times) > 1 and now - self._times[-2] <= self._least_distance:
            self._times[-1], self._counts[-1] = now, ended
            return
        self._times.append(now)
        self._counts.append(ended)
        if len(self._times) > _MOST_SAMPLES:
            # Each second sample is enough for a time that is twice as long.
            self._times = self._times[:1] + self._times[2::2]
            self._counts = self._counts[:1] + self._counts[2::2]
            self._least_distance = (now - self._times[0]) / _MOST_SAMPLES * 2

    def per_second(self, now: float, ended: int) -> float | None:
        """Return how many jobs end per second now; None if that is not known.

        It is measured over the last quarter of the time, and at least over 30 seconds. If no job
        ended in this window, it is measured over the whole time.
        """
        started_at, first = self._times[0], self._counts[0]
        if ended == first or now - started_at < _LEAST_TIME:
            return None
        window = max(_LEAST_WINDOW, _WINDOW_SHARE * (now - started_at))
        place = max(bisect_right(self._times, now - window) - 1, 0)
        begin, before = self._times[place], self._counts[place]
        if ended == before or now <= begin:
            begin, before = started_at, first
        return (ended - before) / (now - begin)
