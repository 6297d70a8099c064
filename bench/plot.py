"""The picture: what following jobs costs each contender."""

from collections.abc import Sequence
from pathlib import Path

from bench.measure import Measurement


def draw(measurements: Sequence[Measurement], path: Path) -> None:
    """Draw."""
