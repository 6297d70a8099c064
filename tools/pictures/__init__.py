"""Pictures of the documentation, drawn from the code: `python -m tools.pictures` draws them again.

Each picture is an SVG file in `docs/_static`. A test compares the files with what the code gives.
The chart of the benchmark is drawn by `bench.plot`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from tools.pictures import architecture, states

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "docs" / "_static"

PICTURES: Mapping[str, Callable[[], str]] = {
    "architecture.svg": lambda: architecture.draw(ROOT),
    "states.svg": states.draw,
}
