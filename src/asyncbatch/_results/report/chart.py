"""How many jobs waited and ran at each moment, as paths of an SVG picture. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import accumulate

from asyncbatch._results.report.run import Run

_BINS = 250
_WIDTH, _HEIGHT = 1000, 100


def chart_of(run: Run) -> dict[str, str] | None:
    """Return the paths and labels of the chart; None where no times are known.

    The time is divided into 250 parts; each shows its average.
    """
    segments = [
        (segment.begin.timestamp(), segment.end.timestamp(), segment.ran)
        for job in run.jobs
        for submission in job.submissions
        for segment in submission.segments()
    ]
    if not segments:
        return None
    begin = min(segment[0] for segment in segments)
    end = max(segment[1] for segment in segments)
    if end <= begin:
        return None
    running = _averages(((a, b) for a, b, ran in segments if ran), begin, end)
    waiting = _averages(((a, b) for a, b, ran in segments if not ran), begin, end)
    sums = [a + b for a, b in zip(running, waiting, strict=True)]
    highest = max(sums)
    if not highest:
        return None
    return {
        "running": _path(running, highest),
        "waiting": _path(sums, highest),
        "highest": f"{round(highest):,}",
        "begin": _label(begin),
        "end": _label(end),
    }


def _averages(segments: Iterable[tuple[float, float]], begin: float, end: float) -> list[float]:
    """Return how many segments there were on average in each part of the time."""
    width = (end - begin) / _BINS
    # Each segment adds its share in the parts where it begins and ends, and 1 between them: as
    # differences, whose running sum is the number.
    steps = [0.0] * (_BINS + 2)
    for first, last in segments:
        for time, sign in ((first, 1.0), (last, -1.0)):
            place = (time - begin) / width
            part = min(int(place), _BINS)
            share = place - part
            steps[part] += sign * (1 - share)
            steps[part + 1] += sign * share
    return [max(number, 0.0) for number in accumulate(steps[:_BINS])]


def _path(values: Sequence[float], highest: float) -> str:
    """Return an area below steps."""
    width = _WIDTH / _BINS
    parts = [f"M0,{_HEIGHT}"]
    for place, value in enumerate(values):
        y = _HEIGHT - value / highest * (_HEIGHT - 2)
        parts.append(f"L{place * width:g},{y:.1f}H{(place + 1) * width:g}")
    return f"{''.join(parts)}V{_HEIGHT}Z"


def _label(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
