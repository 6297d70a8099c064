"""Output of jobs made safe for terminals."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncbatch._values.text import fit_for_terminal, shortened

RED, OFF = "\x1b[31m", "\x1b[0m"

CASES = {
    "plain": ("plain text\twith a tab", "plain text\twith a tab"),
    "other scripts": ("größer 日本 🎉", "größer 日本 🎉"),
    "lines": ("first\nsecond", "first\nsecond"),
    "colour": (f"{RED}red{OFF}", "red"),
    "colours of 24 bits": ("\x1b[38;2;1;2;3mx\x1b[38:5:9my", "xy"),
    "cursor": ("a\x1b[2Jb\x1b[1;1Hc\x1b[K", "abc"),
    "window's title": ("\x1b]0;gotcha\x07text", "text"),
    "title, other end": ("\x1b]0;gotcha\x1b\\text", "text"),
    "clipboard": ("\x1b]52;c;cm0gLXJm\x07text", "text"),
    "device control": ("\x1bP$q\x1b\\text", "text"),
    "without an end": ("\x1b]0;text", "0;text"),
    "eight bits": ("\x9b31mtext\x9d0;t\x9c", "text"),
    "reset": ("\x1bctext", "text"),
    "bell and backspace": ("a\x07b\x08c", "a\\x07b\\x08c"),
    "nothing at all": ("\x00", "\\x00"),
    "lone escape": ("end\x1b", "end\\x1b"),
    "direction": ("user\u202etxt.exe", "user\\u202etxt.exe"),
    "half a character": ("a\ud800b", "a\ufffdb"),
    "progress": (" 10%\r 50%\r100%", "100%"),
    "progress of each line": ("a\rb\nc\rd\r", "b\nd"),
    "line end of Windows": ("text\r", "text"),
}


@pytest.mark.parametrize("name", CASES)
def test_text_fit_for_a_terminal_has_no_control_sequences(name: str) -> None:
    text, expected = CASES[name]
    assert fit_for_terminal(text) == expected


def test_colours_are_kept_on_request_and_reset_at_the_end() -> None:
    assert fit_for_terminal(f"{RED}red", colours=True) == f"{RED}red{OFF}"
    assert fit_for_terminal(f"a{RED}b\x1b[2J\x07", colours=True) == f"a{RED}b\\x07{OFF}"


@given(st.text(st.characters() | st.sampled_from("\x1b\x9b\x9d[]m;0\x07\\\r\n\x9c"), max_size=60))
def test_any_text_is_fit_for_a_terminal_afterwards(text: str) -> None:
    fit = fit_for_terminal(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", fit)
    coloured = fit_for_terminal(text, colours=True)
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;:]*m", "", coloured)
    coloured.encode()


@pytest.mark.parametrize("unit", ["\x1b]", "\x1b[", "\x9d", "\r", "\x1b[31m", "\x1b]0;\x1b"])
def test_megabyte_of_control_sequences_is_processed_in_linear_time(unit: str) -> None:
    """A pattern that backtracks at each position would take hours."""
    rubbish = unit * (1_000_000 // len(unit)) + "end"
    assert fit_for_terminal(rubbish).endswith("nd")
    assert "nd" in fit_for_terminal(rubbish, colours=True)


def test_shortened_text_shows_its_full_length() -> None:
    assert shortened("x" * 10, 10) == "x" * 10
    assert shortened("x" * 2_000, 3) == "xxx… (2,000 characters)"
