"""The reference lists every public name."""

import importlib
import re
from pathlib import Path
from typing import Any

import asyncbatch

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
ENTRY = re.compile(r"^\.\. auto(?:class|exception|function|data):: (\w+)", re.MULTILINE)


def test_every_public_name_of_the_client_is_in_the_reference() -> None:
    pages = REFERENCE.glob("*.md")
    listed = [name for page in pages for name in ENTRY.findall(page.read_text(encoding="utf-8"))]
    assert sorted(listed) == sorted(asyncbatch.__all__)


def test_every_line_of_luigis_configuration_is_in_the_reference() -> None:
    section: Any = importlib.import_module("asyncbatch_luigi.config").asyncbatch

    page = (REFERENCE / "luigi-configuration.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(listed) == sorted(name for name, _ in section.get_params())
