"""Sphinx configuration: Markdown pages, reference pages from docstrings, no network."""

import html
import importlib
import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import get_args

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PyObject
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer

import asyncbatch

project = "asyncbatch"
author = "The asyncbatch authors"
copyright = "The asyncbatch authors"
release = installed_version("asyncbatch")
version = release

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "_static"]
# Notebooks are shown with the outputs that `tools.notebooks` keeps.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence", "deflist"]
# Headings may be linked to from other pages.
myst_heading_anchors = 3

# Single backticks in docstrings are names of Python; `link_public_name` completes short ones.
default_role = "py:obj"

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

# Signatures longer than this have one parameter per line.
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "asyncbatch"
html_static_path = ["_static"]
html_css_files = ["custom.css"]

# Copy commands without their prompt, and no copy button on expected output.
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True
copybutton_selector = "div:not(.highlight-output) > div.highlight > pre"

PUBLIC = (
    "asyncbatch",
    "asyncbatch.local",
    "asyncbatch.progress",
    "asyncbatch.telemetry",
    "asyncbatch_luigi",
)

SHORT_CELL = 14  # characters

# Protocols that private modules use in place of a class of a higher layer.
SHOWN_AS = {"HasArn": asyncbatch.JobDefinition, "HasJobId": asyncbatch.Job}
# Classes that users get from a method and never construct, and enumerations.
WITHOUT_CONSTRUCTOR = {
    *("Job", "ArrayJob", "JobGroup", "Submission", "Injection", "LocalSession", "LogStore"),
    *("DependencyType", "RetryAction", "JobStatus", "FailureKind"),
}


def show_public_names() -> None:
    """Set the module of every class to the public package that users import it from."""
    public = {name: vars(importlib.import_module(name)) for name in PUBLIC}
    for name, module in list(sys.modules.items()):
        if not name.startswith("asyncbatch"):
            continue
        show_as_public(name)
        for kind in vars(module).values():
            if isinstance(kind, type) and kind.__module__ == name:
                kind.__module__ = re.sub(r"\._.*", "", name)
                if shown := SHOWN_AS.get(kind.__name__):
                    kind.__module__, kind.__qualname__ = shown.__module__, shown.__qualname__
                elif kind.__name__ not in public.get(kind.__module__, ()):
                    nitpick_ignore.append(("py:class", f"{kind.__module__}.{kind.__qualname__}"))


def show_as_public(module: str) -> None:
    """Let autodoc find the order and the comments of a private module in its public package."""
    public = ModuleAnalyzer.for_module(re.sub(r"\._.*", "", module))
    private = ModuleAnalyzer.for_module(module)
    public.analyze()
    private.analyze()
    public.tagorder.update(private.tagorder)
    public.attr_docs.update(private.attr_docs)


def simplify_signature(
    _app: Sphinx,
    what: str,
    name: str,
    _object: object,
    _options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Hide constructors that users never call, and write what Sphinx cannot parse or shorten."""
    if what == "class" and name.rpartition(".")[2] in WITHOUT_CONSTRUCTOR:
        return "", None
    if signature:
        # Sphinx does not parse this default of a dataclass, which is an empty collection.
        signature = signature.replace("<factory>", "...")
        # The union of all events has a name.
        signature = signature.replace(EVENTS, "~asyncbatch.Event")
    return signature, returns


EVENTS = " | ".join(f"~asyncbatch.{kind.__name__}" for kind in get_args(asyncbatch.Event))


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


def keep_colons(
    _app: Sphinx, what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Stop napoleon from reading the words before a colon as a type.

    It does so in the text of attributes and in the sections for returned values. Types are in the
    signature here, so an empty type is put in front.
    """
    starts = [0] if what in ("attribute", "data", "property") else []
    starts += [number + 1 for number, line in enumerate(lines) if line in ("Returns:", "Yields:")]
    for number in starts:
        if number < len(lines) and ":" in lines[number]:
            text = lines[number].lstrip()
            lines[number] = lines[number].removesuffix(text) + ": " + text


def shorten_types(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Show the types of attributes without their modules."""
    lines[:] = [
        re.sub(r"(?<![~\w.])((?:\w+\.)+\w+)", r"~\1", line) if ":vartype" in line else line
        for line in lines
    ]


def link_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Element
) -> nodes.Element | None:
    """Link a public name from another module, and the field of a class to the class."""
    if node["reftype"] != "obj":
        return None
    target = node["reftarget"]
    domain = env.domains.python_domain
    for name in (target, target.rpartition(".")[0]):
        for module in PUBLIC:
            if name and f"{module}.{name}" in domain.objects:
                return domain.resolve_xref(
                    env, node["refdoc"], app.builder, "obj", f"{module}.{name}", node, text
                )
    return None


def inline_pictures(app: Sphinx, doctree: nodes.document, _docname: str) -> None:
    """Put SVG pictures into the page itself, where they follow its light or dark theme."""
    if app.builder.format != "html":
        return
    for image in list(doctree.findall(nodes.image)):
        if image["uri"].endswith(".svg"):
            picture = Path(app.srcdir, image["uri"]).read_text(encoding="utf-8")
            label = html.escape(image.get("alt", ""), quote=True)
            figure = f'<div class="picture" role="img" aria-label="{label}">{picture}</div>'
            image.replace_self(nodes.raw("", figure, format="html"))


def keep_short_cells(_app: Sphinx, doctree: nodes.document, _docname: str) -> None:
    """Mark table cells with a number or a name, which the style sheet keeps in one line."""
    for cell in doctree.findall(nodes.entry):
        if len(cell.astext()) <= SHORT_CELL:
            cell["classes"].append("short")


def setup(app: Sphinx) -> None:
    """Connect the hooks; those for docstrings come before napoleon's, which reads the sections."""
    show_public_names()
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    app.connect("autodoc-process-signature", simplify_signature)
    app.connect("autodoc-process-docstring", keep_colons, priority=300)
    app.connect("autodoc-process-docstring", fences_to_directives, priority=400)
    app.connect("autodoc-process-docstring", shorten_types, priority=900)
    app.connect("missing-reference", link_public_name)
    app.connect("doctree-resolved", inline_pictures)
    app.connect("doctree-resolved", keep_short_cells)
