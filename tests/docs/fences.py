"""Reading and running the python fences of a page, as a notebook would run its cells.

The fences of one page share a namespace and may use `await` at the top level. An `output` fence
holds what the python fence before it must have printed, where `...` stands for anything.
"""

import ast
import contextlib
import doctest
import inspect
import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>python|output)[^\n]*\n(?P<body>.*?)^(?P=indent)```\s*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """One fence: its code, where it stands, and what it must print (None: anything)."""

    page: str
    line: int
    source: str
    expected: str | None = None


def read_fences(page: Path) -> list[Fence]:
    """Read the python fences of a page, in order, with the output that each promises."""
    text = page.read_text(encoding="utf-8")
    fences: list[Fence] = []
    for match in _FENCE.finditer(text):
        body = textwrap.dedent(match["body"])
        line = text.count("\n", 0, match.start("body"))
        if match["language"] == "python":
            fences.append(Fence(page=str(page), line=line, source=body))
        elif not fences or fences[-1].expected is not None:
            message = f"{page}:{line}: an output fence follows the python fence that prints it"
            raise ValueError(message)
        else:
            code = fences.pop()
            fences.append(Fence(page=code.page, line=code.line, source=code.source, expected=body))
    return fences


async def run_fences(fences: Sequence[Fence], namespace: dict[str, Any]) -> None:
    """Run fences one after the other in one namespace."""
    for fence in fences:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            await _run(fence, namespace)
        _check_output(fence, printed.getvalue())


async def _run(fence: Fence, namespace: dict[str, Any]) -> None:
    # The empty lines make a traceback point at the page's own line.
    source = "\n" * fence.line + fence.source
    code = compile(source, fence.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    outcome = eval(code, namespace)  # noqa: S307 - our own documentation
    if code.co_flags & inspect.CO_COROUTINE:
        await outcome


def _check_output(fence: Fence, printed: str) -> None:
    if fence.expected is None:
        return
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if not doctest.OutputChecker().check_output(fence.expected, printed, flags):
        message = f"{fence.page}:{fence.line} promises\n{fence.expected}\nbut prints\n{printed}"
        raise AssertionError(message)


def docstring_fences(module: object) -> Iterator[Fence]:
    """Read the examples of the docstrings of a module's public names: their `::` blocks."""
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        yield from _examples(name, value)
        if inspect.isclass(value):
            for member_name, member in vars(value).items():
                if not member_name.startswith("_"):
                    yield from _examples(f"{name}.{member_name}", member)


def _examples(name: str, value: object) -> Iterator[Fence]:
    _, found, example = (inspect.getdoc(value) or "").partition("\nExample:\n")
    if found:
        _, _, block = example.partition("::\n")
        indented = re.match(r"(?:\s*\n| {8,}.*\n?)*", block)
        if indented and indented[0].strip():
            yield Fence(page=name, line=0, source=textwrap.dedent(indented[0]).lstrip("\n"))
