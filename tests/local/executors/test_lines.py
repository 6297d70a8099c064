"""Output is split into lines as a container's log driver does it."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from asyncbatch.local._executors.lines import MAX_LINE_BYTES, LineSplitter


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
