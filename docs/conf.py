"""Sphinx configuration: Markdown pages, reference pages from docstrings, no network."""

import importlib
import re
import sys
from importlib.metadata import version as installed_version

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

import asyncbatch

project = "asyncbatch"
author = "The asyncbatch authors"
copyright = "The asyncbatch authors"
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
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False
# `Attributes:` of a dataclass become entries of their own only where the class does not have them.
napoleon_use_ivar = True

# All public names of the project must resolve. Names of Python and of other packages would need
# their inventories, and a build that needs the network fails for unrelated reasons.
nitpick_ignore_regex = [("py:.*", r"(?!asyncbatch).*"), ("py:class", r"asyncbatch\..*\.T")]
# Non-public types in signatures are shown without a link; `show_public_names` adds them.
nitpick_ignore: list[tuple[str, str]] = []

html_theme = "furo"
html_title = "asyncbatch"

# Protocols that private modules use in place of a class of a higher layer.
SHOWN_AS = {"HasArn": asyncbatch.JobDefinition, "HasJobId": asyncbatch.Job}
# Classes that users get from a method and never construct, and enumerations.
WITHOUT_CONSTRUCTOR = {
    *("Job", "ArrayJob", "JobGroup", "Injection", "LocalSession", "LogStore"),
    *("DependencyType", "RetryAction", "JobStatus", "FailureKind"),
}


def show_public_names() -> None:
    """Set the module of every class to the public package that users import it from."""
    packages = ("asyncbatch", "asyncbatch.local", "asyncbatch.progress", "asyncbatch_luigi")
    public = {name: vars(importlib.import_module(name)) for name in packages}
    for name, module in list(sys.modules.items()):
        if not name.startswith("asyncbatch"):
            continue
        keep_source_order(name)
        for kind in vars(module).values():
            if isinstance(kind, type) and kind.__module__ == name:
                kind.__module__ = re.sub(r"\._.*", "", name)
                if shown := SHOWN_AS.get(kind.__name__):
                    kind.__module__, kind.__qualname__ = shown.__module__, shown.__qualname__
                elif kind.__name__ not in public.get(kind.__module__, ()):
                    nitpick_ignore.append(("py:class", f"{kind.__module__}.{kind.__qualname__}"))


def keep_source_order(module: str) -> None:
    """Let autodoc find the order of a private module's definitions under its public package."""
    public = ModuleAnalyzer.for_module(re.sub(r"\._.*", "", module))
    private = ModuleAnalyzer.for_module(module)
    public.analyze()
    private.analyze()
    public.tagorder.update(private.tagorder)


def hide_constructor(_app: Sphinx, what: str, name: str, *_rest: object) -> tuple[str, None] | None:
    """Show a class without the signature of its constructor if users never call it."""
    is_hidden = what == "class" and name.rpartition(".")[2] in WITHOUT_CONSTRUCTOR
    return ("", None) if is_hidden else None


def fences_to_directives(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Convert Markdown fences in docstrings to code-block directives."""
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
    """Connect the hook with a priority before napoleon's, which reads the sections."""
    show_public_names()
    app.connect("autodoc-process-signature", hide_constructor)
    app.connect("autodoc-process-docstring", fences_to_directives, priority=400)
