"""Reading and running the python fences of a page, as a notebook would run its cells.

The fences of one page share a namespace and may use `await` at the top level. An `output` fence
holds what the python fence before it must have printed, where `...` stands for anything.
A docstring holds its examples in such fences, or as a dialogue with `>>>`.
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
    """One fence: its code, where it stands, and what it must print (None: anything).

    A line of a dialogue shows its value as it would at the prompt.
    """

    page: str
    line: int
    source: str
    expected: str | None = None
    is_dialogue: bool = False


def read_fences(page: Path) -> list[Fence]:
    """Read the python fences of a page, in order, with the output that each promises."""
    return _parse(str(page), page.read_text(encoding="utf-8"))


def _parse(page: str, text: str) -> list[Fence]:
    fences: list[Fence] = []
    for match in _FENCE.finditer(text):
        body = textwrap.dedent(match["body"])
        line = text.count("\n", 0, match.start("body"))
        if match["language"] == "python":
            fences.append(Fence(page=page, line=line, source=body))
        elif not fences or fences[-1].expected is not None:
            message = f"{page}:{line}: an output fence follows the python fence that prints it"
            raise ValueError(message)
        else:
            fences[-1] = replace(fences[-1], expected=body)
    return fences


def run_fences(runner: asyncio.Runner, fences: Sequence[Fence], namespace: dict[str, Any]) -> None:
    """Run fences one after the other in one namespace, each as a task of its own if it awaits."""
    for fence in fences:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            _run(runner, fence, namespace)
        _check_output(fence, printed.getvalue())


def _run(runner: asyncio.Runner, fence: Fence, namespace: dict[str, Any]) -> None:
    # The empty lines make a traceback point at the page's own line.
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
        message = f"{fence.page}:{fence.line} promises\n{fence.expected}\nbut prints\n{printed}"
        raise AssertionError(message)


def docstring_examples(module: object) -> Iterator[tuple[str, list[Fence]]]:
    """Read the examples in the docstrings of a module's public names."""
    for name in _public_names(module):
        value = getattr(module, name)
        members = _members(value) if inspect.isclass(value) else ()
        public = {f"{name}.{key}": member for key, member in members if key[0] != "_"}
        for path, documented in {name: value, **public}.items():
            if fences := read_docstring(path, inspect.getdoc(documented) or ""):
                yield path, fences


def _members(kind: type) -> Iterable[tuple[str, object]]:
    """Return what a class has of its own, and from bases that are no public names themselves."""
    private = [base for base in kind.__mro__[1:] if base.__module__.startswith("asyncbatch._")]
    return [item for base in (kind, *private) for item in vars(base).items()]


def _public_names(module: object) -> Sequence[str]:
    """Name what a module says it offers, or else what is ours among what it holds."""
    if listed := getattr(module, "__all__", None):
        return list(listed)
    return [
        name
        for name, value in vars(module).items()
        if name[0] != "_" and getattr(value, "__module__", "").startswith("asyncbatch")
    ]


def read_docstring(path: str, docstring: str) -> list[Fence]:
    """Read the examples of a docstring: its fences, or else the lines of its dialogue."""
    return _parse(path, docstring) or [
        Fence(page=path, line=0, source=line.source, expected=line.want, is_dialogue=True)
        for line in doctest.DocTestParser().get_examples(docstring)
    ]
