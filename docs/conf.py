"""Sphinx configuration: Markdown pages, reference pages from docstrings, no network."""

import re
from importlib.metadata import version as installed_version

from sphinx.application import Sphinx

project = "asyncbatch"
author = "the asyncbatch maintainers"
copyright = "the asyncbatch maintainers"
release = installed_version("asyncbatch")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
# Headings may be linked to from other pages.
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_numpy_docstring = False
# `Attributes:` of a dataclass become entries of their own only where the class does not have them.
napoleon_use_ivar = True

# Our own public names must resolve. Those of Python and of other packages would need their
# inventories, and a build that needs the network fails for other people's reasons.
nitpick_ignore_regex = [("py:.*", r"(?!asyncbatch).*|asyncbatch\.(\w+\.)?_.*")]

html_theme = "furo"
html_title = "asyncbatch"


def fences_to_directives(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Let docstrings hold their examples in fences, as the pages do."""
    inside = False
    for number, line in enumerate(lines):
        fence = re.fullmatch(r"( *)```(\w*)", line)
        if fence:
            lines[number] = f"{fence[1]}.. code-block:: {fence[2]}\n" if not inside else ""
            inside = not inside
        elif inside and line:
            lines[number] = f"    {line}"
    lines[:] = "\n".join(lines).split("\n")


def setup(app: Sphinx) -> None:
    """Connect the hook so that it comes before napoleon, which reads the sections."""
    app.connect("autodoc-process-docstring", fences_to_directives, priority=400)
