"""Completion of the names of job queues and job definitions, without processes.

`test_every_command` completes names of a local AWS Batch in a shell's way.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asyncbatch._cli import completion

CONTEXT: Any = SimpleNamespace(params={"region": "eu-west-1", "profile": None})


class Looker:
    """Stands for the process of a look-up."""

    def __init__(self, output: str | Exception) -> None:
        self.calls: list[Sequence[str]] = []
        self._output = output

    def __call__(self, arguments: Sequence[str], **_: object) -> SimpleNamespace:
        self.calls.append(arguments)
        if isinstance(self._output, Exception):
            raise self._output
        return SimpleNamespace(stdout=self._output)


LookUp = Callable[[str | Exception], Looker]


@pytest.fixture
def look_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LookUp:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def replace(output: str | Exception) -> Looker:
        looker = Looker(output)
        monkeypatch.setattr(subprocess, "run", looker)
        return looker

    return replace


def make_older(folder: Path, seconds: float) -> None:
    (file,) = folder.glob("asyncbatch/*.json")
    changed = file.stat().st_mtime - seconds
    os.utime(file, (changed, changed))


def test_names_are_looked_up_once_for_some_minutes(look_up: LookUp, tmp_path: Path) -> None:
    looker = look_up('{"queues": [{"name": "night"}, {"name": "day"}, {"name": "noon"}]}')
    assert completion.queues(CONTEXT, "n") == ["night", "noon"]
    assert completion.queues(CONTEXT, "d") == ["day"]
    assert [list(call) for call in looker.calls] == [
        [sys.executable, "-m", "asyncbatch", "queues", "--no-depth", "--region=eu-west-1", "--json"]
    ]
    make_older(tmp_path, 301)
    completion.queues(CONTEXT, "")
    assert len(looker.calls) == 2


@pytest.mark.parametrize(
    "failure",
    [
        subprocess.TimeoutExpired("asyncbatch", 3.0),
        subprocess.CalledProcessError(3, "asyncbatch"),
        "no JSON",
    ],
)
def test_failed_look_up_offers_nothing_and_is_not_repeated_at_once(
    look_up: LookUp, tmp_path: Path, failure: str | Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    looker = look_up(failure)
    assert completion.definitions(CONTEXT, "") == []
    assert completion.definitions(CONTEXT, "e") == []
    assert len(looker.calls) == 1
    make_older(tmp_path, 31)
    completion.definitions(CONTEXT, "")
    assert len(looker.calls) == 2
    assert capfd.readouterr() == ("", "")
