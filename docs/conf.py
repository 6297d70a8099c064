"""Sphinx configuration: Markdown pages, reference pages from docstrings, no network."""

from importlib.metadata import version as installed_version

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

# Our own names must resolve. Those of Python and of other packages would need their inventories,
# and a build that needs the network fails for other people's reasons.
nitpick_ignore_regex = [("py:.*", r"(?!asyncbatch).*")]

html_theme = "furo"
html_title = "asyncbatch"
