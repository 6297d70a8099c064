"""The `asyncbatch-luigi` command: Luigi's arguments and return codes, one-process workers."""

from pathlib import Path
from typing import Self

import pytest

from asyncbatch_luigi.worker import _entry_points, _luigi_private
from tests.luigi.support import Aws
from tests.luigi.workers import Marked, configured


def run(*arguments: str) -> int | str | None:
    """Run the command in this process; return its exit code."""
    with pytest.raises(SystemExit) as caught:
        _entry_points.main([*arguments, "--local-scheduler", "--no-lock"])
    return caught.value.code


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Collect the one-process workers that are entered."""
    made: list[object] = []

    class Noted(_luigi_private.OneProcessWorker):
        def __enter__(self) -> Self:
            made.append(self)
            return super().__enter__()

    monkeypatch.setattr(_luigi_private, "OneProcessWorker", Noted)
    return made


def test_command_runs_a_task_by_name_in_one_process(aws: Aws, made: list[object]) -> None:
    code = run("Marked", "--name", "a", "--module", "tests.luigi.workers", "--workers", "3")
    assert code == 0
    assert len(made) == 1
    assert aws.statuses() == ["SUCCEEDED"]
    assert list(Path.cwd().glob(f"{Marked.__name__}*.done")) != []


def test_command_exits_with_luigis_return_codes(aws: Aws) -> None:
    with configured("retcode", {"task_failed": 30}):
        assert run("Marked", "--job-definition", "fails") == 30
    with configured("retcode", {"scheduling_error": 35}):
        assert run("Broken", "--module", "tests.luigi.workers") == 35


def test_command_restores_luigis_interface(aws: Aws, made: list[object]) -> None:
    import luigi.interface

    before = luigi.interface._run
    run("Marked", "--name", "a")
    assert luigi.interface._run is before
