"""The tables of the report: absolute numbers and their ratios to the floor."""

from bench.report import report
from bench.workloads import IDLE, short
from tests.bench.samples import measured

WORKLOAD = short(1_000, ("asyncbatch", "floor"))


def cells(text: str, contender: str) -> dict[str, str]:
    """Return a contender's row of the first table, by column."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.split("\n\n")[1].splitlines()
    ]
    row = next(row for row in rows if row[0].startswith(contender))
    return dict(zip(rows[0], row, strict=True))


def test_row_contains_numbers_and_ratios() -> None:
    floor = measured(contender="floor", cpu_s=4.0, memory_mb=48.0, calls={"DescribeJobs": 200})
    text = report([WORKLOAD], [measured(), floor])
    row = cells(text, "asyncbatch")
    assert row["CPU s"] == "2.0 (0.50×)"
    assert row["memory MB"] == "60 (1.25×)"
    assert row["status calls"] == "100 (0.50×)"
    assert row["SubmitJob"] == "1,000"
    assert row["delay p50 / p95 s"] == "0.70 / 1.40"


def test_row_without_the_floor_has_no_ratios() -> None:
    assert cells(report([WORKLOAD], [measured()]), "asyncbatch")["CPU s"] == "2.0"


def test_title_states_the_number_of_rounds() -> None:
    assert "least CPU time of 5 runs" in report([WORKLOAD], [measured(rounds=5)])
    assert "least CPU time" not in report([WORKLOAD], [measured()])


def test_error_is_shown_beside_the_name() -> None:
    text = report([WORKLOAD], [measured(error="took too long", delay_p50_s=None, delay_p95_s=None)])
    row = cells(text, "asyncbatch")
    assert row["contender"] == "asyncbatch (took too long)"
    assert row["delay p50 / p95 s"] == "-"


def test_row_of_held_jobs_shows_the_cpu_time_while_held() -> None:
    held = measured(workload="idle", jobs=10_000, cpu_s=30.0, held_cpu_s=15.0)
    assert cells(report([IDLE], [held]), "asyncbatch")["CPU s while held"] == "15.0"


def test_targets_are_shown_as_reached_or_missed() -> None:
    text = report([WORKLOAD], [measured(memory_mb=71.0)])
    lines = {line.split("|")[2].strip(): line for line in text.splitlines() if "|" in line}
    assert "**missed**" in lines["memory"]
    assert "reached" in lines["median delay"]
