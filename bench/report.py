"""The report: tables in Markdown with absolute numbers and their ratios to the floor."""

import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from bench.environments import versions_of
from bench.measure import Measurement
from bench.thresholds import thresholds
from bench.work import LOG_FIGURES
from bench.workloads import FLOORS, Workload

_CPU = "CPU s"
_HELD_CPU = "CPU s while held"
_COLUMNS = (
    "contender",
    "jobs",
    "wall s",
    "submission s",
    _CPU,
    "memory MB",
    "SubmitJob",
    "status calls",
    "throttled",
    "delay p50 / p95 s",
    "lost",
    "doubled",
)


def report(workloads: Sequence[Workload], measurements: Sequence[Measurement]) -> str:
    """Return all tables as Markdown.

    Args:
        workloads: The workloads, in the order of their tables.
        measurements: Their results.
    """
    parts = [_table_of(workload, measurements) for workload in workloads]
    checks = _thresholds_table(measurements)
    if checks:
        parts.append(f"**Performance targets**\n\n{checks}")
    parts.append(_conditions({each.contender for each in measurements}))
    return "\n\n".join(parts) + "\n"


def _table_of(workload: Workload, measurements: Sequence[Measurement]) -> str:
    mine = [
        each
        for each in measurements
        if (each.workload, each.jobs) == (workload.name, workload.jobs)
    ]
    if workload.setting.lines:
        return f"**{workload.title}**\n\n{_logs_table(mine)}"
    floor = next((each for each in mine if each.contender in FLOORS), None)
    columns = [_HELD_CPU if workload.hold and name == _CPU else name for name in _COLUMNS]
    table = markdown(columns, [_row(each, floor) for each in mine])
    rounds = max((each.rounds for each in mine), default=1)
    title = workload.title if rounds == 1 else f"{workload.title}; least CPU time of {rounds} runs"
    return f"**{title}**\n\n{table}"


def _logs_table(mine: Sequence[Measurement]) -> str:
    """Return the table of a workload that follows logs."""
    shown = [name for name in LOG_FIGURES if any(name in each.logs for each in mine)]
    columns = ("contender", "jobs", *(LOG_FIGURES[name] for name in shown), "log calls")
    rows = [
        [
            each.contender if each.error is None else f"{each.contender} ({each.error})",
            f"{each.jobs:,}",
            *(_short_number(each.logs[name]) if name in each.logs else "-" for name in shown),
            f"{each.log_calls:,}",
        ]
        for each in mine
    ]
    return markdown(columns, rows)


def _row(each: Measurement, floor: Measurement | None) -> list[str]:
    name = each.contender if each.error is None else f"{each.contender} ({each.error})"
    return [
        name,
        f"{each.jobs:,}",
        f"{each.wall_s:,.1f}",
        f"{each.submit_s:,.1f}",
        _compared(each, floor, _cpu, ".1f"),
        _compared(each, floor, lambda one: one.memory_mb, ".0f"),
        f"{each.calls.get('SubmitJob', 0):,}",
        _compared(each, floor, lambda one: one.status_calls, ".0f"),
        f"{each.throttled:,}",
        _delays(each),
        f"{each.lost:,}",
        f"{each.doubled:,}",
    ]


def _delays(each: Measurement) -> str:
    if each.delay_p50_s is None or each.delay_p95_s is None:
        return "-"
    return f"{each.delay_p50_s:.2f} / {each.delay_p95_s:.2f}"


def _cpu(each: Measurement) -> float:
    """Return the CPU time that the workload measures."""
    return each.cpu_s if each.held_cpu_s is None else each.held_cpu_s


def _compared(
    each: Measurement,
    floor: Measurement | None,
    number_of: Callable[[Measurement], float],
    form: str,
) -> str:
    """Return a number with its ratio to the number of the floor."""
    value = number_of(each)
    text = f"{value:,{form}}"
    return f"{text} ({value / number_of(floor):.2f}×)" if floor and number_of(floor) else text


def _thresholds_table(measurements: Sequence[Measurement]) -> str:
    rows = [
        [
            check.workload,
            check.what,
            f"{check.limit:g} {check.unit}".strip(),
            "-" if check.value is None else f"{_short_number(check.value)} {check.unit}".strip(),
            "reached" if check.reached else "**missed**",
        ]
        for check in thresholds(measurements)
    ]
    return markdown(("work", "number", "at most", "measured", ""), rows) if rows else ""


def _short_number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"  # noqa: PLR2004 (three digits are enough)


def _conditions(contenders: Iterable[str]) -> str:
    cores = len(os.sched_getaffinity(0))
    machine = f"CPython {platform.python_version()}, {sys.platform}, {cores} cores"
    lines = [f"{machine}. Versions:", ""]
    for name in sorted(contenders):
        versions = ", ".join(f"{package} {found}" for package, found in versions_of(name).items())
        lines.append(f"- {name}: {versions}")
    return "\n".join(lines)


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown that is readable in a terminal as well."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    dashes = ["-" * width for width in widths]
    return "\n".join(_lines(widths, [columns, dashes, *rows]))


def _lines(widths: Sequence[int], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"| {' | '.join(cells)} |"
