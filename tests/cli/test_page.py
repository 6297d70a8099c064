"""The commands of the page about files run, and print what the page says."""

import shlex
from pathlib import Path

import pytest

from asyncbatch.local import Launch, Script
from tests.cli.harness import Terminal
from tests.cli.pages import FENCE, shown
from tests.fixtures.bench import DEFINITION, MakeBench

PAGE = Path(__file__).parents[2] / "docs/how-to/running-from-a-file.md"


def write(name: str, content: str) -> None:
    Path(name).write_text(content)


class OneDayFailsOnce:
    """The script of the page's jobs."""

    def __init__(self) -> None:
        self._failed = False

    def __call__(self, launch: Launch) -> Script:
        if launch.parameters.get("day") == "2024-01-16" and not self._failed:
            self._failed = True
            return Script(exit_code=3)
        return Script()


@pytest.mark.virtual_time
async def test_commands_print_what_the_page_shows(
    bench: MakeBench, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = 0
    async with bench(OneDayFailsOnce()) as opened:
        await opened.batch.register_job_definition({**DEFINITION, "jobDefinitionName": "etl"})
        for fence in FENCE.finditer(PAGE.read_text(encoding="utf-8")):
            if fence["file"]:
                write(fence["file"], fence["body"])
            elif fence["kind"] == "console":
                command, *expected = fence["body"].splitlines()
                called = await terminal.call(opened, *shlex.split(command)[2:])
                assert shown(called, expected), f"{command} printed {called}"
                commands += 1
    assert commands == 8
