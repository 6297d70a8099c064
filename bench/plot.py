"""The plot: the cost of following the same jobs for each contender, on logarithmic scales."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.measure import Measurement
from bench.workloads import OURS

_WORKLOAD = "short"
_JOBS = 1_000
_PANELS: tuple[tuple[str, Callable[[Measurement], float], str], ...] = (
    ("CPU, seconds", lambda each: each.cpu_s, ",.1f"),
    ("memory, MB", lambda each: each.memory_mb, ",.0f"),
    ("status calls", lambda each: each.status_calls, ",.0f"),
    ("median delay, seconds", lambda each: each.delay_p50_s or 0.0, ",.2f"),
)
_OURS = "#0b5fa5"
_PEER = "#8a8f98"
_INK = "#22262b"
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "ytick.color": _INK,
    # Small files that are identical for identical numbers: text stays text, ids are not random.
    "svg.fonttype": "none",
    "svg.hashsalt": "bench",
}


def draw(measurements: Sequence[Measurement], path: Path) -> bool:
    """Plot the measurements of 1,000 short jobs; return False if there are none.

    Args:
        measurements: Measurements of any workloads.
        path: Path of the SVG file to write.
    """
    shown = [each for each in measurements if (each.workload, each.jobs) == (_WORKLOAD, _JOBS)]
    if not shown:
        return False
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 0.9 + 0.34 * len(shown)), layout="constrained")
        figure.suptitle(
            f"{_JOBS:,} jobs of 5-15 s under quotas of 50 calls/s; log scales, less is better"
        )
        panels = figure.subplots(1, len(_PANELS), sharey=True)
        for axes, (title, number_of, form) in zip(panels, _PANELS, strict=True):
            _panel(axes, shown, number_of, form)
            axes.set_title(title, fontsize=9)
        panels[0].set_yticks(range(len(shown)), [_label(each) for each in shown])
        panels[0].invert_yaxis()
        figure.savefig(path, format="svg", metadata={"Date": None})
    return True


def _panel(
    axes: Axes, shown: Sequence[Measurement], number_of: Callable[[Measurement], float], form: str
) -> None:
    values = [number_of(each) for each in shown]
    colours = [_OURS if each.contender == OURS else _PEER for each in shown]
    axes.scatter(values, range(len(shown)), c=colours, s=34, zorder=3)
    for row, (value, colour) in enumerate(zip(values, colours, strict=True)):
        axes.annotate(
            f"{value:{form}}",
            (value, row),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=_INK if colour == _PEER else _OURS,
            weight="normal" if colour == _PEER else "bold",
        )
    axes.set_xscale("log")
    # Space for the last number, to the right of its dot.
    axes.set_xlim(min(values) / 1.6, max(values) * (max(values) / min(values)) ** 0.45 * 1.6)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.grid(axis="y", color="#e3e6ea", linewidth=0.8)
    axes.tick_params(axis="both", which="both", length=0)
    axes.xaxis.set_ticklabels([])
    axes.xaxis.set_ticklabels([], minor=True)
    axes.spines[:].set_visible(False)


def _label(each: Measurement) -> str:
    return f"{each.contender} ({each.lost:,} lost)" if each.lost else each.contender
