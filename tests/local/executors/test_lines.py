"""Output is split into lines as a container's log driver does it."""

import itertools
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncbatch.local._executors.lines import MAX_LINE_BYTES, BoundedOutput, LineSplitter


def _split(*chunks: bytes) -> list[str]:
    splitter = LineSplitter()
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return lines + list(splitter.flush())


def test_a_line_is_yielded_only_when_it_is_complete() -> None:
    splitter = LineSplitter()
    assert list(splitter.feed(b"one\ntw")) == ["one"]
    assert list(splitter.feed(b"o\n")) == ["two"]
    assert list(splitter.feed(b"tail")) == []
    assert list(splitter.flush()) == ["tail"]
    assert list(splitter.flush()) == []


def test_empty_lines_are_dropped() -> None:
    assert _split(b"\n\na\n\nb\n") == ["a", "b"]


def test_invalid_utf8_is_replaced() -> None:
    assert _split(b"caf\xe9\n") == ["caf�"]


def test_a_line_longer_than_the_limit_is_split() -> None:
    assert [len(line) for line in _split(b"x" * (2 * MAX_LINE_BYTES + 5) + b"\n")] == [
        MAX_LINE_BYTES,
        MAX_LINE_BYTES,
        5,
    ]


def test_a_split_line_keeps_characters_whole() -> None:
    text = "x" + "é" * MAX_LINE_BYTES
    lines = _split(text.encode())
    assert "".join(lines) == text
    assert all(len(line.encode()) <= MAX_LINE_BYTES for line in lines)


@given(data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_lines_do_not_depend_on_how_the_bytes_are_chunked(data: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [data[a:b] for a, b in itertools.pairwise(bounds)]
    assert _split(*chunks) == _split(data)
    assert _split(data) == [line.decode(errors="replace") for line in data.split(b"\n") if line]


def lines_of(output: bytes, limit: int, *, size: int = 65536) -> list[str]:
    """Return the lines that are kept of an output that arrives in pieces."""
    bounded = BoundedOutput(limit)
    pieces = (output[at : at + size] for at in range(0, len(output), size))
    return [*(line for piece in pieces for line in bounded.feed(piece)), *bounded.flush()]


def test_an_output_within_its_limit_is_complete() -> None:
    output = b"".join(b"line %d\n" % number for number in range(1000)) + b"end"
    assert lines_of(output, 1024**2, size=7) == output.decode().split("\n")


@pytest.mark.parametrize("line", [b"y", b"", b"x" * 80, "\U0001f600".encode() * 20])
def test_an_output_beyond_its_limit_keeps_its_beginning_and_end(line: bytes) -> None:
    total = 2 * 1024**2 // (len(line) + 1)
    output = b"".join(b"%d%s\n" % (number, line) for number in range(total)) + b"unfinished"
    kept = lines_of(output, 1024**2)
    [began, dropped] = [at for at, text in enumerate(kept) if text.startswith("... ")]
    assert kept[began].startswith(
        "... output exceeds 1 MB of memory: the local AWS Batch keeps only"
    )
    assert kept[dropped].endswith("dropped by the local AWS Batch: more than 1 MB of memory")
    lost = int(kept[dropped].split()[1].replace(",", ""))
    assert dropped == began + 1
    assert kept[0] == f"0{line.decode()}"
    assert kept[-1] == "unfinished"
    assert kept[-2] == f"{total - 1}{line.decode()}"
    assert len(kept) - 3 + lost == total
    assert sum(map(sys.getsizeof, kept[:began])) < 1.2 * 1024**2
    assert sum(len(text.encode()) + 1 for text in kept[dropped + 1 :]) <= 256 * 1024 + 1


def test_an_output_slightly_beyond_its_limit_loses_nothing() -> None:
    output = b"".join(b"line %d\n" % number for number in range(1000))
    kept = lines_of(output, 1024, size=16)
    assert [text for text in kept if not text.startswith("... ")] == output.decode().splitlines()
    assert sum(text.startswith("... output exceeds") for text in kept) == 1
    assert not any("dropped" in text for text in kept)


def test_an_endless_line_is_bounded() -> None:
    kept = lines_of(b"x" * 8 * 1024**2, 1024**2)
    assert sum(map(len, kept)) < 2 * 1024**2
    assert any("dropped by the local AWS Batch" in text for text in kept)
