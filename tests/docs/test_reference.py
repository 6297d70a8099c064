"""The reference lists every public name."""

import re
from pathlib import Path

import asyncbatch

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
ENTRY = re.compile(r"^\.\. auto(?:class|exception|function|data):: (\w+)", re.MULTILINE)


def test_every_public_name_of_the_client_is_in_the_reference() -> None:
    pages = REFERENCE.glob("*.md")
    listed = [name for page in pages for name in ENTRY.findall(page.read_text(encoding="utf-8"))]
    assert sorted(listed) == sorted(asyncbatch.__all__)
