"""Results of a run, computed from the engine's account and the contender's records."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.endpoint import Account
from bench.measure import Known, least_disturbed, measurement, percentile
from bench.processes import Usage
from bench.workloads import ARRAY, IDLE, short
from tests.bench.samples import measured

USAGE = Usage(wall_s=30.0, cpu_s=4.0, memory_mb=50.0, exit_code=0)
THREE = short(3, ("floor",))


def account(**fields: Any) -> Account:  # noqa: ANN401 (any field's type)
    plain: dict[str, Any] = {
        "calls": {"SubmitJob": 3},
        "throttled": 0,
        "submissions": 3,
        "submit_seconds": 1.0,
        "ends": {"a": 10.0, "b": 11.0, "c": 12.0},
    }
    return Account(**{**plain, **fields})


def known(*lines: str) -> Known:
    return Known.parse(lines)


def test_delay_is_measured_from_the_end_of_a_job_to_its_report() -> None:
    found = known("a 10.5", "b 12.0", "c 13.5")
    result = measurement(THREE, "floor", usage=USAGE, account=account(), known=found)
    assert (result.delay_p50_s, result.delay_p95_s, result.lost) == (1.0, 1.5, 0)


def test_first_of_two_reports_of_an_end_counts() -> None:
    assert known("a 10.5", "a 20.0").ends == {"a": 10.5}


def test_unreported_and_unsubmitted_jobs_are_lost() -> None:
    happened = account(ends={"a": 10.0, "b": 11.0}, submissions=2)
    result = measurement(THREE, "gather", usage=USAGE, account=happened, known=known("a 10.5"))
    assert result.lost == 2


def test_report_of_an_end_that_did_not_happen_does_not_count() -> None:
    happened = account(ends={"a": 10.0})
    found = known("a 10.5", "b 10.5", "c 10.5")
    assert measurement(THREE, "floor", usage=USAGE, account=happened, known=found).lost == 2


def test_submissions_beyond_the_requested_ones_are_doubled() -> None:
    result = measurement(
        THREE, "floor", usage=USAGE, account=account(submissions=5), known=known("a 10.5")
    )
    assert result.doubled == 2


def test_array_counts_as_one_job() -> None:
    happened = account(submissions=1, ends={"parent": 15.0})
    found = known("parent 16.0")
    result = measurement(ARRAY, "floor", usage=USAGE, account=happened, known=found)
    assert (result.lost, result.doubled, result.delay_p50_s) == (0, 0, 1.0)


def test_cpu_time_in_virtual_time_is_without_that_of_the_engine() -> None:
    found = known("#virtual_s 3600", "#engine_cpu_s 1.5", "#held_cpu_s 0.5", "#seen 7")
    result = measurement(IDLE, "asyncbatch", usage=USAGE, account=account(ends={}), known=found)
    assert (result.wall_s, result.cpu_s, result.held_cpu_s) == (3600.0, 2.5, 0.5)
    assert (result.seen, result.delay_p50_s) == (7, None)


def test_jobs_that_are_held_are_lost_if_they_were_not_submitted() -> None:
    happened = account(submissions=IDLE.jobs - 1, ends={})
    result = measurement(IDLE, "floor", usage=USAGE, account=happened, known=known())
    assert result.lost == 1


def test_least_disturbed_run_has_the_least_cpu_time() -> None:
    runs = [measured(cpu_s=2.0, wall_s=30.0), measured(cpu_s=1.5, wall_s=31.0)]
    assert least_disturbed(runs) == measured(cpu_s=1.5, wall_s=31.0, rounds=2)


@pytest.mark.parametrize("wrong", [{"error": "exit code 1"}, {"lost": 1}, {"doubled": 1}])
def test_wrong_run_is_returned_before_correct_ones(wrong: dict[str, Any]) -> None:
    runs = [measured(cpu_s=2.0), measured(cpu_s=9.0, **wrong), measured(cpu_s=1.0)]
    assert least_disturbed(runs) == measured(cpu_s=9.0, **wrong, rounds=3)


@pytest.mark.parametrize(
    ("exit_code", "error"), [(0, None), (3, "exit code 3"), (None, "took too long")]
)
def test_measurement_has_an_error_unless_the_program_succeeds(
    exit_code: int | None, error: str | None
) -> None:
    usage = Usage(wall_s=1.0, cpu_s=1.0, memory_mb=1.0, exit_code=exit_code)
    result = measurement(THREE, "floor", usage=usage, account=account(), known=known())
    assert result.error == error


@given(st.lists(st.integers(0, 1_000), min_size=1), st.integers(1, 100))
def test_percentile_is_a_value_that_the_given_share_does_not_exceed(
    values: list[int], percent: int
) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100
    assert sum(value < found for value in values) < len(values) * percent / 100


def test_percentile_without_values_is_none() -> None:
    assert percentile([], 50) is None
