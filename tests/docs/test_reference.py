"""The reference lists every public name."""

import enum
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
DIRECTIVE = re.compile(
    r"^\.\. (currentmodule|autoclass|autoexception|autofunction|autodata|py:data):: ([\w.]+)",
    re.MULTILINE,
)


def names_in_the_reference() -> list[tuple[str, str]]:
    """Return (module, name) of each entry of the reference pages."""
    entries: list[tuple[str, str]] = []
    for page in sorted(REFERENCE.glob("*.md")):
        module = ""
        for directive, argument in DIRECTIVE.findall(page.read_text(encoding="utf-8")):
            if directive == "currentmodule":
                module = argument
            else:
                entries.append((module, argument))
    return entries


@pytest.mark.parametrize(
    "module", ["asyncbatch", "asyncbatch.local", "asyncbatch.telemetry", "asyncbatch_luigi"]
)
def test_reference_lists_every_public_name_once(module: str) -> None:
    listed = [name for where, name in names_in_the_reference() if where == module]
    assert sorted(listed) == sorted(importlib.import_module(module).__all__)


def test_reference_lists_every_line_of_the_luigi_configuration() -> None:
    section: Any = importlib.import_module("asyncbatch_luigi.config").asyncbatch

    page = (REFERENCE / "luigi-configuration.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(listed) == sorted(name for name, _ in section.get_params())


def test_guide_to_failures_lists_every_kind() -> None:
    kinds: Any = importlib.import_module("asyncbatch").FailureKind
    page = (REFERENCE.parent / "how-to" / "failures.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [kind.name for kind in kinds]


def test_tests_named_in_the_reference_exist() -> None:
    tests = Path(__file__).parents[1] / "luigi"
    sources = "\n".join(path.read_text(encoding="utf-8") for path in tests.rglob("*.py"))
    page = (REFERENCE / "luigi-worker.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+)`", page)
    assert named
    assert [name for name in named if f"def {name}(" not in sources] == []


def test_every_member_of_a_public_enumeration_is_documented() -> None:
    public = vars(importlib.import_module("asyncbatch")).values()
    kinds = [kind for kind in public if isinstance(kind, enum.EnumType)]
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (Path(__file__).parents[2] / "src/asyncbatch").rglob("*.py")
    )
    documented = re.findall(r"^    #: .+\n    (\w+) = ", sources, re.MULTILINE)
    assert kinds
    missing = {name for kind in kinds for name in kind.__members__} - set(documented)
    assert missing == set()
