"""`JobResults`: a list that shows and exports itself."""

import io
import json
import pickle
import sys
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from asyncbatch import FailureKind, JobResult, JobResults
from tests.results.results import HOSTILE, at, result

GOOD, BAD = result("a"), result("b", error="exit code 1")


def shown_with_rich(value: object) -> str:
    file = io.StringIO()
    Console(file=file, width=120).print(value)
    return file.getvalue()


def test_results_are_equal_to_a_list_of_the_same() -> None:
    results = JobResults([GOOD, BAD])
    assert results == [GOOD, BAD]
    assert isinstance(results, list)
    assert pickle.loads(pickle.dumps(results)) == results  # noqa: S301 - made here


def test_failed_and_succeeded_are_results_too() -> None:
    results = JobResults([GOOD, BAD, GOOD], logs={"b": ()})
    assert results.failed == [BAD]
    assert results.succeeded == [GOOD, GOOD]
    assert results[1:].failed == [BAD]
    assert results.failed.logs == {"b": ()}
    assert results[0] is GOOD


def test_row_has_plain_values() -> None:
    (row,) = JobResults([result("b", runs=[(60, 100), (130, 190)], error="exit code 1")]).to_dicts()
    assert row == {
        "job_id": "b",
        "name": "etl",
        "status": "FAILED",
        "queue": "default",
        "job_definition": None,
        "array_size": None,
        "created_at": at(0),
        "started_at": at(130),
        "stopped_at": at(190),
        "queue_delay": 60.0,
        "run_time": 60.0,
        "attempts": 2,
        "exit_code": 1,
        "vcpus": 2,
        "memory_mib": 4096,
        "gpus": None,
        "failure_kind": "exit code",
        "transient": False,
        "message": "exit code 1",
    }
    assert json.loads(json.dumps(row, default=str))["status"] == "FAILED"


class Frame:
    """What `to_dataframe` uses of a ``pandas.DataFrame``."""

    def __init__(self, rows: list[dict[str, Any]], columns: list[str]) -> None:
        self.rows, self.columns = rows, columns

    def astype(self, types: dict[str, str]) -> tuple[list[dict[str, Any]], list[str], list[str]]:
        return self.rows, self.columns, list(types)


@pytest.mark.parametrize("jobs", [[], [GOOD, BAD]])
def test_data_frame_has_the_rows_and_a_type_for_each_column(
    monkeypatch: pytest.MonkeyPatch, jobs: list[JobResult]
) -> None:
    pandas: Any = ModuleType("pandas")
    pandas.DataFrame = Frame
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    columns = list(JobResults([GOOD]).to_dicts()[0])
    results = JobResults(jobs)
    assert results.to_dataframe() == (results.to_dicts(), columns, columns)


def test_data_frame_without_pandas_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pandas"):
        JobResults([GOOD]).to_dataframe()


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([], "<JobResults 0 jobs>"),
        ([GOOD], "<JobResults 1 job: 1 SUCCEEDED>"),
        ([GOOD, BAD, BAD], "<JobResults 3 jobs: 2 FAILED, 1 SUCCEEDED (2 exit code)>"),
    ],
)
def test_repr_counts(results: list[Any], expected: str) -> None:
    assert repr(JobResults(results)) == str(JobResults(results)) == expected


def test_summary_of_thousands_is_short_and_has_the_first_failures() -> None:
    kinds = list(FailureKind)
    results = JobResults(
        result(f"j{n}", error=f"reason {n}" * (n % 7 == 0), kind=kinds[n % len(kinds)])
        for n in range(3000)
    )
    assert len(repr(results)) < 160
    html = results._repr_html_()
    assert html.count("<tr>") == 21
    assert "and 2,980 more" in html
    assert html.index("reason 63") < html.index(">j1<")
    text = shown_with_rich(results)
    assert "3,000 jobs: 429 FAILED, 2,571 SUCCEEDED" in text
    assert len(text.splitlines()) < 40


def test_hostile_texts_are_shown_as_text() -> None:
    results = JobResults([result("h", error=HOSTILE, name=HOSTILE)])
    for html in (results._repr_html_(), results[0]._repr_html_()):
        assert "<script" not in html
        assert "<img" not in html
        assert not set("\x1b\x07\u202e\u2028") & set(html)
    for text in (shown_with_rich(results), shown_with_rich(results[0]), repr(results[0])):
        assert not set("\x1b\x07\u202e\u2028") & set(text)
