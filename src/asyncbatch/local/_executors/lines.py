"""Split output into lines, as a container's log driver does, and bound what is kept of it."""

import sys
from collections.abc import Iterator

MAX_LINE_BYTES = 256 * 1024  # CloudWatch Logs' limit for an event
# Memory that a stored line takes beside its text: an event with three numbers, in two lists.
_EVENT_BYTES = 220
# What is kept of the end of an output that exceeds its limit. Short lines take a hundred times
# their length in memory, so this is small.
_TAIL_BYTES = 256 * 1024
_MB = 1024**2
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
            if line or self._rest:  # millions of empty lines would keep the event loop busy
                self._rest += line
                yield from self.flush()
        self._rest += rest
        while len(self._rest) > MAX_LINE_BYTES:
            yield self._cut(MAX_LINE_BYTES)

    def flush(self) -> Iterator[str]:
        """Yield the buffered rest, complete or not."""
        while self._rest:
            yield self._cut(MAX_LINE_BYTES)

    def take_rest(self) -> bytearray:
        """Remove and return the buffered rest."""
        rest, self._rest = self._rest, bytearray()
        return rest

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


class BoundedOutput:
    """Splits an output into lines, and drops lines when they take too much memory.

    The beginning passes at once. After `limit`, only the end of the rest is kept: it says why a
    job failed. A line in the output says how much was dropped.

    Args:
        limit: Memory in bytes that the lines of the beginning may take.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._splitter = LineSplitter()
        self._kept = 0
        self._tail: bytearray | None = None
        self._dropped_lines = 0
        self._dropped_bytes = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """Add bytes and yield the lines that are complete and kept."""
        if self._tail is not None:
            self._tail += data
            if len(self._tail) > 2 * _TAIL_BYTES:  # twice, so that bytes are moved rarely
                self._shorten_tail(self._tail)
            return
        for line in self._splitter.feed(data):
            self._kept += sys.getsizeof(line) + _EVENT_BYTES
            yield line
        if self._kept > self._limit:
            self._tail = self._splitter.take_rest()
            yield (
                f"... output exceeds {self._limit / _MB:,.0f} MB of memory: the local AWS Batch"
                f" keeps only the last {_TAIL_BYTES // 1024} KB of the rest, until the attempt ends"
            )

    def flush(self) -> Iterator[str]:
        """Yield what is kept of the end, its last line complete or not."""
        if self._tail is not None:
            if len(self._tail) > _TAIL_BYTES:
                self._shorten_tail(self._tail)
            if self._dropped_bytes:
                yield (
                    f"... {self._dropped_lines:,} lines ({self._dropped_bytes / _MB:,.1f} MB)"
                    " dropped by the local AWS Batch:"
                    f" more than {self._limit / _MB:,.0f} MB of memory"
                )
            yield from self._splitter.feed(bytes(self._tail))
            self._tail = bytearray()
        yield from self._splitter.flush()

    def _shorten_tail(self, tail: bytearray) -> None:
        """Drop all but the last lines."""
        excess = len(tail) - _TAIL_BYTES
        # Whole lines, unless a line is longer than all that is kept.
        end = tail.find(b"\n", excess - 1) + 1 or excess
        self._dropped_lines += tail.count(b"\n", 0, end)
        self._dropped_bytes += end
        del tail[:end]
