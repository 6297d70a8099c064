"""The commands in the README are those that CI runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEST_COMMAND = re.compile(r"^(?: *|\$ )(python3 -m venv \.venv && .*/nox)$", re.MULTILINE)


@pytest.mark.parametrize("place", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_test_command_is_the_same_in_readme_contributing_and_ci(place: str) -> None:
    readme = TEST_COMMAND.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(readme) == 1
    assert TEST_COMMAND.findall((ROOT / place).read_text(encoding="utf-8")) == readme
