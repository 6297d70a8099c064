"""The chart: the cost of following the same jobs for each contender."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.comparison import SHORT_NAMES, compared
from bench.measure import Measurement
from bench.workloads import OURS
from tools.pictures.svg import Canvas

_PANELS: tuple[tuple[str, Callable[[Measurement], float], str], ...] = (
    ("CPU, seconds", lambda each: each.cpu_s, ",.1f"),
    ("memory, MB", lambda each: each.memory_mb, ",.0f"),
    ("polling calls", lambda each: each.status_calls, ",.0f"),
    ("median delay, seconds", lambda each: each.delay_p50_s or 0.0, ",.2f"),
)
# Pixels. Narrow enough for a phone without scaling.
_WIDTH, _LABELS, _NUMBERS = 360, 160, 50
_ROW, _HEAD = 19, 34


def draw(measurements: Sequence[Measurement], path: Path) -> bool:
    """Write the chart; return False if the measurements have no 1,000 short jobs.

    Args:
        measurements: Measurements of any workloads.
        path: Path of the SVG file to write.
    """
    shown = compared(measurements)
    if shown:
        path.write_text(_chart(shown), encoding="utf-8")
    return bool(shown)


def _chart(shown: Sequence[Measurement]) -> str:
    panel = _HEAD + _ROW * len(shown)
    title = "Cost of 1,000 jobs of 5 to 15 s for each client; shorter bars are better"
    canvas = Canvas(_WIDTH, panel * len(_PANELS) + 10, title)
    for number, (name, number_of, form) in enumerate(_PANELS):
        top = panel * number + 22
        canvas.text(_LABELS, top, name, style="bold", anchor="start")
        most = max(map(number_of, shown))
        for row, each in enumerate(shown):
            y = top + 8 + _ROW * row
            ours = each.contender == OURS
            length = max(2.0, (_WIDTH - _LABELS - _NUMBERS) * number_of(each) / most)
            style = "small accent bold" if ours else "small"
            canvas.text(_LABELS - 8, y + 11, _label(each), style=style, anchor="end")
            canvas.bar(_LABELS, y + 2, round(length, 1), _ROW - 7, accent=ours)
            value = f"{number_of(each):{form}}"
            canvas.text(_LABELS + length + 5, y + 11, value, style=style, anchor="start")
    return canvas.render()


def _label(each: Measurement) -> str:
    name = SHORT_NAMES.get(each.contender, each.contender)
    return f"{name} ({each.lost:,} missed)" if each.lost else name
