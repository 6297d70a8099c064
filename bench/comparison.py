"""The tables for users: 1,000 short jobs for each client, and what asyncbatch needs at any size."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.measure import Measurement
from bench.report import markdown
from bench.workloads import FLOOR, LUIGI, OURS

_WORKLOAD, _JOBS = "short", 1_000
_COLUMNS = (
    *("client", "time", "CPU", "memory", "polling calls", "throttled calls"),
    *("median delay", "ends missed"),
)
_NAMES: Mapping[str, str] = {
    OURS: "**asyncbatch**",
    FLOOR: "minimal poller, 40 lines",
    "gather": "`asyncio.gather` with aiobotocore",
    LUIGI: "luigi.contrib.batch, 100 workers",
}
# Where a full name has no room.
SHORT_NAMES: Mapping[str, str] = {FLOOR: "minimal poller", "gather": "asyncio.gather"}
_SCALE_COLUMNS = (
    *("work", "jobs", "time", "CPU", "memory"),
    *("SubmitJob", "polling calls", "median delay"),
)
_WORK: Mapping[str, str] = {
    "short": "jobs of 5 to 15 s",
    "medium": "jobs of 1 to 5 minutes",
    "array": "one array, children of 5 to 15 s",
    "idle": "RUNNABLE for an hour",
    "live100k": "running, submitted without a quota",
}
_MINUTES = 10  # durations from here on are shown in minutes


def read(path: Path) -> list[Measurement]:
    """Return the measurements of a published file."""
    return [Measurement(**each) for each in json.loads(path.read_text(encoding="utf-8"))]


def compared(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Return those of 1,000 short jobs, one for each client."""
    return [each for each in measurements if (each.workload, each.jobs) == (_WORKLOAD, _JOBS)]


def table(measurements: Sequence[Measurement]) -> str:
    """Return the table in Markdown; empty if 1,000 short jobs were not measured."""
    rows = [
        [
            _NAMES.get(each.contender, each.contender),
            f"{each.wall_s:,.0f} s",
            f"{each.cpu_s:,.1f} s",
            f"{each.memory_mb:,.0f} MB",
            f"{each.status_calls:,}",
            f"{each.throttled:,}",
            f"{each.delay_p50_s or 0:.1f} s",
            f"{each.lost:,}",
        ]
        for each in compared(measurements)
    ]
    return markdown(_COLUMNS, rows) + "\n" if rows else ""


def scale(measurements: Sequence[Measurement]) -> str:
    """Return the table of what asyncbatch itself needs for each workload, in Markdown."""
    rows = [
        [
            _WORK.get(each.workload, each.workload),
            f"{each.jobs:,}",
            _duration(each.wall_s),
            f"{each.cpu_s:,.1f} s",
            f"{each.memory_mb:,.0f} MB",
            f"{each.calls.get('SubmitJob', 0):,}",
            f"{each.status_calls:,}",
            "" if each.delay_p50_s is None else f"{each.delay_p50_s:.1f} s",
        ]
        for each in measurements
        if each.contender == OURS and each.workload in _WORK
    ]
    return markdown(_SCALE_COLUMNS, rows) + "\n" if rows else ""


def _duration(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < _MINUTES * 60 else f"{seconds / 60:,.0f} min"
