"""Bytes to lines, as the log driver of a container does it."""

from collections.abc import Iterator

LONGEST_LINE = 256 * 1024  # bytes; CloudWatch Logs' limit for an event
_CONTINUATION = 0b1000_0000  # the two high bits of a byte in the middle of a UTF-8 character
_HIGH_BITS = 0b1100_0000


class LineSplitter:
    """Cuts a stream of bytes into lines.

    Empty lines are dropped, as CloudWatch Logs takes no empty events. A longer line than
    `LONGEST_LINE` becomes several, and what is not UTF-8 is replaced.
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the lines that are complete."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._rest += line
            yield from self.flush()
        self._rest += rest
        while len(self._rest) > LONGEST_LINE:
            yield self._cut(LONGEST_LINE)

    def flush(self) -> Iterator[str]:
        """Yield what is there, complete or not."""
        while self._rest:
            yield self._cut(LONGEST_LINE)

    def _cut(self, size: int) -> str:
        """Take `size` bytes off, or up to three less, so that no character is cut in two."""
        end = min(size, len(self._rest))
        for shorter in range(end, max(end - 4, 0), -1):
            if shorter == len(self._rest) or self._rest[shorter] & _HIGH_BITS != _CONTINUATION:
                end = shorter
                break
        line = self._rest[:end].decode(errors="replace")
        del self._rest[:end]
        return line
