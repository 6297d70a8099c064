"""The packages that messages name can be installed by these names, in the required versions."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
REQUIREMENTS = {each.partition(";")[0].strip() for extra in EXTRAS.values() for each in extra}


def test_hints_name_requirements_of_the_extras() -> None:
    hints = [
        requirement
        for path in sorted((ROOT / "src").rglob("*.py"))
        for command in re.findall(r"pip install ('.+')\"", path.read_text(encoding="utf-8"))
        for requirement in re.findall(r"'([^']+)'", command)
    ]
    assert {"jinja2>=3.1.5", "luigi>=3.6,<4", "opentelemetry-api>=1.30"} <= set(hints)
    assert [hint for hint in hints if hint not in REQUIREMENTS] == []
    assert not any(hint.startswith("asyncbatch") for hint in hints)  # not in a package index yet
