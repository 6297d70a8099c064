"""Which events of a stream were delivered before, while its recent past is read again. Pure.

FilterLogEvents gives each event an id, GetLogEvents does not. When a stream switches from one
operation to the other, an event is recognised by its timestamp and the hash of its message. Of
several events that are equal in both, as many are skipped as were delivered.
"""

from collections import Counter, deque

_Key = int
"""Timestamp (ms) and message hash in one integer, which takes half the memory of a tuple."""

_HASH_BITS = 64
_HASH_MASK = (1 << _HASH_BITS) - 1

MAX_REMEMBERED = 20_000
"""Maximum number of events remembered of a stream that is read by token."""


class Window:
    """The events of one stream that were delivered, from `start` on.

    Attributes:
        start: Milliseconds since the epoch. Older events are complete and never delivered again.
    """

    __slots__ = ("_by_id", "_expected", "_recent", "start")

    def __init__(self, start: int) -> None:
        """Remember nothing yet."""
        self.start = start
        # In order of delivery, which is nearly the order of timestamps; `forget` relies on it.
        self._by_id: dict[str, _Key] = {}
        self._recent: deque[_Key] = deque(maxlen=MAX_REMEMBERED)
        # Delivered by the previous operation; the current one returns them once more.
        self._expected: Counter[_Key] = Counter()

    def __len__(self) -> int:
        """Return the number of remembered events."""
        return len(self._by_id) + len(self._recent) + self._expected.total()

    @property
    def is_overflowing(self) -> bool:
        """Whether a stream that is read by token writes more than can be remembered."""
        return len(self._recent) == MAX_REMEMBERED

    def admits(self, timestamp: int, event_id: str, message: str) -> bool:
        """Return whether an event of FilterLogEvents is new, and remember it."""
        if timestamp < self.start or event_id in self._by_id:
            return False
        key = timestamp << _HASH_BITS | hash(message) & _HASH_MASK
        self._by_id[event_id] = key
        return not (self._expected and self._take_expected(key))

    def admits_without_id(self, timestamp: int, message: str) -> bool:
        """Return whether an event of GetLogEvents is new, and remember it.

        A token never returns an event twice, so only events of the previous operation are known.
        """
        key = timestamp << _HASH_BITS | hash(message) & _HASH_MASK
        self._recent.append(key)
        return not (self._expected and self._take_expected(key))

    def forget(self, before: int) -> None:
        """Forget events older than a time (ms); the start of the window only moves forward."""
        if before <= self.start:
            return
        self.start = before
        old = []
        first = before << _HASH_BITS
        for event_id, key in self._by_id.items():
            # Stops at the first young event: a late one behind it stays a little longer, which
            # costs memory only. Looking at all events would cost time at every read.
            if key >= first:
                break
            old.append(event_id)
        for event_id in old:
            del self._by_id[event_id]
        while self._recent and self._recent[0] < first:
            self._recent.popleft()
        if self._expected:
            self._expected = Counter({k: n for k, n in self._expected.items() if k >= first})

    def restart(self) -> None:
        """Expect all remembered events once more: the next read uses other ids or tokens."""
        if self.is_overflowing:
            # Older events were delivered but are not remembered: they must not be read again.
            self.start = max(self.start, (self._recent[0] >> _HASH_BITS) + 1)
        known = [*self._by_id.values(), *self._recent]
        first = self.start << _HASH_BITS
        self._expected.update(key for key in known if key >= first)
        self._by_id.clear()
        self._recent.clear()

    def _take_expected(self, key: _Key) -> bool:
        """Return whether an event was expected, and expect it once less."""
        count = self._expected.get(key, 0)
        if count > 1:
            self._expected[key] = count - 1
        elif count:
            del self._expected[key]
        return count > 0
