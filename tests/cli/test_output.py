"""Text for people and JSON for machines, without a command."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from asyncbatch._cli import output
from asyncbatch._cli.output import Column
from tests.cli.harness import Screen


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-5, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (65, "1m5s"),
        (3600, "1h"),
        (3660, "1h1m"),
        (86_400, "1d"),
        (90_000, "1d1h"),
        (9_999_999, "115d17h"),
    ],
)
def test_duration_has_two_units(seconds: float, text: str) -> None:
    assert output.duration(timedelta(seconds=seconds)) == text


def test_json_has_utc_times_seconds_and_no_lone_surrogates() -> None:
    moment = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    value = {"at": moment, "for": timedelta(minutes=1.5), "text": "\ud800\x1b", "of": (1, None)}
    assert output.facts(value) == {
        "at": "2026-03-01T10:00:00.000Z",
        "for": 90.0,
        "text": "?\x1b",
        "of": [1, None],
    }


def test_json_cannot_act_on_a_terminal_and_keeps_its_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    message = "\x1b[2J\x7f\x9b31m\u202eevil\u2066 é漢"
    output.print_json({"message": message})
    output.print_json_line({"message": message})
    shown = capsys.readouterr().out
    assert [char for char in shown if not char.isprintable() and char != "\n"] == []
    assert "é漢" in shown
    first, last = shown.split("}\n", 1)
    assert json.loads(f"{first}}}") == json.loads(last) == {"message": message}


def test_json_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json_line({"message": "a\nb\u2028c", "at": datetime(2026, 1, 1, tzinfo=UTC)})
    (line,) = capsys.readouterr().out.split("\n")[:-1]
    assert json.loads(line)["message"] == "a\nb\u2028c"


COLUMNS = (Column("NAME", cut=True), Column("N", right=True), Column("WHY", cut=True, below=True))
ROWS = [("short", 7, None), ("長い名前" * 8, 10, "because " * 12)]


@pytest.mark.parametrize("columns", [20, 24, 40, 60, 80, 120, 200])
def test_table_fits_every_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    output.print_table(COLUMNS, ROWS)
    lines = screen.getvalue().splitlines()
    assert max(map(output.cell_width, lines)) <= columns
    assert "short" in screen.getvalue()
    assert "\x1b" not in screen.getvalue()


def test_table_in_a_pipe_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(COLUMNS, ROWS)
    text = capsys.readouterr().out
    assert ROWS[1][0] in text
    assert "…" not in text


@pytest.mark.parametrize("columns", [40, 80])
def test_values_are_wrapped_between_words_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    address = "https://console.aws.amazon.com/batch/home?region=eu-west-1#jobs/" + "x" * 40
    facts = [("Why", "because " * 20), ("Console", address), ("Command", "echo " * 30 + "end")]
    output.print_facts(facts, whole=("Command",))
    *wrapped, console, command = screen.getvalue().splitlines()
    assert max(map(len, wrapped)) <= columns
    assert {line[:9] for line in wrapped} == {"Why      ", " " * 9}
    assert (console, command) == (f"Console  {address}", f"Command  {'echo ' * 30}end")


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_turned_off(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setattr("sys.stdout", Screen())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.styled("FAILED", "FAILED") != "FAILED"
    monkeypatch.setenv(variable, value)
    assert output.styled("FAILED", "FAILED") == "FAILED"
