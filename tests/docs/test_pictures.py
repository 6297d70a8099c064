"""The pictures and figures of the documentation show the code and the measurements as they are."""

from pathlib import Path

import pytest

from bench import comparison, plot
from tools.pictures import PICTURES, ROOT, STATIC
from tools.pictures.architecture import read_layers

HOW = "run `python -m tools.pictures` and look at the picture"


@pytest.mark.may_block
@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_current(name: str) -> None:
    drawn = PICTURES[name]()
    assert drawn == (STATIC / name).read_text(encoding="utf-8"), HOW


def test_chart_shows_the_published_measurements(tmp_path: Path) -> None:
    assert plot.draw(comparison.read(STATIC / "bench.json"), tmp_path / "chart.svg")
    drawn = (tmp_path / "chart.svg").read_text(encoding="utf-8")
    assert drawn == (STATIC / "bench.svg").read_text(encoding="utf-8")


def test_tables_show_the_published_measurements() -> None:
    measurements = comparison.read(STATIC / "bench.json")
    table, scale = comparison.table(measurements), comparison.scale(measurements)
    assert table == (STATIC / "bench-comparison.txt").read_text(encoding="utf-8")
    assert scale == (STATIC / "bench-scale.txt").read_text(encoding="utf-8")
    assert table in (ROOT / "README.md").read_text(encoding="utf-8")


def test_design_lists_every_package_of_the_layers() -> None:
    page = (ROOT / "docs" / "explanation" / "design.md").read_text(encoding="utf-8")
    packages = [package for layer in read_layers(ROOT) for package in layer]
    assert [name for name in packages if f"| `{name}` |" not in page] == []
