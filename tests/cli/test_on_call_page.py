"""The commands of the page "On call" run, and print what the page says."""

import dataclasses
import re
from pathlib import Path

import pytest

from tests.cli.harness import Terminal
from tests.cli.pages import FENCE, calls, shown
from tests.cli.scenario import VCPUS, script, submit_jobs
from tests.fixtures.bench import MakeBench

PAGE = Path(__file__).parents[2] / "docs/how-to/on-call.md"


def without_ages(text: str) -> str:
    return re.sub(r"\b\d+m\d*s?(?= |$) *", "AGE ", text, flags=re.MULTILINE)


@pytest.mark.virtual_time
async def test_commands_print_what_the_page_shows(bench: MakeBench, terminal: Terminal) -> None:
    commands = 0
    async with bench(script, vcpus=VCPUS) as opened:
        await submit_jobs(opened)
        for fence in FENCE.finditer(PAGE.read_text(encoding="utf-8")):
            if fence["kind"] != "console":
                continue
            for arguments, expected in calls(fence["body"]):
                called = await terminal.call(opened, *arguments)
                # How long the calls of a command take in virtual time depends on their pace.
                timeless = dataclasses.replace(called, out=without_ages(called.out))
                wanted = [without_ages(line) for line in expected]
                assert shown(timeless, wanted), f"{arguments} printed {called}"
                commands += 1
    assert commands == 8
