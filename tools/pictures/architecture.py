"""The packages by layer, and the paths of data between them.

The layers are those that import-linter checks; captions are the first words of each package's
docstring. The lowest layer, which all others import, is drawn at the side. A path of data is drawn
only where one of two packages imports the other.
"""

import ast
import re
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tools.pictures.svg import Canvas

_WIDTH, _ROW, _GAP, _SPACE, _SIDE = 720, 58, 34, 12, 110
# (from, to, what flows): downwards what callers ask for, upwards what AWS reports.
_FLOWS = (
    ("_session", "_submitting", "requests"),
    ("_polling", "_session", "status changes"),
    ("_logs", "_session", "log lines"),
    ("_session", "_journal", "submissions"),
    ("_submitting", "_aws", "SubmitJob"),
    ("_aws", "_polling", "DescribeJobs"),
    ("_aws", "_logs", "FilterLogEvents"),
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a package is drawn."""

    x: float
    y: float
    width: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


def read_layers(root: Path) -> list[list[str]]:
    """Return the packages of each layer, from the top, as import-linter's contract has them."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [
        each for each in settings["tool"]["importlinter"]["contracts"] if each["id"] == "layers"
    ]
    rows = [[name.strip(" ()") for name in row.split("|")] for row in contract["layers"]]
    return [row for row in rows if row != ["__main__"]]


def imports(root: Path) -> set[tuple[str, str]]:
    """Return (importing package, imported package) of all imports inside `asyncbatch`."""
    source = root / "src" / "asyncbatch"
    found = set()
    for path in source.rglob("*.py"):
        importer = path.relative_to(source).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("asyncbatch."):
                found.add((importer, str(node.module).split(".")[1]))
    return found


def caption(root: Path, package: str) -> str:
    """Return what a package is, from the first line of its docstring."""
    path = root / "src" / "asyncbatch" / package
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
    return re.split(r"[:.,](?: |$)", first)[0].replace("`", "")


def draw(root: Path) -> str:
    """Return the picture."""
    *layers, lowest = read_layers(root)
    outside = ["AWS Batch and CloudWatch Logs", "or the local AWS Batch"]
    height = (len(layers) + 2) * (_ROW + _GAP) - _GAP + 8
    canvas = Canvas(_WIDTH, height, "Packages of asyncbatch by layer, and the data between them")
    for name, place in _row(0, ["your program", "asyncbatch_luigi", "a terminal"]).items():
        canvas.box(place.x, place.y, place.width, _ROW, [name], kind="dashed")
    places: dict[str, _Place] = {}
    for number, row in enumerate(layers, start=1):
        places |= _row(number, row)
    for package, place in places.items():
        lines = [package, *_wrapped(caption(root, package), place.width)]
        canvas.box(place.x, place.y, place.width, _ROW, lines)
    for name, place in _row(len(layers) + 1, outside).items():
        canvas.box(place.x, place.y, place.width, _ROW, [name], kind="dashed")
        canvas.edge(_vertical(place.middle, place.y - _GAP + 1, place.y - 1), both=True)
    for start, end, what in _flows(root):
        _flow(canvas, places[start], places[end], what)
    top, bottom = places[layers[0][0]].y, places[layers[-1][0]].y + _ROW
    each = (bottom - top + _SPACE) / len(lowest)
    for number, package in enumerate(lowest):
        lines = [package, *_wrapped(caption(root, package), _SIDE)]
        y = top + number * each
        canvas.box(_WIDTH - _SIDE - 1, y, _SIDE, each - _SPACE, lines)
    canvas.text(_WIDTH - _SIDE / 2, top - 10, "used by all layers", style="small soft")
    return canvas.render()


def _row(number: int, names: list[str]) -> dict[str, _Place]:
    """Return the places of boxes of equal width in a row."""
    inner = _WIDTH - _SIDE - _SPACE - 2
    width = (inner - _SPACE * (len(names) - 1)) / len(names)
    y = 4 + number * (_ROW + _GAP)
    return {
        name: _Place(1 + column * (width + _SPACE), y, width) for column, name in enumerate(names)
    }


def _flows(root: Path) -> list[tuple[str, str, str]]:
    known = imports(root)
    unknown = [flow for flow in _FLOWS if not {flow[:2], (flow[1], flow[0])} & known]
    if unknown:
        raise ValueError(f"no import connects the packages of these paths: {unknown}")
    return list(_FLOWS)


def _flow(canvas: Canvas, start: _Place, end: _Place, what: str) -> None:
    x = min(start, end, key=lambda place: place.width).middle
    down = start.y < end.y
    first, last = (start.y + _ROW, end.y) if down else (start.y, end.y + _ROW)
    canvas.edge(_vertical(x, first, last))
    canvas.text(x + 7, (first + last) / 2 + 4, what, style="small accent", anchor="start")


def _vertical(x: float, start: float, end: float) -> str:
    return f"M{x:g} {start:g}V{end:g}"


def _wrapped(text: str, width: float) -> list[str]:
    """Return the text in at most two lines that fit into a box."""
    return textwrap.wrap(text, int(width / 6.2), max_lines=2, placeholder=" …")
