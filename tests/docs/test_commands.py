"""The commands that the README gives to a newcomer are the ones that CI runs."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEST_COMMAND = re.compile(r"^ *(python3 -m venv \.venv && .*/nox)$", re.MULTILINE)


def test_ci_runs_the_readme_s_test_command_word_for_word() -> None:
    readme = TEST_COMMAND.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    ci = TEST_COMMAND.findall((ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert len(readme) == 1
    assert ci == readme
