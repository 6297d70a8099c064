"""Figures in the text of pages are those of the tables, wherever they are repeated."""

import re
from pathlib import Path

from bench import comparison
from bench.workloads import FLOOR, OURS

EXPLANATION = Path(__file__).parents[2] / "docs" / "explanation"
BENCHMARK = (EXPLANATION / "benchmark.md").read_text(encoding="utf-8")
PERFORMANCE = (EXPLANATION / "performance.md").read_text(encoding="utf-8")


def first_cell(label: str) -> str:
    """Return the cell after a label in a table of the page on the benchmark."""
    [cell] = re.findall(rf"^\| {re.escape(label)} \| ([^|]*) \|", BENCHMARK, re.MULTILINE)
    return str(cell)


def test_share_of_luigi_tasks_in_one_process() -> None:
    tables = BENCHMARK.partition("### Luigi tasks in one process")[2]
    cells = re.search(r"\| 1,000 tasks of [^|]*\| asyncbatch_luigi \|(.*)\|\n\|(.*)\|", tables)
    assert cells is not None
    ours, theirs = ([each.strip() for each in line.split("|")] for line in cells.groups())
    numbers = [
        (float(a.replace(",", "")), float(b.replace(",", "")))
        for a, b in zip(ours[-2:], theirs[-2:], strict=True)
    ]
    [cpu, memory] = [round(100 * a / b) for a, b in numbers]
    assert f"take {cpu} % of the CPU time and memory" in PERFORMANCE
    assert cpu == memory
    assert f"1,000 tasks take {cpu} % of the CPU time" in BENCHMARK


def test_cost_of_logs() -> None:
    per_second = re.search(
        r"about (\d+) per second", first_cell("calls of FilterLogEvents and GetLogEvents")
    )
    assert per_second is not None
    cpu = first_cell("CPU")
    text = " ".join(PERFORMANCE.split())
    assert f"with {per_second[1]} log calls per second and {cpu}" in text


def test_share_of_the_least_cpu_time() -> None:
    measured = comparison.compared(comparison.read(EXPLANATION.parent / "_static" / "bench.json"))
    cpu = {each.contender: each.cpu_s for each in measured}
    listed = re.search(
        r"sessions gave ([\d., and]+) %; the table shows the last one", " ".join(BENCHMARK.split())
    )
    assert listed is not None
    assert listed[1].split()[-1] == f"{100 * cpu[OURS] / cpu[FLOOR]:.1f}"
