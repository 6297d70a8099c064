"""Results as tables for people: a summary, the first failures, the first of the others."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from asyncbatch._values.results import JobResult
from asyncbatch._values.showing import (
    TABLE,
    duration_text,
    html_colour,
    html_text,
    rich_style,
    short_name,
)
from asyncbatch._values.text import one_line

if TYPE_CHECKING:
    from rich.console import Group

_MOST_FAILED = 10
_MOST_OTHERS = 10
_COLUMNS = ("job", "id", "status", "exit", "attempts", "run time", "reason")
_LONGEST_REASON = 300
_LONGEST_IN_ONE_LINE = 24
"""Characters of a job's name; longer ones leave the other columns too little room."""


def summary(results: Sequence[JobResult]) -> str:
    """Return how many jobs ended in which way."""
    counts = Counter(each.status for each in results)
    states = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
    jobs = "1 job" if len(results) == 1 else f"{len(results):,} jobs"
    return f"{jobs}: {states}" if states else jobs


def html_table(results: Sequence[JobResult]) -> str:
    """Return the table as HTML."""
    shown, left = _shown(results)
    head = "".join(f'<th style="{_cell(column)};opacity:.7">{column}</th>' for column in _COLUMNS)
    rows = []
    for result in shown:
        cells = [html_text(text) for text in _cells(result)]
        cells[2] = f'<b style="color:{html_colour(result.status)}">{cells[2]}</b>'
        texts = (
            f'<td style="{_cell(column, len(cell))}"><bdi>{cell}</bdi></td>'
            for column, cell in zip(_COLUMNS, cells, strict=True)
        )
        rows.append(f"<tr>{''.join(texts)}</tr>")
    table = f'<table style="{TABLE}"><tr>{head}</tr>{"".join(rows)}</table>' if rows else ""
    kinds = "".join(f"<div>{html_text(line)}</div>" for line in _kinds(results))
    more = f"<div>{html_text(_more(left))}</div>" if left else ""
    return f"<div><div>{html_text(summary(results))}</div>{kinds}{table}{more}</div>"


def rich_table(results: Sequence[JobResult]) -> "Group":
    """Return the table for rich."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown, left = _shown(results)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in _COLUMNS:
        table.add_column(column, overflow="fold", no_wrap=column == "status")
    for result in shown:
        cells = [Text(one_line(text)) for text in _cells(result)]
        cells[2].stylize(rich_style(result.status))
        table.add_row(*cells)
    lines = [summary(results), *_kinds(results)]
    parts = [Text(line) for line in lines]
    more = [Text(_more(left), "dim")] if left else []
    return Group(*parts, table, *more)


def _shown(results: Sequence[JobResult]) -> tuple[list[JobResult], int]:
    """Return the results that are shown, failures first, and how many are not."""
    failed: list[JobResult] = []
    others: list[JobResult] = []
    for result in results:
        chosen, most = (others, _MOST_OTHERS) if result.succeeded else (failed, _MOST_FAILED)
        if len(chosen) < most:
            chosen.append(result)
    shown = failed + others
    return shown, len(results) - len(shown)


def _kinds(results: Sequence[JobResult]) -> list[str]:
    """Return how often jobs failed in which way, where there is more than one failure."""
    kinds = Counter(each.failure.kind for each in results if each.failure)
    if kinds.total() < 2:  # noqa: PLR2004 - one failure is in the table
        return []
    return ["failed: " + ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())]


def _cells(result: JobResult) -> list[str]:
    job, failure = result.description, result.failure
    size = f" (array of {job.array.size:,})" if job.array and job.array.size else ""
    reason = str(failure) if failure else ""
    return [
        f"{short_name(job.name) or '?'}{size}",
        short_name(job.job_id),
        job.status,
        "" if job.exit_code is None else str(job.exit_code),
        str(len(job.attempts) or ""),
        duration_text(job.duration),
        reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]}…",
    ]


def _more(left: int) -> str:
    return f"… and {left:,} more; to_dicts() and report(path) have all of them"


def _cell(column: str, length: int = 0) -> str:
    """Return the style of a cell: only reasons and long names have several lines."""
    has_lines = column == "reason" or (column == "job" and length > _LONGEST_IN_ONE_LINE)
    wrap = "min-width:12em;overflow-wrap:anywhere" if has_lines else "white-space:nowrap"
    return f"text-align:left;padding:.1em .8em .1em 0;vertical-align:top;{wrap}"
