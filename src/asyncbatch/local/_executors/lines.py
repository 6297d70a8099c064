"""Split output into lines, as a container's log driver does."""

from collections.abc import Iterator

MAX_LINE_BYTES = 256 * 1024  # CloudWatch Logs' limit for an event
# In UTF-8, every byte of a character but its first has the form 0b10xxxxxx.
_HIGH_BITS = 0b1100_0000
_CONTINUATION = 0b1000_0000


class LineSplitter:
    """Splits a stream of bytes into lines.

    Empty lines are dropped, because CloudWatch Logs does not accept empty events. Lines longer than
    `MAX_LINE_BYTES` are split. Bytes that are not UTF-8 are replaced.
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[str]:
        """Add bytes and yield the lines that are complete."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._rest += line
            yield from self.flush()
        self._rest += rest
        while len(self._rest) > MAX_LINE_BYTES:
            yield self._cut(MAX_LINE_BYTES)

    def flush(self) -> Iterator[str]:
        """Yield the buffered rest, complete or not."""
        while self._rest:
            yield self._cut(MAX_LINE_BYTES)

    def _cut(self, size: int) -> str:
        """Remove up to `size` bytes, at most three fewer so that no character is split."""
        end = min(size, len(self._rest))
        for shorter in range(end, max(end - 4, 0), -1):
            if shorter == len(self._rest) or self._rest[shorter] & _HIGH_BITS != _CONTINUATION:
                end = shorter
                break
        line = self._rest[:end].decode(errors="replace")
        del self._rest[:end]
        return line
