"""Which events were delivered before, while a stretch of a stream is read again and again. Pure.

FilterLogEvents names events by an id, GetLogEvents does not. Where reading goes over from one to
the other, an event is known again by its time and its words; of several that are equal in both,
as many are passed over as were delivered.
"""

from collections import Counter, deque

_Key = int
"""An event's time (ms) and the hash of its words, in one number: half of what a tuple takes."""

_HASH_BITS = 64
_HASH = (1 << _HASH_BITS) - 1

KEPT = 20_000
"""Most events that are remembered of a stream which is read by tokens."""


class Window:
    """What was delivered of one stream from `start` on.

    Attributes:
        start: Milliseconds since the epoch: events from before are settled, and passed over.
    """

    __slots__ = ("_by_id", "_expected", "_recent", "start")

    def __init__(self, start: int) -> None:
        """Remember nothing yet, of what there is from `start` on."""
        self.start = start
        self._by_id: dict[str, _Key] = {}
        self._recent: deque[_Key] = deque(maxlen=KEPT)
        # What was delivered, and comes once more under a name that is not known yet.
        self._expected: Counter[_Key] = Counter()

    def __len__(self) -> int:
        """Return how many events are remembered."""
        return len(self._by_id) + len(self._recent) + self._expected.total()

    @property
    def is_overflowing(self) -> bool:
        """Whether a stream that is read by tokens writes more than can be remembered."""
        return len(self._recent) == KEPT

    def admits(self, timestamp: int, event_id: str, message: str) -> bool:
        """Return whether an event that has an id is new, and remember it."""
        if timestamp < self.start or event_id in self._by_id:
            return False
        key = timestamp << _HASH_BITS | hash(message) & _HASH
        self._by_id[event_id] = key
        return not (self._expected and self._meets(key))

    def admits_unnamed(self, timestamp: int, message: str) -> bool:
        """Return whether an event that comes by tokens, and so once, is new; and remember it."""
        key = timestamp << _HASH_BITS | hash(message) & _HASH
        self._recent.append(key)
        return not (self._expected and self._meets(key))

    def forget(self, before: int) -> None:
        """Settle what is older than a moment; the window never grows back."""
        if before <= self.start:
            return
        self.start = before
        old = []
        first = before << _HASH_BITS
        for event_id, key in self._by_id.items():
            if key >= first:
                break  # one that arrived late stays a little longer, behind the others
            old.append(event_id)
        for event_id in old:
            del self._by_id[event_id]
        while self._recent and self._recent[0] < first:
            self._recent.popleft()
        if self._expected:
            self._expected = Counter({k: n for k, n in self._expected.items() if k >= first})

    def restart(self) -> None:
        """Expect all that is remembered once more, under other names or by another token."""
        if self.is_overflowing:
            # Of older events nothing is known any more, but that they were delivered.
            self.start = max(self.start, (self._recent[0] >> _HASH_BITS) + 1)
        known = [*self._by_id.values(), *self._recent]
        first = self.start << _HASH_BITS
        self._expected.update(key for key in known if key >= first)
        self._by_id.clear()
        self._recent.clear()

    def _meets(self, key: _Key) -> bool:
        """Return whether an event was expected, which it is not again."""
        left = self._expected.get(key, 0)
        if left > 1:
            self._expected[key] = left - 1
        elif left:
            del self._expected[key]
        return left > 0
