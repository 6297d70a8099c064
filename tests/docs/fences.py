"""Read and run the python fences of a page, as a notebook runs its cells.

The fences of one page share a namespace and may use `await` at the top level. An `output` fence
contains the expected output of the python fence before it; `...` matches any text. Docstrings
contain their examples in such fences, or as a `>>>` dialogue.
"""

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>python|output)[^\n]*\n(?P<body>.*?)^(?P=indent)```\s*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """One fence.

    Attributes:
        page: Path of the page, or the dotted name of the documented object.
        line: Number of lines before the code, for tracebacks.
        source: The code.
        expected: The expected output; None accepts any.
        is_dialogue: Whether expressions print their value, as at a prompt.
    """

    page: str
    line: int
    source: str
    expected: str | None = None
    is_dialogue: bool = False


def read_fences(page: Path) -> list[Fence]:
    """Return the python fences of a page in order, each with its expected output."""
    return _parse(str(page), page.read_text(encoding="utf-8"))


def _parse(page: str, text: str) -> list[Fence]:
    fences: list[Fence] = []
    for match in _FENCE.finditer(text):
        body = textwrap.dedent(match["body"])
        line = text.count("\n", 0, match.start("body"))
        if match["language"] == "python":
            fences.append(Fence(page=page, line=line, source=body))
        elif not fences or fences[-1].expected is not None:
            message = f"{page}:{line}: an output fence must follow the python fence that prints it"
            raise ValueError(message)
        else:
            fences[-1] = replace(fences[-1], expected=body)
    return fences


def run_fences(runner: asyncio.Runner, fences: Sequence[Fence], namespace: dict[str, Any]) -> None:
    """Run fences in order in one namespace; a fence that awaits runs as a separate task."""
    for fence in fences:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            _run(runner, fence, namespace)
        _check_output(fence, printed.getvalue())


def _run(runner: asyncio.Runner, fence: Fence, namespace: dict[str, Any]) -> None:
    # Empty lines in front make the line numbers of tracebacks those of the page.
    source = "\n" * fence.line + fence.source
    mode = "single" if fence.is_dialogue else "exec"
    code = compile(source, fence.page, mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    outcome = eval(code, namespace)  # noqa: S307 - our own documentation
    if code.co_flags & inspect.CO_COROUTINE:
        runner.run(outcome)


def _check_output(fence: Fence, printed: str) -> None:
    if fence.expected is None:
        return
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if not doctest.OutputChecker().check_output(fence.expected, printed, flags):
        message = f"{fence.page}:{fence.line} expected\n{fence.expected}\nbut printed\n{printed}"
        raise AssertionError(message)


def docstring_examples(module: object) -> Iterator[tuple[str, list[Fence]]]:
    """Yield the name and the examples of each documented public name of a module."""
    for name in _public_names(module):
        value = getattr(module, name)
        members = _members(value) if inspect.isclass(value) else ()
        public = {f"{name}.{key}": member for key, member in members if key[0] != "_"}
        for path, documented in {name: value, **public}.items():
            if fences := read_docstring(path, inspect.getdoc(documented) or ""):
                yield path, fences


def _members(kind: type) -> Iterable[tuple[str, object]]:
    """Return the members of a class and of its private base classes."""
    private = [base for base in kind.__mro__[1:] if base.__module__.startswith("asyncbatch._")]
    return [item for base in (kind, *private) for item in vars(base).items()]


def _public_names(module: object) -> Sequence[str]:
    """Return `__all__` of a module, or else its names that are defined in this project."""
    if listed := getattr(module, "__all__", None):
        return list(listed)
    return [
        name
        for name, value in vars(module).items()
        if name[0] != "_" and getattr(value, "__module__", "").startswith("asyncbatch")
    ]


def read_docstring(path: str, docstring: str) -> list[Fence]:
    """Return the examples of a docstring: its fences, or else the lines of its dialogue."""
    return _parse(path, docstring) or [
        Fence(page=path, line=0, source=line.source, expected=line.want, is_dialogue=True)
        for line in doctest.DocTestParser().get_examples(docstring)
    ]
