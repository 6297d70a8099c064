"""Every page can be reached, every link has a target, and the README stands on its own."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.glob("**/*.md") if "_build" not in page.parts)
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES]
# Inline links only; an image (`![…]`) counts as a link to its file.
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    """Return the targets of the links of a page, without those inside code."""
    return LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))


def local_targets(page: Path) -> list[Path]:
    """Return the files that a page links to."""
    paths = [link.partition("#")[0] for link in links(page) if "://" not in link]
    return [(page.parent / path).resolve() for path in paths if path]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_index_links_every_page(page: Path) -> None:
    assert page.name == "index.md" or page in local_targets(DOCS / "index.md")


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_linked_files_exist(page: Path) -> None:
    assert [target for target in local_targets(page) if not target.exists()] == []


def test_readme_has_no_relative_links() -> None:
    # A package index renders the README without the repository: relative links would be dead.
    assert [link for link in links(ROOT / "README.md") if "://" not in link] == []


def test_files_named_in_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:docs|examples)/[\w./-]*|[A-Z]+(?:\.md)?)`", readme)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
