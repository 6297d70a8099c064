"""What CONTRIBUTING says about sizes holds for every file; ruff and the layers see to the rest."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py"), ROOT / "noxfile.py"])
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 35

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))


def long_functions(tree: ast.AST) -> Iterator[str]:
    """Name the functions whose body, without its docstring, is too long."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            if lines > MOST_LINES_OF_A_FUNCTION:
                yield f"{node.name} (line {node.lineno}): {lines} lines"


@each_file
def test_a_file_is_one_thought_long(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_A_FILE


@each_file
def test_a_function_fits_on_a_screen(file: Path) -> None:
    assert list(long_functions(ast.parse(file.read_text(encoding="utf-8")))) == []


@each_file
def test_a_file_says_what_lives_there(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body
